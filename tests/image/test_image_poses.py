"""The generator of turned boxes and key points: the seed decides, labels lie on what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples import poses
from sweepnet_service.detectors.image.dataset import read_listing
from sweepnet_service.detectors.image.layout import TURNED


@pytest.mark.parametrize("task", poses.TASKS, ids=lambda task: task.name)
def test_things_lie_in_the_picture_apart_and_as_the_seed_says(task: poses.Task) -> None:
    for seed in range(6):
        image, things = poses.scene(np.random.default_rng(seed), task)
        again, same = poses.scene(np.random.default_rng(seed), task)

        assert image.tobytes() == again.tobytes()
        assert image.size == (poses.SIDE_PX, poses.SIDE_PX)
        for thing, other in zip(things, same, strict=True):
            np.testing.assert_array_equal(thing.points, other.points)
            assert (thing.points >= 0).all()
            assert (thing.points <= poses.SIDE_PX).all()
        boxes = [thing.box for thing in things]
        assert all(
            poses._apart(one, two) for at, one in enumerate(boxes) for two in boxes[at + 1 :]
        )


@pytest.mark.parametrize("task", poses.TASKS, ids=lambda task: task.name)
def test_the_data_set_reads_back_what_was_drawn(task: poses.Task, tmp_path: Path) -> None:
    poses.draw_all(task, tmp_path, 0, {"train": 3, "val": 1})

    marks = [entry.marks for entry in read_listing(tmp_path, "flowers", "train")]

    rng = np.random.default_rng((0, 0))
    for told in marks:
        _, things = poses.scene(rng, task)
        found = told.corners if task.shape == TURNED else told.points
        assert len(told.names) == len(things)
        for own, thing in zip(found, things, strict=True):
            assert sorted(own.round(6).tolist()) == sorted(thing.points.round(6).tolist())


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses.main(["--quick", "--out", str(tmp_path)])

    assert "figures, " in capsys.readouterr().out
    assert (tmp_path / "quick" / "poses.png").exists()
