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
        "settings": task.settings(),
    }
    checkpoint.save(path, _trees(state), record)


def resume(task: Task, path: Path | None, fresh: State[Net]) -> State[Net]:
    """The state kept at `path`; the fresh one where there is none yet."""
    if path is None or not path.exists():
        return fresh
    _expect_same(path, checkpoint.record(path).get("settings"), task.settings())
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


def _expect_same(path: Path, kept: object, ours: dict[str, Any]) -> None:
    found = kept if isinstance(kept, dict) else {}
    differ = sorted(name for name in {*found, *ours} if found.get(name) != ours.get(name))
    if differ:
        raise TrainingError(
            f"fit: {path.name} belongs to a training with other settings ({', '.join(differ)}); "
            "choose another checkpoint or delete it"
        )


def _trees(state: State[Any]) -> dict[str, Any]:
    trees = {"net": state.net, "optimiser": state.optimiser}
    return trees if state.average is None else {**trees, "average": state.average}
