"""The loop itself: steps until the recipe's end, with progress told and the state kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from cnn_core.batches import Examples
from cnn_core.fit.resume import keep, resume
from cnn_core.fit.step import advance
from cnn_core.fit.task import Epoch, Net, State, Task, begin
from cnn_core.losses import Loss, cross_entropy
from cnn_core.measure import Figure
from cnn_core.recipes import Recipe


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


@dataclass(frozen=True, eq=False)
class Fitted(Generic[Net]):
    """The trained network (the average of its weights, if the recipe says so), and its epochs."""

    net: Net
    history: tuple[Epoch, ...]


def fit(
    net: Net,
    train: Examples,
    recipe: Recipe,
    *,
    loss: Loss = cross_entropy,
    validation: Figure | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    checkpoint: Path | str | None = None,
    checkpoint_every_s: float = 60.0,
    seed: int = 0,
    shards: int = 1,
) -> Fitted[Net]:
    """Train a network; with `checkpoint`, a file, go on where an earlier call was stopped.

    After each epoch `validation`, such as `error_rate(inputs, classes)`, is asked and the schedule
    told; without one the schedule is told the training loss. The checkpoint is written every
    `checkpoint_every_s` seconds and whenever the loop ends, Ctrl-C included, each time whole; to go
    on from it, give the same network, examples, loss and validation again. More epochs continue it
    where the schedule's rates do not depend on their number: `Constant`, `ReduceOnPlateau`.
    `shards` cuts each batch for as many threads; batch norm then sees one part at a time, and the
    parts count by their examples, whatever weights the loss has.

    Raises TrainingError where there is nothing to learn from, where loss, validation or weights are
    no longer finite numbers (the checkpoint keeps the step before), and where the checkpoint
    belongs to other settings.
    """
    task = Task(train, recipe, loss, validation, seed, shards)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    state = resume(task, path, begin(task, net))
    first, kept = state.step, state if state.step else None
    start_s = kept_s = time.monotonic()
    try:
        with ThreadPoolExecutor(shards) as pool:
            while state.step < task.steps:
                state, value, rate = advance(task, state, pool.map if shards > 1 else map)
                now_s = time.monotonic()
                if now_s - kept_s >= checkpoint_every_s:
                    keep(task, path, state)
                    kept, kept_s = state, time.monotonic()
                left_s = (now_s - start_s) / (state.step - first) * (task.steps - state.step)
                progress(_progress(task, state, rate, value, left_s))
    finally:
        if state is not kept:
            keep(task, path, state)
    return Fitted(state.trained, state.history)


def _progress(task: Task, state: State[Any], rate: float, loss: float, left_s: float) -> Progress:
    epoch = (state.step - 1) // task.epoch_steps + 1
    figure = state.history[-1].figure if state.history else None
    return Progress(epoch, task.recipe.epochs, state.step, task.steps, rate, loss, figure, left_s)
