"""The training loop: a network, examples and a recipe in; the trained network out.

Every random draw depends on the seed and the number of the step alone, so a training that was
killed anywhere goes on from its checkpoint and ends with the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from cnn_core import checkpoint as checkpoints
from cnn_core.arrays import Array, Integers
from cnn_core.batches import Examples
from cnn_core.errors import ModelFileError, TrainingError
from cnn_core.layers import Layer
from cnn_core.losses import cross_entropy
from cnn_core.measure import Figure
from cnn_core.optim import average, clip_norm
from cnn_core.recipes import Recipe
from cnn_core.schedules import ScheduleState
from cnn_core.tree import tree_map

Net = TypeVar("Net", bound=Layer)

Loss = Callable[[Array, Any], tuple[float, Array]]
"""(outputs, targets) -> (the batch's mean loss, its gradient by the outputs)."""

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""`map`, or that of a pool of threads."""

ORDER, DRAW = 0, 1
"""Streams of random numbers: the order of an epoch; augmentation and dropout of a step."""


@dataclass(frozen=True)
class Progress:
    """Where a training is after a step: `step` of `steps` done, in epoch `epoch` of `epochs`.

    `loss` is the batch's; `figure` the last epoch's validation figure, None while there is none;
    `seconds_left` is of the whole training.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    rate: float
    loss: float
    figure: float | None
    seconds_left: float


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: the mean loss of its batches, the validation figure, the last rate."""

    loss: float
    figure: float | None
    rate: float


@dataclass(frozen=True, eq=False)
class Fitted(Generic[Net]):
    """The trained network (the average of its weights, if the recipe says so), and its epochs."""

    net: Net
    history: tuple[Epoch, ...]


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
    def best(self) -> Net:
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

    def settings(self) -> dict[str, Any]:
        """What decides the weights, as plain data."""
        recipe: dict[str, Any] = _plain(self.recipe)
        return {**recipe, "examples": len(self.train), "seed": self.seed, "shards": self.shards}


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, count: int) -> Integers:
    return np.random.default_rng((seed, ORDER, epoch)).permutation(count)


def fit(
    net: Net,
    train: Examples,
    recipe: Recipe,
    *,
    loss: Loss = cross_entropy,
    validation: Figure | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    checkpoint: Path | None = None,
    checkpoint_every_s: float = 60.0,
    seed: int = 0,
    shards: int = 1,
) -> Fitted[Net]:
    """Train a network; with `checkpoint`, a file, go on where an earlier call was stopped.

    After each epoch `validation`, such as `error_rate(inputs, classes)`, is asked and the schedule
    told; without one the schedule is told the training loss. The checkpoint is written every
    `checkpoint_every_s` seconds and whenever the loop ends, Ctrl-C included, each time whole; to go
    on from it, give the same examples, loss and validation again.
    `shards` cuts each batch for as many threads; batch norm then sees one part at a time.

    Raises TrainingError where there is nothing to learn from, where loss or validation are no
    longer finite numbers, and where the checkpoint belongs to other settings.
    """
    task = Task(train, recipe, loss, validation, seed, shards)
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    state = _resume(task, checkpoint, begin(task, net))
    first, kept = state.step, state if state.step else None
    start_s = kept_s = time.monotonic()
    try:
        with ThreadPoolExecutor(shards) as pool:
            while state.step < task.steps:
                state, value, rate = advance(task, state, pool.map if shards > 1 else map)
                now_s = time.monotonic()
                if now_s - kept_s >= checkpoint_every_s:
                    _keep(task, checkpoint, state)
                    kept, kept_s = state, time.monotonic()
                left_s = (now_s - start_s) / (state.step - first) * (task.steps - state.step)
                progress(_progress(task, state, rate, value, left_s))
    finally:
        if state is not kept:
            _keep(task, checkpoint, state)
    return Fitted(state.best, state.history)


def begin(task: Task, net: Net) -> State[Net]:
    """The state before the first step."""
    recipe = task.recipe
    running = None if recipe.average is None else net
    return State(0, net, running, recipe.optimiser.init(net), recipe.schedule.init())


def advance(task: Task, state: State[Net], each: Each = map) -> tuple[State[Net], float, float]:
    """One step, and what ends an epoch after its last: (state, the batch's loss, the rate)."""
    recipe = task.recipe
    loss, gradient = batch_gradient(task, state.net, state.step, each)
    _expect_finite(loss, f"a loss of {loss} at step {state.step}")
    if recipe.clip is not None:
        gradient, _ = clip_norm(gradient, recipe.clip)
    rate = recipe.schedule.rate(state.schedule, state.step, task.steps)
    net, optimiser = recipe.optimiser.step(state.net, state.optimiser, gradient, rate)
    running = None
    if recipe.average is not None:
        # A young average would remember the untrained network for long: let it follow faster.
        decay = min(recipe.average, (1 + state.step) / (10 + state.step))
        running = average(state.average, net, decay)
    moved = replace(
        state,
        step=state.step + 1,
        net=net,
        average=running,
        optimiser=optimiser,
        loss_sum=state.loss_sum + loss,
    )
    ends = moved.step % task.epoch_steps == 0
    return _end_epoch(task, moved, rate) if ends else moved, loss, rate


def batch_gradient(task: Task, net: Net, step: int, each: Each = map) -> tuple[float, Net]:
    """(mean loss, its gradient) of a step's batch; shards are added up in their order."""
    parts = task.rows(step)

    def part_gradient(index: int) -> tuple[float, Net]:
        rng = np.random.default_rng((task.seed, DRAW, step, index))
        inputs, targets = task.train.batch(parts[index], rng)
        outputs, pull = net.vjp_weights(inputs, rng)
        loss, slopes = task.loss(outputs, targets)
        return float(loss), pull(slopes)

    results: list[tuple[float, Net]] = list(each(part_gradient, range(len(parts))))
    if len(results) == 1:
        return results[0]
    shares = [len(part) / sum(map(len, parts)) for part in parts]
    losses, gradients = zip(*results, strict=True)
    gradient = tree_map(lambda *g: _weighted_sum(g, shares), *gradients)
    return float(_weighted_sum(losses, shares)), gradient


def _expect_finite(number: float, what: str) -> None:
    if not isfinite(number):
        raise TrainingError(
            f"fit: got {what}; expected a finite number: "
            "lower the rate, clip the gradient, or look for inputs that are not finite"
        )


def _weighted_sum(values: tuple[Any, ...], shares: list[float]) -> Any:
    return sum(value * share for value, share in zip(values, shares, strict=True))


def _end_epoch(task: Task, state: State[Net], rate: float) -> State[Net]:
    """Validate, tell the schedule, write the epoch down."""
    loss = state.loss_sum / task.epoch_steps
    figure = None if task.validation is None else float(task.validation(state.best))
    _expect_finite(figure or 0.0, f"a validation figure of {figure} after step {state.step}")
    return replace(
        state,
        schedule=task.recipe.schedule.step(state.schedule, loss if figure is None else figure),
        loss_sum=0.0,
        history=(*state.history, Epoch(loss, figure, rate)),
    )


def _progress(task: Task, state: State[Any], rate: float, loss: float, left_s: float) -> Progress:
    epoch = (state.step - 1) // task.epoch_steps + 1
    figure = state.history[-1].figure if state.history else None
    return Progress(epoch, task.recipe.epochs, state.step, task.steps, rate, loss, figure, left_s)


def _keep(task: Task, path: Path | None, state: State[Any]) -> None:
    """Write the state, whole or not at all."""
    if path is None:
        return
    record = {
        "step": state.step,
        "schedule": asdict(state.schedule),
        "loss_sum": state.loss_sum,
        "history": [asdict(epoch) for epoch in state.history],
        "settings": task.settings(),
    }
    checkpoints.save(path, _trees(state), record)


def _resume(task: Task, path: Path | None, fresh: State[Net]) -> State[Net]:
    """The state kept at `path`; the fresh one where there is none yet."""
    if path is None or not path.exists():
        return fresh
    trees, record = checkpoints.load(path, _trees(fresh))
    kept, ours = record.get("settings", {}), task.settings()
    if kept != ours:
        differ = sorted(name for name in {*kept, *ours} if kept.get(name) != ours.get(name))
        raise TrainingError(
            f"fit: {path.name} belongs to a training with other settings ({', '.join(differ)}); "
            "choose another checkpoint or delete it"
        )
    try:
        return State(
            step=int(record["step"]),
            net=trees["net"],
            average=trees.get("average"),
            optimiser=trees["optimiser"],
            schedule=ScheduleState(**record["schedule"]),
            loss_sum=float(record["loss_sum"]),
            history=tuple(Epoch(**epoch) for epoch in record["history"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path.name}: not a checkpoint of fit: {error!r}") from None


def _trees(state: State[Any]) -> dict[str, Any]:
    trees = {"net": state.net, "optimiser": state.optimiser}
    return trees if state.average is None else {**trees, "average": state.average}


def _plain(value: Any) -> Any:
    """Settings as JSON has them: records with the name of their kind."""
    if is_dataclass(value) and not isinstance(value, type):
        settings = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **settings}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
