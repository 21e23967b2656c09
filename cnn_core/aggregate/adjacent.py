"""Adjacent windows judged together, then aggregated: moving mean or median, linear, MLP.

A layer with a small window over the score map does the judging, so it learns, streams and pulls
gradients back as any layer does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cnn_core.aggregate.aggregate import (
    Aggregate,
    Pull,
    State,
    by_axis,
    check_rows,
    checked,
    present,
)
from cnn_core.aggregate.folds import Max
from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError
from cnn_core.layers import Conv1d, Conv2d, Layer, MeanPool, Relu, Sequential
from cnn_core.layers.median import MedianPool


@dataclass(frozen=True, eq=False)
class Adjacent(Aggregate):
    """`aggregate` over the outputs of `layer`, which reads the score map at stride 1, unpadded.

    Fewer windows than the layer spans are none: the value is the aggregate's `empty`.
    """

    layer: Layer
    aggregate: Aggregate = field(default_factory=Max)

    def __post_init__(self) -> None:
        wrong = [w for w in self.layer.windows if w.step != 1 or w.start != 0]
        if wrong:
            raise CoreError(
                f"Adjacent: got a layer of {wrong[0]}; expected step 1 and start 0: one output "
                "for each window, without padding"
            )

    @property
    def horizon(self) -> int | None:  # type: ignore[override]
        """Windows that count in a stream: those of the aggregate, and what the layer spans."""
        return None if self.aggregate.horizon is None else self.aggregate.horizon + self._reach

    @property
    def empty(self) -> float:
        return float(getattr(self.aggregate, "empty", 0.0))

    @property
    def _reach(self) -> int:
        """How many windows before its own the layer reads."""
        return int(self.layer.windows[0].size) - 1 if self.layer.windows else 0

    def vjp(
        self,
        scores: Array,
        lengths: Integers | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Pull]:
        """As every aggregate; the gradient's second part is an `Adjacent` of weight gradients."""
        there = present(scores, lengths)
        clean = checked(np.where(there, scores, scores.dtype.type(0)), "aggregate")
        judged, pull_layer = self.layer.vjp(clean, rng)
        values, pull_aggregate = self.aggregate.vjp(judged, self._lengths(lengths), rng)

        def pull(dy: Array) -> tuple[Array, Adjacent]:
            djudged, aggregate = pull_aggregate(dy)
            dscores, layer = pull_layer(djudged)
            return np.where(there, dscores, 0).astype(scores.dtype), Adjacent(layer, aggregate)

        return values, pull

    def init(self, labels: int) -> State:
        judged = self.layer.output_shape((1, self._reach + 1, labels))[-1]
        return np.zeros((0, labels)), self.aggregate.init(judged)

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        tail, inner = state
        check_rows(scores, tail.shape[-1])
        seen = np.concatenate((tail.astype(scores.dtype), scores))
        judged = self.layer.forward(seen[None])[0]
        inner, values = self.aggregate.step(inner, judged)
        # The first windows of a stream are too few to be judged.
        early = np.full((len(scores) - len(values), values.shape[1]), self.empty, values.dtype)
        tail = seen[max(0, len(seen) - self._reach) :].copy()
        return (tail, inner), np.concatenate((early, values))

    def _lengths(self, lengths: Integers | None) -> Integers | None:
        if lengths is None or not self.layer.windows:
            return lengths
        counts = [
            [w.count(int(n)) for w, n in zip(self.layer.windows, row, strict=True)]
            for row in by_axis(lengths)
        ]
        return np.array(counts, np.intp).reshape(by_axis(lengths).shape)


def moving_mean(adjacent: int, aggregate: Aggregate | None = None, *, axes: int = 1) -> Adjacent:
    """The mean of `adjacent` windows along each axis, then by default the largest of these."""
    return Adjacent(MeanPool.create(adjacent, stride=1, axes=axes), aggregate or Max())


def moving_median(adjacent: int, aggregate: Aggregate | None = None, *, axes: int = 1) -> Adjacent:
    """The median of `adjacent` windows along each axis, then by default the largest of these.

    One window that errs cannot raise it alone.
    """
    return Adjacent(MedianPool.create(adjacent, stride=1, axes=axes), aggregate or Max())


def linear(
    rng: np.random.Generator,
    labels: int,
    adjacent: int,
    aggregate: Aggregate | None = None,
    *,
    axes: int = 1,
) -> Adjacent:
    """A trained linear combination of `adjacent` windows, all labels together; any aggregate."""
    conv = Conv1d if axes == 1 else Conv2d
    return Adjacent(conv.create(rng, labels, labels, adjacent), aggregate or Max())


def mlp(
    rng: np.random.Generator,
    labels: int,
    adjacent: int,
    hidden: int = 8,
    aggregate: Aggregate | None = None,
    *,
    axes: int = 1,
) -> Adjacent:
    """A small trained MLP over `adjacent` windows, one hidden layer; any aggregate."""
    conv = Conv1d if axes == 1 else Conv2d
    first, second = conv.create(rng, labels, hidden, adjacent), conv.create(rng, hidden, labels, 1)
    return Adjacent(Sequential((first, Relu(), second)), aggregate or Max())
