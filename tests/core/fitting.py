"""Small trainings that tests of the training loop share."""

from __future__ import annotations

import numpy as np

from cnn_core.batches import Arrays
from cnn_core.fit import Task
from cnn_core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Relu,
    Sequential,
)
from cnn_core.measure import error_rate
from cnn_core.optim import AdamW, Sgd
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant, ReduceOnPlateau
from cnn_core.tree import leaves

STEPS = 9
"""Of the small training below: three epochs of three."""


def bars(rng, count):
    """Pictures (N, 8, 8, 1) of a bar anywhere, along the one axis or the other, and which."""
    x, t = np.zeros((count, 8, 8, 1), np.float32), rng.integers(0, 2, count)
    for picture, upright in zip(x, t, strict=True):
        i, j = rng.integers(0, 8), rng.integers(0, 5)
        (picture if upright else picture.swapaxes(0, 1))[j : j + 4, i] = 1
    return x + 0.1 * rng.standard_normal(x.shape).astype(np.float32), t


def small_net(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential((
        Conv2d.create(rng, 1, 4, 3, padding="same"), BatchNorm.create(4), Relu(),
        MaxPool.create(8, axes=2), Flatten(), Dropout(0.2), Dense.create(rng, 4, 2),
    ))  # fmt: skip


def noisy(inputs, rng):
    return inputs + 0.1 * rng.standard_normal(inputs.shape).astype(inputs.dtype)


def everything():
    """Arguments of a training in which everything that carries over from step to step is used."""
    x, t = bars(np.random.default_rng(1), 26)
    recipe = Recipe(8, 3, AdamW(weight_decay=0.1), ReduceOnPlateau(0.02, patience=0), 1.0, 0.9)
    # The error of the last epoch cannot fall below 0.6 and so makes a plateau.
    return Arrays(x, t, noisy), recipe, {"validation": lambda net: max(0.6, error_rate(x, t)(net))}


def bits(fitted):
    return [array.tobytes() for _, array in leaves(fitted.net)], fitted.history


class Killed(BaseException):
    """Nothing that a training could expect."""


def stop_after(step):
    def stop(progress):
        if progress.step == step:
            raise Killed

    return stop


def task_of(count=26, batch=8, shards=1, epochs=3):
    x, t = bars(np.random.default_rng(1), count)
    recipe = Recipe(batch, epochs, Sgd(), Constant(0.1))
    return Task(Arrays(x, t), recipe, shards=shards)
