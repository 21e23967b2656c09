"""Weak labels: a window network learns from recordings of which only is known whether, not where.

The network is swept over the whole recording, its scores are aggregated, and the loss of that one
answer is pulled back through the aggregate and the scan: every window adds its share to the one
set of weights (multiple-instance learning, Maron and Lozano-Perez 1998). What is learnt is the
window network, which then tells where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_core.aggregate import Aggregate
from cnn_core.arrays import Array, Integers
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class Swept(Layer, abstract=True):
    """One answer a label for a recording of any size: (N, *in, C) -> (N, L).

    `net` gives a score map (N, *out, L), in log odds where a loss with logits follows. Train it
    with `fit` as any network; then `net` alone is the detector.
    """

    net: Layer
    aggregate: Aggregate

    @property
    def windows(self) -> Windows:
        raise GeometryError("Swept: its answer is for a whole recording; sweep its `net`")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self.net.output_shape(shape)[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return self.net.multiply_adds(shape)

    def vjp(
        self,
        x: Array,
        rng: np.random.Generator | None = None,
        lengths: Integers | None = None,
    ) -> tuple[Array, Pull]:
        """The answers; of recording n only the first `lengths[n]` inputs (an axis each) count."""
        scores, pull_net = self.net.vjp(x, rng)
        values, pull_aggregate = self.aggregate.vjp(scores, self.counts(x, lengths))

        def pull(dy: Array) -> tuple[Array, Swept]:
            dscores, aggregate = pull_aggregate(dy)
            dx, net = pull_net(dscores)
            return dx, Swept(net, aggregate)

        return values, pull

    def vjp_weights(
        self,
        x: Array,
        rng: np.random.Generator | None = None,
        lengths: Integers | None = None,
    ) -> tuple[Array, Callable[[Array], Any]]:
        scores, pull_net = self.net.vjp_weights(x, rng)
        values, pull_aggregate = self.aggregate.vjp(scores, self.counts(x, lengths))

        def pull(dy: Array) -> Swept:
            dscores, aggregate = pull_aggregate(dy)
            return Swept(pull_net(dscores), aggregate)

        return values, pull

    def counts(self, x: Array, lengths: Integers | None) -> Integers | None:
        """How many windows lie within the first `lengths` inputs of each recording, (N, axes)."""
        if lengths is None:
            return None
        by_axis = np.asarray(lengths).reshape(len(lengths), -1)
        sizes = np.array(x.shape[1:-1])
        if by_axis.shape != (len(x), len(sizes)) or (by_axis > sizes).any() or (by_axis < 0).any():
            raise ShapeError(
                f"Swept: got lengths {by_axis.tolist()} for inputs of shape {x.shape}; expected "
                f"{len(x)} rows of 0 to {sizes.tolist()}"
            )
        return np.array([self.net.lengths(tuple(map(int, row))) for row in by_axis])
