"""A training's state on disk: kept whole, and taken up again where its settings are the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cnn_core import checkpoint
from cnn_core.errors import ModelFileError, TrainingError
from cnn_core.fit.task import Epoch, Net, State, Task
from cnn_core.schedules import ScheduleState


def keep(task: Task, path: Path | None, state: State[Any]) -> None:
    """Write the state, whole or not at all."""
    if path is None:
        return
    record = {
        "step": state.step,
        "schedule": asdict(state.schedule),
        "loss_sum": state.loss_sum,
        "history": [asdict(epoch) for epoch in state.history],
        "settings": task.settings(state.net),
    }
    checkpoint.save(path, _trees(state), record)


def resume(task: Task, path: Path | None, fresh: State[Net]) -> State[Net]:
    """The state kept at `path`; the fresh one where there is none yet."""
    if path is None or not path.exists():
        return fresh
    kept, ours = checkpoint.record(path).get("settings"), task.settings(fresh.net)
    kept = kept if isinstance(kept, dict) else {}
    differ = sorted(name for name in {*kept, *ours} if kept.get(name) != ours.get(name))
    if differ not in ([], ["epochs"]):
        raise _belongs_elsewhere(path, ", ".join(differ))
    state = _read(path, fresh)
    if differ and not _goes_on(task, state, kept.get("epochs")):
        raise _belongs_elsewhere(path, "epochs: the steps it has taken would have been others")
    return state


def _read(path: Path, fresh: State[Net]) -> State[Net]:
    trees, record = checkpoint.load(path, _trees(fresh))
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


def _goes_on(task: Task, state: State[Any], epochs: object) -> bool:
    """Whether a training planned for so many epochs took the steps that this one begins with."""
    if not isinstance(epochs, int) or state.step > task.steps:
        return False
    rate, told, planned = task.recipe.schedule.rate, state.schedule, epochs * task.epoch_steps
    return all(
        rate(told, step, planned) == rate(told, step, task.steps) for step in range(state.step)
    )


def _belongs_elsewhere(path: Path, differ: str) -> TrainingError:
    return TrainingError(
        f"fit: {path.name} belongs to a training with other settings ({differ}); choose another "
        "checkpoint or delete it. For a new training from its weights, give fit the network "
        '`checkpoint.load(path, {name: net})[0][name]`, with the name "net" or "average"'
    )


def _trees(state: State[Any]) -> dict[str, Any]:
    trees = {"net": state.net, "optimiser": state.optimiser}
    return trees if state.average is None else {**trees, "average": state.average}
