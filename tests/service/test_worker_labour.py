"""What a job does in its own process: looks at the data, turns minutes into steps, compares."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.figures import Outcome
from sweepnet_service.detectors.keyword import KeywordDetector, OperatingPoint
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import ignored
from sweepnet_service.store import Library, publishing
from sweepnet_service.store.version import sha256_of
from sweepnet_service.training import budget, labour
from sweepnet_service.training.comparing import ComparedFigure, average_precisions, compared
from sweepnet_service.training.configs import ordered
from sweepnet_service.training.inspection import problems_of
from sweepnet_service.training.order import Order, Problem

NAME = "detectors/one"
RATE_HZ = 16_000


def sound(seconds: float, seed: int, loud: float = 0.3) -> Any:
    """A pitch and noise whose level rises and falls, as speech's does."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    level = 0.02 + loud * np.sin(np.linspace(0, np.pi, count)) ** 2
    pitch = np.sin(2 * np.pi * 150 * np.arange(count) / RATE_HZ)
    return ((rng.standard_normal(count) + pitch) * level).clip(-1, 1).astype(np.float32)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A data set of a word: clips with it, and other sound."""
    folder = tmp_path / "own"
    for kind, seconds in (("positive", 0.8), ("negative", 3.0)):
        (folder / kind).mkdir(parents=True)
        for number in range(6):
            samples = sound(seconds, number + len(kind))
            soundfile.write(folder / kind / f"v{number}.wav", samples, RATE_HZ)
    return folder


@pytest.fixture
def one(tiny_models: Path) -> Callable[[float], KeywordDetector]:
    """A detector of the label `one` whose threshold decides how much it tells."""

    def made(threshold: float) -> KeywordDetector:
        detector = KeywordDetector.load(tiny_models / "tiny.safetensors")
        return replace(detector, default_thresholds=dict.fromkeys(detector.labels, threshold))

    return made


def figures(told: Any) -> dict[tuple[str, str], ComparedFigure]:
    return {(each.label, each.figure): each for each in told.figures}


def listed(folder: Path) -> Path:
    """The data set as a manifest that tells which word is said."""
    rows = ["file,label,split,speaker"]
    rows += [f"positive/v{n}.wav,one,test,s{n}" for n in range(6)]
    rows += [f"negative/v{n}.wav,negative,test,n{n}" for n in range(6)]
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    return folder / "list.csv"


def test_a_model_that_hears_nothing_misses_more(
    recordings: Path, one: Callable[[float], KeywordDetector]
) -> None:
    """Beyond what chance explains; against itself nothing is worse."""
    data = listed(recordings)
    keen, deaf = one(0.01), one(1.0)
    told = compared(deaf, keen, data, "own", {}, ignored)
    missed = figures(told)["one", "miss_rate"]
    assert (missed.candidate, missed.baseline) == (1.0, 0.0)
    assert missed.worse
    assert told.worse
    back = compared(keen, deaf, data, "own", {}, ignored)
    assert not figures(back)["one", "miss_rate"].worse
    assert not compared(keen, keen, data, "own", {}, ignored).worse
    assert told.to_json()["figures"][0]["worse"] in (True, False)


def test_false_alarms_speak_against_a_model_too(
    recordings: Path, one: Callable[[float], KeywordDetector]
) -> None:
    """Their difference lies in an interval of two Poisson rates."""
    told = compared(one(0.01), one(1.0), listed(recordings), "own", {}, ignored)
    alarms = figures(told)["one", "false_alarms_per_hour"]
    assert alarms.candidate > 0
    assert alarms.baseline == 0
    assert alarms.difference_low < alarms.candidate < alarms.difference_high
    assert alarms.worse == (alarms.difference_low > 0)


def test_models_that_have_nothing_in_common_are_not_compared(
    recordings: Path, tiny_models: Path, one: Callable[[float], KeywordDetector]
) -> None:
    image = ImageDetector.load(tiny_models / "blobs.safetensors")
    with pytest.raises(InvalidInput, match="baseline: is of another kind"):
        compared(one(0.5), image, recordings, "own", {}, ignored)
    other = replace(one(0.5), labels=("three", "four"))
    with pytest.raises(InvalidInput, match=r"finds \['three', 'four'\], the candidate"):
        compared(one(0.5), other, recordings, "own", {}, ignored)


def outcome(scores: list[float], right: list[bool], true: int) -> Outcome:
    found = Outcome.__dataclass_fields__
    given: dict[str, Any] = {
        "scores": np.array(scores),
        "right": np.array(right, bool),
        "true_count": true,
        "presence": 1.0,
    }
    rest = {name: None for name in found if name not in given}
    return Outcome(**given, **rest)


def test_ap50_is_compared_picture_by_picture() -> None:
    """A model that finds half of what the other does is worse, in few pictures it is not known."""
    good = [outcome([0.9], [True], 1)] * 40
    bad = [outcome([0.9], [n % 2 == 0], 1) for n in range(40)]
    told = average_precisions("a", bad, good)
    assert told.worse
    assert told.candidate < told.baseline == 1.0
    assert told.difference_low <= told.candidate - told.baseline <= told.difference_high
    assert not average_precisions("a", good, bad).worse
    assert not average_precisions("a", bad[:2], good[:2]).worse


def test_problems_of_recordings_are_told_file_by_file(recordings: Path, tmp_path: Path) -> None:
    """What refuses the set comes first; too short and silent ones are left out."""
    (recordings / "positive" / "broken.wav").write_bytes(b"RIFF no wave")
    soundfile.write(recordings / "positive" / "short.wav", sound(0.05, 9), RATE_HZ)
    soundfile.write(recordings / "positive" / "quiet.wav", np.zeros(16_000), RATE_HZ)
    shutil.copy(recordings / "positive" / "v0.wav", recordings / "negative" / "same.wav")
    config, _ = ordered("keyword", "one", recordings, tmp_path / "place", {})
    found = problems_of("keyword", config, ignored)
    told = {problem.file: problem for problem in found}
    assert told["positive/broken.wav"].refused
    assert told["positive/broken.wav"].reason.startswith("unreadable")
    assert told["positive/short.wav"].reason.startswith("too short")
    assert told["positive/quiet.wav"].reason.startswith("too quiet")
    assert any("there with another label" in each.reason for each in found if each.refused)
    assert [each.refused for each in found] == sorted((e.refused for e in found), reverse=True)


def test_a_data_set_of_one_class_is_told(recordings: Path, tmp_path: Path) -> None:
    shutil.rmtree(recordings / "positive")
    config, _ = ordered("keyword", "one", recordings, tmp_path / "place", {})
    (problem,) = problems_of("keyword", config, ignored)
    assert problem.refused
    assert "no recording to train on holds 'one'" in problem.reason


def test_problems_of_pictures_are_told_file_by_file(flower_data: Path, tmp_path: Path) -> None:
    """Unreadable ones, copies, pictures that are measured on and learnt from."""
    data = shutil.copytree(flower_data, tmp_path / "photos")
    train = data / "flowers" / "train"
    assert problems_of("image", config_of(data, tmp_path), ignored) == [
        Problem(
            "",
            "all pictures to train on have boxes: what is not the object is seen around it only",
        )
    ]
    (train / "p1.png").write_bytes(b"no picture")
    shutil.copy(train / "p2.png", train / "p3.png")
    (data / "flowers" / "val").mkdir()
    shutil.copy(train / "p4.png", data / "flowers" / "val" / "seen.png")
    Image.new("RGB", (40, 40)).save(train / "p5.png")
    (data / "flowers" / "val.json").write_text(
        '{"images": [{"id": 1, "file_name": "seen.png"}], "annotations": []}'
    )
    told = {each.file: each for each in problems_of("image", config_of(data, tmp_path), ignored)}
    assert told["flowers/train/p1.png"].reason.startswith("unreadable")
    assert told["flowers/train/p3.png"] == Problem(
        "flowers/train/p3.png", "the same picture is there twice: flowers/train/p2.png"
    )
    assert told["flowers/val/seen.png"] == Problem(
        "flowers/val/seen.png", "the same picture is learnt from: flowers/train/p4.png", True
    )


def config_of(data: Path, tmp_path: Path) -> Any:
    return ordered("image", "a", data, tmp_path / "place", {})[0]


@pytest.mark.parametrize("kind", ["image", "keyword"])
def test_minutes_are_turned_into_steps_once(
    kind: str, flower_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast the machine is the next time."""
    data = flower_data if kind == "image" else tmp_path
    config, _ = ordered(kind, "a", data, tmp_path, {})
    measure = "image_step_s" if kind == "image" else "head_step_s"
    monkeypatch.setattr(budget, measure, lambda config: 0.1)
    first, steps = budget.with_budget(kind, config, 2.0, tmp_path, ignored)
    assert steps == 1200
    monkeypatch.setattr(budget, measure, lambda config: 0.05)
    assert budget.with_budget(kind, config, 2.0, tmp_path, ignored) == (first, 1200)
    assert budget.with_budget(kind, config, 4.0, tmp_path, ignored)[1] == 4800
    assert budget.with_budget(kind, config, 0.0, tmp_path, ignored) == (config, 0)
    if kind == "image":
        assert first.steps == 1200
    else:
        each = first.head_settings
        assert first.heads * each.rounds * each.steps == 1200


def test_a_step_is_timed_on_what_is_trained(flower_data: Path, tmp_path: Path) -> None:
    """Both trainings tell a time above zero."""
    small = {"batch": 2, "aside_share": 0.3}
    config, _ = ordered("image", "a", flower_data, tmp_path, small)
    config = replace(config, widths=(4, 4, 8, 8, 8), pyramid=8)
    assert budget.image_step_s(config) > 0
    word, _ = ordered("keyword", "a", flower_data, tmp_path, {"head_settings.channels": 4})
    assert budget.head_step_s(word) > 0


def test_a_goal_sets_the_thresholds(one: Any, tmp_path: Path) -> None:
    """To what the training measured; where it measured no such rate its own stay, and are told."""
    path = tmp_path / "made.safetensors"
    points = (OperatingPoint(0.9, 0.1, 0.5, 20.0), OperatingPoint(0.5, 10.0, 0.1, 20.0))
    detector = replace(one(0.7), operating_points=dict.fromkeys(("one", "two"), points))
    detector.save(path)
    order = Order("keyword", NAME, tmp_path, false_alarms_per_hour=1.0)
    assert labour.with_goal(path, order) == ""
    chosen = KeywordDetector.load(path).default_thresholds
    assert chosen == detector.thresholds({}, 1.0)
    told = labour.with_goal(path, replace(order, false_alarms_per_hour=1000.0))
    assert told.startswith("its thresholds are the training's own: got 1000 for 'one'")
    assert KeywordDetector.load(path).default_thresholds == chosen


def test_a_training_ends_with_the_comparison(
    recordings: Path, one: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what it made with what is live; the training itself is another test's."""
    models = tmp_path / "models"
    models.mkdir()
    library = Library(models)
    live = tmp_path / "live.safetensors"
    one(0.01).save(live)
    publishing.promote(library, publishing.publish(library, NAME, live).name)

    def trained(kind: str, config: Any, report: Any) -> Path:
        one(1.0).save(config.out)
        return Path(config.out)

    monkeypatch.setattr(labour, "train", trained)
    monkeypatch.setattr(labour, "look", lambda *_: None)
    place = tmp_path / "place"
    place.mkdir()
    order = Order("keyword", NAME, recordings, data_set="own", labels=("one",))
    told = labour.done(order, place, models, lambda *_, **__: None, ignored)
    assert Path(told["path"]).exists()
    assert len(told["data_sha256"]) == 64
    assert told["comparison"]["worse"]
    assert told["comparison"]["baseline_sha256"] == sha256_of(live)
    (recordings / "negative" / "v0.wav").unlink()
    again = labour.done(order, place, models, lambda *_, **__: None, ignored)
    assert again["data_sha256"] == told["data_sha256"]
    publishing.versions_of(library).get(NAME, 1).model.write_bytes(b"damaged since")
    unmeasured = labour.done(order, place, models, lambda *_, **__: None, ignored)
    assert (unmeasured["path"], unmeasured["comparison"]) == (told["path"], None)
    assert "not measured against the live version: detectors/one" in unmeasured["remark"]


def test_a_damaged_checkpoint_costs_time_only(flower_data: Path, tmp_path: Path) -> None:
    """The training begins anew, and ends with the same model."""
    settings = {"pictures": 8, "batch": 4, "aside_share": 0.3, "detect_size_px": 64}
    order = Order("image", "detectors/a", flower_data, settings, data_set="flowers")
    made = []
    for damaged in (False, True):
        place, models = tmp_path / f"place-{damaged}", tmp_path / "models"
        (place / "work").mkdir(parents=True)
        models.mkdir(exist_ok=True)
        if damaged:
            (place / "work" / "checkpoint.safetensors").write_bytes(b"\x10" * 5000)
        told = labour.done(order, place, models, lambda *_, **__: None, ignored)
        made.append(Path(told["path"]).read_bytes())
    assert made[0] == made[1]


def test_a_refused_data_set_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it as findings, the first of it as the error."""
    found = [Problem(f"{n}.wav", "unreadable", refused=True) for n in range(5)]
    monkeypatch.setattr(labour, "problems_of", lambda *_: [*found, Problem("x", "too short")])
    said: list[Any] = []
    order = Order("keyword", NAME, tmp_path)
    with pytest.raises(InvalidInput, match=r"0.wav: unreadable; 1.wav: .*; and 2 more$"):
        labour.look(order, None, lambda event, **told: said.append((event, told)), ignored)
    ((event, told),) = said
    assert (event, len(told["problems"])) == ("problems", 6)
