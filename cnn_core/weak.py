"""Weak labels: a window network learns from recordings of which only is known whether, not where.

The network is swept over the whole recording, its scores are aggregated, and the loss of that one
answer is pulled back through the aggregate and the scan: every window adds its share to the one
set of weights (multiple-instance learning, Maron and Lozano-Perez 1998). What is learnt is the
window network, which then tells where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cnn_core.aggregate import Aggregate
from cnn_core.arrays import Array, Integers
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class Padded:
    """Recordings of different lengths as one batch, taken by row as an array is.

    `values` is (N, *in, C); of recording n the first `lengths[n]` inputs count, (N, axes).
    """

    values: Array
    lengths: Integers

    def __post_init__(self) -> None:
        sizes = np.array(self.values.shape[1:-1])
        fits = self.lengths.shape == (len(self.values), len(sizes))
        if not fits or (self.lengths > sizes).any() or (self.lengths < 0).any():
            raise ShapeError(
                f"Padded: got lengths {self.lengths.tolist()} for inputs of shape "
                f"{self.values.shape}; expected {len(self.values)} rows of 0 to {sizes.tolist()}"
            )

    @classmethod
    def of(cls, recordings: Sequence[Array]) -> Self:
        """Recordings (*in, C), at least one of them, with zeros behind."""
        lengths = np.array([recording.shape[:-1] for recording in recordings])
        first = recordings[0]
        values = np.zeros((len(lengths), *lengths.max(axis=0), first.shape[-1]), first.dtype)
        for row, recording in zip(values, recordings, strict=True):
            row[tuple(map(slice, recording.shape[:-1]))] = recording
        return cls(values, lengths)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Integers) -> Padded:
        return Padded(self.values[rows], self.lengths[rows])


@dataclass(frozen=True, eq=False)
class Swept(Layer, abstract=True):
    """One answer a label for a recording of any size: (N, *in, C) -> (N, L).

    `net` gives a score map (N, *out, L), in log odds where a loss with logits follows. Train it
    with `fit` as any network, on arrays or on `Padded`; then `net` alone is the detector. It is
    what a model file keeps, and where an aggregate learns too, its `layer` in a file of its own.
    """

    computes: ClassVar[bool] = False

    net: Layer
    aggregate: Aggregate

    @property
    def windows(self) -> Windows:
        raise GeometryError("Swept: its answer is for a whole recording; sweep its `net`")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self.net.output_shape(shape)[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return self.net.multiply_adds(shape)

    def forward(self, x: Array | Padded) -> Array:
        values, lengths = self._parts(x)
        return self.aggregate.forward(self.net.forward(values), lengths)

    def vjp(self, x: Array | Padded, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        values, lengths = self._parts(x)
        scores, pull_net = self.net.vjp(values, rng)
        answers, pull_aggregate = self.aggregate.vjp(scores, lengths, rng)

        def pull(dy: Array) -> tuple[Array, Swept]:
            dscores, aggregate = pull_aggregate(dy)
            dx, net = pull_net(dscores)
            return dx, Swept(net, aggregate)

        return answers, pull

    def vjp_weights(
        self, x: Array | Padded, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Any]]:
        values, lengths = self._parts(x)
        scores, pull_net = self.net.vjp_weights(values, rng)
        answers, pull_aggregate = self.aggregate.vjp(scores, lengths, rng)

        def pull(dy: Array) -> Swept:
            dscores, aggregate = pull_aggregate(dy)
            return Swept(pull_net(dscores), aggregate)

        return answers, pull

    def _parts(self, x: Array | Padded) -> tuple[Array, Integers | None]:
        """The inputs, and how many windows lie within each recording, (N, axes)."""
        if not isinstance(x, Padded):
            return x, None
        counts = [self.net.lengths(tuple(map(int, row))) for row in x.lengths]
        return x.values, np.array(counts, np.intp).reshape(x.lengths.shape)
