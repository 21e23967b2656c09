"""Where learning starts: the spread of first weights, so that signals keep their size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cnn_core.arrays import Array

Initialiser = Callable[[np.random.Generator, tuple[int, ...], int, int], Array]
"""(rng, shape, inputs of one output, outputs of one input) -> the first weights, float32."""


def normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Normal with variance 1, whatever the fans: rows that are looked up, not summed."""
    return rng.standard_normal(shape, np.float32)


def he(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / fan in: keeps the size of signals through ReLUs (He et al. 2015)."""
    weight: Array = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
    return weight.astype(np.float32)


def glorot(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Uniform with variance 2 / (fan in + fan out): keeps signals and gradients their size where
    units are linear or saturate (Glorot and Bengio 2010)."""
    reach = np.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-reach, reach, shape).astype(np.float32)


def zeros(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Nothing yet: memory is taken when weights are written, so that large networks can be
    described, counted and loaded without the cost of drawing them."""
    return np.zeros(shape, np.float32)
