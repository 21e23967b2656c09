"""Optimisers: pure functions from weights, gradient and state to the next weights and state."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Generic, TypeVar

import numpy as np

from cnn_core.arrays import Array
from cnn_core.tree import leaves, statistics, tree_map

Net = TypeVar("Net")


@dataclass(frozen=True, eq=False)
class SgdState(Generic[Net]):
    """The velocity of every weight."""

    velocity: Net


@dataclass(frozen=True)
class Sgd:
    """Steepest descent with momentum: v = momentum * v + g; w -= rate * v."""

    momentum: float = 0.9
    weight_decay: float = 0.0

    def init(self, net: Net) -> SgdState[Net]:
        return SgdState(tree_map(np.zeros_like, net))

    def step(
        self, net: Net, state: SgdState[Net], gradient: Net, rate: float
    ) -> tuple[Net, SgdState[Net]]:
        """The network after one step, and the state to go on with."""
        velocity = tree_map(lambda v, g: self.momentum * v + g, state.velocity, gradient)
        moved = tree_map(
            lambda w, v: _decayed(w, rate * self.weight_decay) - rate * v, net, velocity
        )
        return _follow(net, moved, gradient), SgdState(velocity)


@dataclass(frozen=True, eq=False)
class AdamState(Generic[Net]):
    """Running means of the gradient and of its square, and how many steps they have seen."""

    mean: Net
    square: Net
    steps: Array


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    Decay acts on arrays of two axes or more: on filters, not on biases and normalisation.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def init(self, net: Net) -> AdamState[Net]:
        zeros = tree_map(np.zeros_like, net)
        return AdamState(zeros, zeros, np.zeros(1))

    def step(
        self, net: Net, state: AdamState[Net], gradient: Net, rate: float
    ) -> tuple[Net, AdamState[Net]]:
        """The network after one step, and the state to go on with."""
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
            moved: Array = _decayed(w, rate * self.weight_decay) - step
            return moved.astype(w.dtype, copy=False)

        moved = tree_map(move, net, mean, square)
        return _follow(net, moved, gradient), AdamState(mean, square, steps)


def _decayed(w: Array, share: float) -> Array:
    return w * (1 - share) if share and w.ndim >= 2 else w


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


def cosine(step: int, total: int, peak: float, warmup: int = 0) -> float:
    """Learning rate: a straight rise over `warmup` steps, then half a cosine from `peak` to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (1 + cos(pi * done)) / 2
