"""Optimisers: pure functions from weights, gradient and state to the next weights and state.

Running statistics take the step that their layer states; everything else is a weight. Weight decay
acts on `decay_on`: "filters" (what multiplies the input: no bias, no normalisation; the default) or
"all" (every weight, as PyTorch does). The fields of a layer say which is which (`tree.OFFSET`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.tree import Role, arrays, roles, tree_map, with_arrays

Net = TypeVar("Net")
DecayOn = Literal["filters", "all"]


class Optimiser(Protocol):
    """What `fit` needs of an optimiser."""

    def init(self, net: Any) -> Any:
        """The state before the first step."""

    def step(self, net: Any, state: Any, gradient: Any, rate: float) -> tuple[Any, Any]:
        """The network after one step, and the state to go on with."""


@dataclass(frozen=True, eq=False)
class SgdState(Generic[Net]):
    """The velocity of every weight."""

    velocity: Net


@dataclass(frozen=True)
class Sgd:
    """Steepest descent with momentum: g += decay * w; v = momentum * v + g; w -= rate * v.

    With `nesterov` the step looks ahead (Sutskever et al. 2013): w -= rate * (g + momentum * v).
    Decay is part of the gradient, as in the lectures and in PyTorch; those decay on "all".
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_on: DecayOn = "filters"

    def __post_init__(self) -> None:
        _expect(self, "momentum", 0 <= self.momentum < 1, "0 to below 1")
        _expect_decay(self)

    def init(self, net: Net) -> SgdState[Net]:
        return SgdState(tree_map(np.zeros_like, net))

    def step(
        self, net: Net, state: SgdState[Net], gradient: Net, rate: float
    ) -> tuple[Net, SgdState[Net]]:
        """The network after one step, and the state to go on with."""

        def move(role: Role, w: Array, g: Array, v: Array) -> tuple[Array, ...]:
            if self.weight_decay and _decays(role, self.decay_on):
                g = g + self.weight_decay * w
            v = self.momentum * v
            v += g
            return w - rate * (g + self.momentum * v if self.nesterov else v), v

        moved, velocity = _each_weight(move, net, gradient, state.velocity)
        return moved, SgdState(velocity)


@dataclass(frozen=True, eq=False)
class AdamState(Generic[Net]):
    """Running means of the gradient and of its square, and how many steps they have seen."""

    mean: Net
    square: Net
    steps: Array


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015): each weight moves by its mean gradient over the root of its mean
    square. Decay is part of the gradient (g += decay * w), as in PyTorch's Adam."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decay_on: DecayOn = "filters"

    def __post_init__(self) -> None:
        _expect(self, "beta1", 0 <= self.beta1 < 1, "0 to below 1")
        _expect(self, "beta2", 0 <= self.beta2 < 1, "0 to below 1")
        _expect(self, "epsilon", self.epsilon > 0, "a number above 0")
        _expect_decay(self)

    def init(self, net: Net) -> AdamState[Net]:
        zeros = tree_map(np.zeros_like, net)
        return AdamState(zeros, zeros, np.zeros(1))

    def step(
        self, net: Net, state: AdamState[Net], gradient: Net, rate: float
    ) -> tuple[Net, AdamState[Net]]:
        """The network after one step, and the state to go on with."""
        steps = state.steps + 1
        # Both running means start at 0; dividing by these factors takes that start back out.
        first = float(1 - self.beta1 ** steps[0])
        second = float(1 - self.beta2 ** steps[0])

        def move(role: Role, w: Array, g: Array, m: Array, s: Array) -> tuple[Array, ...]:
            if self.weight_decay and _decays(role, self.decay_on):
                w, g = self._decayed(w, g, rate)
            m = self.beta1 * m
            m += (1 - self.beta1) * g
            s = self.beta2 * s
            s += (1 - self.beta2) * g * g
            root = np.sqrt(s / second)
            root += self.epsilon
            return w - (rate / first) * m / root, m, s

        moved, mean, square = _each_weight(move, net, gradient, state.mean, state.square)
        return moved, AdamState(mean, square, steps)

    def _decayed(self, w: Array, g: Array, rate: float) -> tuple[Array, Array]:
        """Weight and gradient with the decay in one of them."""
        return w, g + self.weight_decay * w


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w -= rate * decay * w, apart
    from the gradient and its scaling."""

    def _decayed(self, w: Array, g: Array, rate: float) -> tuple[Array, Array]:
        return w * (1 - rate * self.weight_decay), g


def _expect(optimiser: object, name: str, fine: bool, expected: str) -> None:
    if not fine:
        raise TrainingError(
            f"{type(optimiser).__name__}: got {name} {getattr(optimiser, name)!r}; "
            f"expected {expected}"
        )


def _expect_decay(optimiser: Sgd | Adam) -> None:
    _expect(optimiser, "weight_decay", 0 <= optimiser.weight_decay < inf, "0 or more")
    _expect(optimiser, "decay_on", optimiser.decay_on in get_args(DecayOn), '"filters" or "all"')


def _decays(role: Role, decay_on: DecayOn) -> bool:
    return decay_on == "all" or role == "filter"


def _each_weight(
    move: Callable[..., tuple[Array, ...]], net: Net, gradient: Net, *slots: Net
) -> list[Net]:
    """[network, *slots] with `move(role, weight, gradient, *its slots)` for each weight.

    Running statistics take the step that their layer states, and their slots stay as they are.
    """

    def one(role: Role, w: Array, g: Array, *kept: Array) -> tuple[Array, ...]:
        w_new, *slots_new = (w - g, *kept) if role == "statistic" else move(role, w, g, *kept)
        return w_new.astype(w.dtype, copy=False), *slots_new

    rows = list(map(one, roles(net), arrays(net), arrays(gradient), *map(arrays, slots)))
    return [
        with_arrays(tree, [row[place] for row in rows]) for place, tree in enumerate((net, *slots))
    ]


def clip_norm(gradient: Net, limit: float) -> Net:
    """The gradient with a norm of at most `limit`; steps of running statistics stay as they are.

    Raises TrainingError where the norm is not finite.
    """
    if not limit > 0:
        raise TrainingError(f"clip_norm: got limit {limit}; expected a norm above 0")
    pairs = [
        (g, role == "statistic") for g, role in zip(arrays(gradient), roles(gradient), strict=True)
    ]
    norm = _norm([g for g, statistic in pairs if not statistic])
    if norm <= limit:
        return gradient
    factor = limit / norm
    return with_arrays(gradient, [g if statistic else g * factor for g, statistic in pairs])


def _norm(parts: list[Array]) -> float:
    """The Euclidean norm over all arrays."""
    squared = sum(float(np.vdot(g, g)) for g in parts)
    if not isfinite(squared):
        # What float32 cannot square may still be finite.
        squared = sum(float(np.square(g, dtype=np.float64).sum()) for g in parts)
    if not isfinite(squared):
        raise TrainingError(
            f"clip_norm: got a gradient of norm {sqrt(squared)}; expected a finite one: "
            "lower the rate, or look for inputs that are not finite"
        )
    return sqrt(squared)


def average(running: Net, net: Net, decay: float) -> Net:
    """Exponential moving average of everything: decay * running + (1 - decay) * net."""
    return tree_map(lambda r, w: (decay * r + (1 - decay) * w).astype(w.dtype), running, net)
