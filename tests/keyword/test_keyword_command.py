"""`sweepnet train keyword`: what its words come to, and the tables it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cnn_core.arrays import Array
from sweepnet_service.commands.meter import metered
from sweepnet_service.commands.train import app, with_words, work_beside
from sweepnet_service.detectors.keyword.claim import claim
from sweepnet_service.detectors.keyword.prepare import stage_of
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"keyword": ["bed"]}, {"keyword": "bed", "also": (), "out": Path("bed.safetensors")}),
        ({"keyword": ["bed", "good day"]}, {"keyword": "bed", "also": ("good day",)}),
        ({"synthesize": "good day"}, {"keyword": "good day", "out": Path("good_day.safetensors")}),
        ({"keyword": ["bed"], "synthesize": "30"}, {"keyword": "bed", "synthesize": 30}),
        ({"keyword": ["bed"], "synthesize": "0"}, {"synthesize": 0}),
        ({"keyword": ["bed"], "synthesize": "bed"}, {"keyword": "bed", "also": ()}),
        ({"keyword": ["bed"], "dataset": Path("d")}, {"data": Path("d")}),
        ({"keyword": ["bed"], "out": Path("x/m.safetensors")}, {"out": Path("x/m.safetensors")}),
    ],
)
def test_words_data_and_file_get_their_names(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = with_words(given)
    assert {name: found.get(name) for name in expected} == expected
    assert "dataset" not in found
    assert isinstance(found.get("synthesize", 0), int)


def test_no_word_and_two_data_sets_are_told() -> None:
    with pytest.raises(InvalidInput, match=r"keyword: is not given; .*--keyword WORD"):
        with_words({"synthesize": "30"})
    with pytest.raises(InvalidInput, match="give one of them"):
        with_words({"keyword": ["a"], "dataset": Path("d"), "data": Path("e")})


def test_words_added_to_one_file_keep_their_state_apart() -> None:
    """The second word was refused, as the folder belonged to the training of the first."""
    out = Path("models/hall.safetensors")
    assert work_beside(out) == Path("models/.hall-training")
    assert work_beside(out, "good day") == Path("models/.hall-good-day-training")
    assert len({work_beside(out, word) for word in ("", "good day", "turn left")}) == 3


@pytest.fixture
def folder(tmp_path: Path, murmur: Array) -> Path:
    for number in range(4):
        path = tmp_path / "own" / ("negative" if number % 2 else "positive") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        length = 2_000 if number == 2 else 16_000
        soundfile.write(path, murmur[4_000 * number : 4_000 * number + length], 16_000)
    return tmp_path / "own"


def run(folder: Path, *more: str) -> Any:
    place = ("--work-dir", str(folder.parent / "work"), "--out", str(folder.parent / "m"))
    words = ["keyword", str(folder), "--keyword", "rise", "--synthesize", "0", *place, *more]
    return CliRunner().invoke(app, words)


def test_check_only_tells_each_verdict_and_trains_nothing(folder: Path) -> None:
    done = run(folder, "--check-only")
    assert done.exit_code == 0, done.output
    assert "too short: 0.12 s" in done.output
    assert "4 recordings, 1 left out (1 too short)" in done.output
    assert (folder.parent / "work" / "verdicts.csv").exists()
    assert not (folder.parent / "m").exists()


def test_names_and_reasons_are_shown_as_they_are(
    folder: Path, murmur: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood in brackets was once taken for a colour: names lost a part, or ended the verb."""
    monkeypatch.setattr("sweepnet_service.commands.verdicts.WIDTH", 400)
    (folder / "negative" / "[").mkdir()
    soundfile.write(folder / "positive" / "a[red].wav", murmur[:2_000], 16_000)
    wrong = np.full(16_000, np.nan, np.float32)
    soundfile.write(folder / "negative" / "[" / "bold].wav", wrong, 16_000, subtype="FLOAT")
    done = run(folder, "--check-only")
    assert "positive/a[red].wav " in done.output
    assert "negative/[/bold].wav " in done.output
    assert "no number in -1..1 ([nan], at 0.000 s)" in done.output


def test_check_only_needs_no_speech_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wanted espeak-ng or flite before it looked at a recording; a training does."""
    monkeypatch.setattr("sweepnet_service.detectors.keyword.speaking.shutil.which", lambda _: None)
    done = run(folder, "--check-only", "--synthesize", "10")
    assert done.exit_code == 0, done.output
    assert "all verdicts in" in done.output
    done = run(folder, "--synthesize", "10")
    assert done.exit_code == 1
    assert "verdicts" not in done.output


def test_a_folder_of_other_settings_is_refused_before_its_verdicts_are_overwritten(
    folder: Path,
) -> None:
    claim(folder.parent / "work", {"keyword": "fall"})
    (folder.parent / "work" / "verdicts.csv").write_text("of another training")
    done = run(folder)
    assert done.exit_code == 1
    assert "belongs to other settings" in done.output
    assert (folder.parent / "work" / "verdicts.csv").read_text() == "of another training"


def test_voices_in_two_splits_and_what_refuses_are_told(folder: Path, murmur: Array) -> None:
    for part in ("train", "test"):
        path = folder.parent / "two" / part / "positive" / "anna" / f"{part}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, murmur[: 16_000 if part == "train" else 20_000], 16_000)
    other = folder.parent / "two" / "train" / "negative" / "x.wav"
    other.parent.mkdir()
    soundfile.write(other, murmur[20_000:], 16_000)
    done = run(folder.parent / "two", "--check-only")
    assert done.exit_code == 0, done.output
    assert "in more than one split: anna; figures of the test split" in done.output
    path.write_bytes(b"no sound")
    done = run(folder.parent / "two", "--check-only")
    assert done.exit_code == 1
    assert "refused" in done.output


def test_what_refuses_a_data_set_is_told_before_any_work(folder: Path) -> None:
    (folder / "positive" / "0.wav").write_bytes(b"no sound")
    done = run(folder)
    assert done.exit_code == 1
    assert "0.wav: unreadable: is not audio that can be read" in done.output
    for number in (1, 3):
        (folder / "negative" / f"{number}.wav").unlink()
    (folder / "positive" / "0.wav").unlink()
    done = run(folder)
    assert done.exit_code == 1
    assert "no recording to train on holds 'rise'" in done.output
    assert not (folder.parent / "m").exists()


def test_without_a_terminal_each_stage_ends_with_its_total_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Lines ended at 4 of 18, and a short stage seemed never to be done."""
    with metered() as report:
        for done in (4, 9, 18, 18):
            report(Progress("features", done, 18, 4.0))
        for done in (100, 200, 200):
            report(Progress("head", done, 200))
        for done in (100, 200):
            report(Progress("head", done, 200, None, "loss 0.1"))
        report(Progress("done", 1, 1, 0.0, "m"))
    assert capsys.readouterr().err.splitlines() == [
        "features 4/18  4 s left",
        "features 18/18",
        *("head 100/200", "head 200/200"),
        *("head 100/200  loss 0.1", "head 200/200  loss 0.1"),
        "done 1/1  m",
    ]


@pytest.mark.parametrize(
    ("bank", "stage"),
    [
        ("positive-17", "features of recordings of the word, copy 17"),
        ("negative-0", "features of other speech"),
        ("synthetic-positive-1", "features of synthetic words, copy 1"),
        ("noise-only", "features of noise"),
        ("background", "features of background"),
    ],
)
def test_kept_features_are_told_as_what_they_are(bank: str, stage: str) -> None:
    assert stage_of(bank) == stage
