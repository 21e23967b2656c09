"""Layers side by side: where their outputs meet, in a batch, in its gradient and in a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from math import lcm
from typing import Any, ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Window, Windows, cover, crop_offsets
from cnn_core.layers.checks import check_setting
from cnn_core.layers.chunks import Chunk, largest, least, most, waiting
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.tail import Lent, Tail, first_tail


@dataclass(frozen=True, eq=False)
class Identity(Layer):
    """The input itself: the skip of a residual block."""

    computes: ClassVar[bool] = False

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 3)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        return x, lambda dy: (dy, self)


@dataclass(frozen=True, eq=False)
class Branches(Layer, abstract=True):
    """Layers side by side that see the same input; a subclass says how their outputs are joined.

    Outputs are joined where their windows are centred alike; a causal branch stands where its
    windows end, whatever is beside it. What one branch has beyond the others is cropped. So a skip
    past valid convolutions is the cropped input, and one past causal ones the whole. In a stream
    the branch that answers earlier waits. Branches may also end without places, (N, D) each.
    """

    computes: ClassVar[bool] = False

    branches: tuple[Layer, ...]
    drops: tuple[tuple[int, ...], ...] | None = None
    """First outputs that each branch loses, an axis each, where centres are not to decide."""

    def __post_init__(self) -> None:
        if not self.branches:
            raise GeometryError(f"{self}: got no branches; expected at least one")

    def join(self, outputs: Sequence[Array]) -> Array:
        """One output from those of the branches, which have equal lengths."""
        raise NotImplementedError

    def split(self, dy: Array, channels: Sequence[int]) -> Sequence[Array]:
        """What each branch has to answer for, by the channels of their outputs."""
        raise NotImplementedError

    @cached_property
    def windows(self) -> Windows:
        by_axis = self._by_axis()
        drops = zip(*self.offsets(len(by_axis)), strict=True)
        return tuple(cover(axis, lost) for axis, lost in zip(by_axis, drops, strict=True))

    def lengths(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        return self._cropped([branch.lengths(lengths) for branch in self.branches])

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        shapes = [branch.output_shape(shape) for branch in self.branches]
        channels = self._channels([shape[-1] for shape in shapes])
        if len(shapes[0]) == 2:
            return (shape[0], channels)
        # Of the outputs, not the input: words have no channels, yet swept axes.
        return (shape[0], *self._cropped([shape[1:-1] for shape in shapes]), channels)

    def _cropped(self, outputs: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The lengths that branches with outputs of these lengths have in common."""
        cropped = [
            [length - drop for length, drop in zip(output, drops, strict=True)]
            for output, drops in zip(outputs, self.offsets(len(outputs[0])), strict=True)
        ]
        return tuple(max(0, min(axis)) for axis in zip(*cropped, strict=True))

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return sum(branch.multiply_adds(shape) for branch in self.branches)

    def forward(self, x: Array) -> Array:
        return self._joined([branch.forward(x) for branch in self.branches])

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        outputs, pulls = zip(*(branch.vjp(x, rng) for branch in self.branches), strict=True)
        spread = self._spread(outputs)

        def pull_all(dy: Array) -> tuple[Array, Layer]:
            pulled = [pull(part) for pull, part in zip(pulls, spread(dy), strict=True)]
            dx, gradients = zip(*pulled, strict=True)
            return added(dx), replace(self, branches=gradients)

        return self._joined(outputs), pull_all

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Layer]]:
        outputs, pulls = zip(*(branch.vjp_weights(x, rng) for branch in self.branches), strict=True)
        spread = self._spread(outputs)

        def pull_all(dy: Array) -> Layer:
            gradients = (pull(part) for pull, part in zip(pulls, spread(dy), strict=True))
            return replace(self, branches=tuple(gradients))

        return self._joined(outputs), pull_all

    @property
    def periods(self) -> tuple[int, ...]:
        return reduce(common_periods, (branch.periods for branch in self.branches), ())

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        inside = [branch.tails(short, channels, dtype) for branch in self.branches]
        heard = max(filter(None, map(first_tail, inside)), key=lambda tail: tail.past, default=None)
        tails = []
        for branch, each, (_, wait) in zip(self.branches, inside, self.delays, strict=True):
            if isinstance(branch, Identity) and heard is not None and 0 < wait <= heard.past:
                # What it waits with are inputs, and another branch keeps those.
                each, wait = Lent(heard, wait), 0
            own = branch.output_shape((1, 0, channels))[-1]
            tails.append((each, Tail(wait, most(branch.windows, short), own, dtype)))
        return tuple(tails)

    def step(self, tails: Tails, chunk: Chunk) -> Chunk:
        # Skips first: they read what a branch beside them keeps, before that takes the chunk in.
        skipped = [each.behind(chunk) if isinstance(each, Lent) else None for each, _ in tails]
        chunks = [
            skip or branch.step(each, chunk)
            for skip, branch, (each, _) in zip(skipped, self.branches, tails, strict=True)
        ]
        # A branch with a shorter window answers earlier: its outputs wait for the others.
        drops = [drop for drop, _ in self.delays]
        before = least([y.before - drop for y, drop in zip(chunks, drops, strict=True)])
        new = least([y.before + y.count - d for y, d in zip(chunks, drops, strict=True)]) - before
        outputs = [
            waiting.through(y, before + drop - y.before, largest(new))
            for y, (_, waiting), drop in zip(chunks, tails, drops, strict=True)
        ]
        return Chunk(self.join(outputs), before, new, chunk.rows)

    @cached_property
    def delays(self) -> tuple[tuple[int, int], ...]:
        """For each branch of a stream: first outputs that it drops, and most that wait."""
        drops = [drop for (drop,) in self.offsets(1)]
        windows = [branch.windows[0] if branch.windows else Window() for branch in self.branches]
        return tuple(zip(drops, waiting(windows, drops), strict=True))

    def _by_axis(self) -> list[tuple[Window, ...]]:
        """Windows of all branches, axis by axis; a pointwise branch joins with the identity."""
        axes = max((len(branch.windows) for branch in self.branches), default=0)
        windows = [branch.windows or (Window(),) * axes for branch in self.branches]
        if any(len(w) != axes for w in windows):
            raise GeometryError(f"{self}: its branches sweep different numbers of axes")
        return list(zip(*windows, strict=True))

    def offsets(self, axes: int) -> list[tuple[int, ...]]:
        """How many first outputs each branch drops, an axis each."""
        if self.drops is not None:
            fit = len(self.drops) == len(self.branches) and all(
                len(drop) == axes and min(drop, default=0) >= 0 for drop in self.drops
            )
            expected = f"{axes} numbers >= 0 for each of {len(self.branches)} branches"
            check_setting(f"{self}: drops", fit, self.drops, expected)
            return list(self.drops)
        return self._aligning or [(0,) * axes for _ in self.branches]

    @cached_property
    def _aligning(self) -> list[tuple[int, ...]]:
        """First outputs to drop so that all are centred alike; empty if no branch has windows."""
        by_axis = [crop_offsets(axis) for axis in self._by_axis()]
        return list(zip(*by_axis, strict=True))

    def _crops(self, shapes: Sequence[tuple[int, ...]]) -> list[tuple[slice, ...]]:
        axes = len(shapes[0]) - 2
        if any(len(shape) != axes + 2 for shape in shapes):
            raise GeometryError(
                f"{self}: got outputs of shapes {list(shapes)}; expected equally many axes"
            )
        drops = self.offsets(axes) if axes else [() for _ in shapes]
        sizes = [
            min(shape[1 + a] - d[a] for shape, d in zip(shapes, drops, strict=True))
            for a in range(axes)
        ]
        return [
            (slice(None), *(slice(d, d + max(0, n)) for d, n in zip(drop, sizes, strict=True)))
            for drop in drops
        ]

    def _joined(self, outputs: Sequence[Array]) -> Array:
        self._channels([y.shape[-1] for y in outputs])
        crops = self._crops([y.shape for y in outputs])
        return self.join([y[crop] for y, crop in zip(outputs, crops, strict=True)])

    def _spread(self, outputs: Sequence[Array]) -> Callable[[Array], list[Array]]:
        """The transpose of `_joined`: the gradient of each output, zeros where it was cropped."""
        shapes = [y.shape for y in outputs]
        crops, channels = self._crops(shapes), [shape[-1] for shape in shapes]

        def spread(dy: Array) -> list[Array]:
            parts = self.split(dy, channels)
            return [_uncrop(*each) for each in zip(parts, crops, shapes, strict=True)]

        return spread

    def _channels(self, channels: Sequence[int]) -> int:
        """Channels of the joined output; raises ShapeError where those of the branches differ
        and must not."""
        raise NotImplementedError


def added(arrays: Sequence[Array]) -> Array:
    """The sum of arrays of equal shapes; a single one as it is."""
    total = arrays[0] + arrays[1] if len(arrays) > 1 else arrays[0]
    for array in arrays[2:]:
        total += array
    return total


def common_periods(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Shifts that are whole for both; () stands for any."""
    return tuple(map(lcm, a, b)) if a and b else a or b


def _uncrop(dy: Array, crop: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
    """The gradient of a crop: zeros where outputs were dropped."""
    if dy.shape == shape:
        return dy
    full = np.zeros(shape, dy.dtype)
    full[crop] = dy
    return full
