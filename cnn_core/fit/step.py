"""One step of a training: a batch's gradient, the update, and what ends an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from cnn_core.errors import TrainingError
from cnn_core.fit.task import Epoch, Net, State, Task
from cnn_core.optim import average, clip_norm
from cnn_core.tree import arrays, tree_map

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""`map`, or that of a pool of threads."""


def advance(task: Task, state: State[Net], each: Each = map) -> tuple[State[Net], float, float]:
    """One step, and what ends an epoch after its last: (state, the batch's loss, the rate)."""
    recipe = task.recipe
    loss, gradient = batch_gradient(task, state.net, state.step, each)
    if not isfinite(loss):
        raise _diverged(f"a loss of {loss} at step {state.step}")
    if recipe.clip is not None:
        gradient = clip_norm(gradient, recipe.clip)
    rate = recipe.schedule.rate(state.schedule, state.step, task.steps)
    net, optimiser = recipe.optimiser.step(state.net, state.optimiser, gradient, rate)
    if not all(np.isfinite(array).all() for array in arrays(net)):
        raise _diverged(f"weights that are not finite after step {state.step + 1}")
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
        inputs, targets, rng = task.draw(step, index)
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


def _diverged(what: str) -> TrainingError:
    return TrainingError(
        f"fit: got {what}; expected finite numbers: "
        "lower the rate, clip the gradient, or look for inputs that are not finite"
    )


def _weighted_sum(values: tuple[Any, ...], shares: list[float]) -> Any:
    return sum(value * share for value, share in zip(values, shares, strict=True))


def _end_epoch(task: Task, state: State[Net], rate: float) -> State[Net]:
    """Validate, tell the schedule, write the epoch down."""
    loss = state.loss_sum / task.epoch_steps
    figure = None if task.validation is None else float(task.validation(state.trained))
    if figure is not None and not isfinite(figure):
        raise _diverged(f"a validation figure of {figure} after step {state.step}")
    return replace(
        state,
        schedule=task.recipe.schedule.step(state.schedule, loss if figure is None else figure),
        loss_sum=0.0,
        history=(*state.history, Epoch(loss, figure, rate)),
    )
