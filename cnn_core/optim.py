"""Optimisers: pure functions from weights, gradient and state to the next weights and state.

Running statistics take the step that their layer states; everything else is a weight. Weight decay
acts on `decay_on`: "filters" (arrays of two axes or more: no bias, no normalisation; the default)
or "all" (every weight, as PyTorch does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np

from cnn_core.arrays import Array
from cnn_core.tree import leaves, statistics, tree_map

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
    Decay is part of the gradient, as in the lectures and in PyTorch.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_on: DecayOn = "filters"

    def init(self, net: Net) -> SgdState[Net]:
        return SgdState(tree_map(np.zeros_like, net))

    def step(
        self, net: Net, state: SgdState[Net], gradient: Net, rate: float
    ) -> tuple[Net, SgdState[Net]]:
        """The network after one step, and the state to go on with."""
        pulled = _with_decay(net, gradient, self.weight_decay, self.decay_on)
        velocity = tree_map(lambda v, g: self.momentum * v + g, state.velocity, pulled)
        heading = velocity
        if self.nesterov:
            heading = tree_map(lambda g, v: g + self.momentum * v, pulled, velocity)
        moved = tree_map(lambda w, h: (w - rate * h).astype(w.dtype, copy=False), net, heading)
        return _follow(net, moved, gradient), SgdState(velocity)


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

    def init(self, net: Net) -> AdamState[Net]:
        zeros = tree_map(np.zeros_like, net)
        return AdamState(zeros, zeros, np.zeros(1))

    def step(
        self, net: Net, state: AdamState[Net], gradient: Net, rate: float
    ) -> tuple[Net, AdamState[Net]]:
        """The network after one step, and the state to go on with."""
        pulled = _with_decay(net, gradient, self.weight_decay, self.decay_on)
        moved, state = self._move(net, state, pulled, rate)
        return _follow(net, moved, gradient), state

    def _move(
        self, net: Net, state: AdamState[Net], gradient: Net, rate: float, shrink: float = 0.0
    ) -> tuple[Net, AdamState[Net]]:
        """Every weight made smaller by the share `shrink`, then moved."""
        steps = state.steps + 1
        mean = tree_map(lambda m, g: self.beta1 * m + (1 - self.beta1) * g, state.mean, gradient)
        square = tree_map(
            lambda s, g: self.beta2 * s + (1 - self.beta2) * g * g, state.square, gradient
        )
        # Both running means start at 0; dividing by these factors takes that start back out.
        first = float(1 - self.beta1 ** steps[0])
        second = float(1 - self.beta2 ** steps[0])

        def move(w: Array, m: Array, s: Array) -> Array:
            step = (rate / first) * m / (np.sqrt(s / second) + self.epsilon)
            kept = w * (1 - shrink) if shrink and _decays(w, self.decay_on) else w
            moved: Array = kept - step
            return moved.astype(w.dtype, copy=False)

        return tree_map(move, net, mean, square), AdamState(mean, square, steps)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w -= rate * decay * w, apart
    from the gradient and its scaling."""

    def step(
        self, net: Net, state: AdamState[Net], gradient: Net, rate: float
    ) -> tuple[Net, AdamState[Net]]:
        """The network after one step, and the state to go on with."""
        moved, state = self._move(net, state, gradient, rate, rate * self.weight_decay)
        return _follow(net, moved, gradient), state


def _decays(w: Array, decay_on: DecayOn) -> bool:
    return decay_on == "all" or w.ndim >= 2


def _with_decay(net: Net, gradient: Net, decay: float, decay_on: DecayOn) -> Net:
    """The gradient with decay * w added where weights decay."""
    if not decay:
        return gradient
    return tree_map(lambda w, g: g + decay * w if _decays(w, decay_on) else g, net, gradient)


def _follow(net: Net, moved: Net, gradient: Net) -> Net:
    """Weights as moved; running statistics by the step that their layer states."""
    following = statistics(net)
    if not following:
        return moved
    paths = iter([path for path, _ in leaves(net)])
    return tree_map(
        lambda w, m, g: (w - g).astype(w.dtype) if next(paths) in following else m,
        net,
        moved,
        gradient,
    )


def clip_norm(gradient: Net, limit: float) -> tuple[Net, float]:
    """(gradient with a norm of at most `limit`, the norm it had); statistics stay as they are."""
    following = statistics(gradient)
    squares = [float(np.vdot(g, g)) for path, g in leaves(gradient) if path not in following]
    norm = float(np.sqrt(sum(squares)))
    if norm <= limit:
        return gradient, norm
    paths = iter([path for path, _ in leaves(gradient)])
    factor = limit / norm
    return tree_map(lambda g: g if next(paths) in following else g * factor, gradient), norm


def average(running: Net, net: Net, decay: float) -> Net:
    """Exponential moving average of everything: decay * running + (1 - decay) * net."""
    return tree_map(lambda r, w: (decay * r + (1 - decay) * w).astype(w.dtype), running, net)
