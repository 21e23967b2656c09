"""A training as data: what stays the same throughout, and what is carried from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

import numpy as np

from cnn_core.arrays import Integers
from cnn_core.batches import Examples
from cnn_core.errors import TrainingError
from cnn_core.fit.digest import digest, plain
from cnn_core.layers import Layer
from cnn_core.losses import Loss, cross_entropy
from cnn_core.measure import Figure
from cnn_core.recipes import Recipe
from cnn_core.schedules import ScheduleState

Net = TypeVar("Net", bound=Layer)

ORDER, DRAW = 0, 1
"""Streams of random numbers: the order of an epoch; augmentation and dropout of a step."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: the mean loss of its batches, the validation figure, the last rate."""

    loss: float
    figure: float | None
    rate: float


@dataclass(frozen=True, eq=False)
class State(Generic[Net]):
    """Everything a training carries from step to step."""

    step: int
    net: Net
    average: Net | None
    optimiser: Any
    schedule: ScheduleState
    loss_sum: float = 0.0
    history: tuple[Epoch, ...] = ()

    @property
    def trained(self) -> Net:
        """The network to use: the average where there is one."""
        return self.net if self.average is None else self.average


@dataclass(frozen=True, eq=False)
class Task:
    """What stays the same throughout a training."""

    train: Examples
    recipe: Recipe
    loss: Loss = cross_entropy
    validation: Figure | None = None
    seed: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        if len(self.train) == 0:
            raise TrainingError("fit: got no examples; expected at least one")
        if self.shards < 1:
            raise TrainingError(f"fit: got shards {self.shards}; expected 1 or more")
        if self.seed < 0:
            raise TrainingError(f"fit: got seed {self.seed}; expected 0 or more")

    @property
    def epoch_steps(self) -> int:
        """Whole batches in an epoch; what is left over comes first or last in another's order."""
        return max(1, len(self.train) // self.recipe.batch)

    @property
    def steps(self) -> int:
        return self.epoch_steps * self.recipe.epochs

    def rows(self, step: int) -> list[Integers]:
        """The examples of a step, a part for each shard."""
        epoch, place = divmod(step, self.epoch_steps)
        order = _order(self.seed, epoch, len(self.train))
        rows = order[place * self.recipe.batch :][: self.recipe.batch]
        return [part for part in np.array_split(rows, self.shards) if len(part)]

    def draw(self, step: int, part: int) -> tuple[Any, Any, np.random.Generator]:
        """Inputs and targets of a part of a step, and the generator that goes on from there."""
        rng = np.random.default_rng((self.seed, DRAW, step, part))
        return *self.train.batch(self.rows(step)[part], rng), rng

    @cached_property
    def data(self) -> str:
        """A digest of the first batch, as the network sees it."""
        return digest(self.draw(0, 0)[:2])

    def settings(self, net: Layer) -> dict[str, Any]:
        """What decides the weights but their start, as plain data."""
        recipe: dict[str, Any] = plain(self.recipe)
        return {
            **recipe,
            "network": digest(plain(net)),
            "loss": plain(self.loss),
            "validation": plain(self.validation),
            "examples": len(self.train),
            "data": self.data,
            "seed": self.seed,
            "shards": self.shards,
        }


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, count: int) -> Integers:
    return np.random.default_rng((seed, ORDER, epoch)).permutation(count)


def begin(task: Task, net: Net) -> State[Net]:
    """The state before the first step."""
    recipe = task.recipe
    running = None if recipe.average is None else net
    return State(0, net, running, recipe.optimiser.init(net), recipe.schedule.init())
