"""Places that a verb is given: what is wrong with one is told before any work is done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cnn_core.arrays import Array
from sweepnet_service.commands import train as verbs
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.bench.material import material
from sweepnet_service.detectors.keyword.config import TrainConfig, check
from sweepnet_service.detectors.keyword.evaluate.run import Asked, report_on_models
from sweepnet_service.detectors.keyword.head import HeadSettings
from sweepnet_service.detectors.keyword.pcen import Pcen
from sweepnet_service.detectors.keyword.personal.config import PersonalConfig, other_recordings
from sweepnet_service.detectors.keyword.retune import RetuneConfig, retune
from sweepnet_service.detectors.keyword.train import train
from sweepnet_service.detectors.keyword.trunks.train import TrunkConfig
from sweepnet_service.detectors.keyword.trunks.train import train as train_trunk
from sweepnet_service.errors import InvalidInput, SweepnetError
from sweepnet_service.progress import Progress, ignored


def no_work(progress: Progress) -> None:
    """A report that ends the test where a stage begins."""
    raise AssertionError(f"work was done: {progress}")


@pytest.fixture(scope="module")
def model(detector: KeywordDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "welcome.safetensors"
    detector.save(path)
    return path


def dangling(beside: Path) -> Path:
    """A link to nothing."""
    link = beside.with_name("dangling")
    link.unlink(missing_ok=True)
    link.symlink_to("nowhere")
    return link


@pytest.fixture
def folder(tmp_path: Path, murmur: Array) -> Path:
    """Two recordings of the word, two of something else."""
    for number in range(4):
        path = tmp_path / "own" / ("negative" if number % 2 else "positive") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, murmur[4_000 * number : 4_000 * number + 16_000], 16_000)
    return tmp_path / "own"


@pytest.fixture
def config(model: Path, folder: Path, tmp_path: Path) -> TrainConfig:
    """A training that could begin."""
    return TrainConfig(
        keyword="rise",
        out=tmp_path / "rise.safetensors",
        work_dir=tmp_path / "work",
        folder=folder,
        trunk=model,
        synthesize=0,
        head_settings=HeadSettings(steps=1, rounds=1),
    )


def test_the_training_could_begin(config: TrainConfig, folder: Path) -> None:
    check(config)
    check(replace(config, mine=folder / "negative", add_to=config.trunk))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: {"mine": c.folder / "nothere"}, "mine: no file or folder named"),
        (lambda c: {"mine": c.folder / "positive"}, None),
        (lambda c: {"mine": c.work_dir.parent / "empty"}, "mine: .*no speech to train on without"),
        (lambda c: {"mine": c.folder, "phones_only": True}, "leave it or phones_only out"),
        (lambda c: {"trunk": c.folder / "nothere"}, "nothere: is no keyword model"),
        (lambda c: {"add_to": c.folder / "nothere"}, "no file named|nothere"),
        (lambda c: {"work_dir": c.trunk}, "work_dir: .* is a file; expected a folder"),
        (lambda c: {"work_dir": c.trunk / "below"}, "work_dir: .* is a file; expected a folder"),
        (lambda c: {"work_dir": dangling(c.trunk)}, "work_dir: .* is a link to nothing"),
        (lambda c: {"work_dir": dangling(c.trunk) / "below"}, "work_dir: .* is a link to nothing"),
        (
            lambda c: {"work_dir": c.folder / "new" / ("é" * 128)},
            "got a name of 256 bytes",
        ),
        (lambda c: {"folder": c.folder / "nothere"}, "no file or folder named"),
        (lambda c: {"data": c.folder}, "holds no continuous/manifest.csv"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_before_any_work(
    config: TrainConfig, change: Callable[[TrainConfig], dict[str, Any]], told: str | None
) -> None:
    """A folder without speech to mine was told of once all heads were trained."""
    (config.work_dir.parent / "empty").mkdir()
    changed = replace(config, **change(config))
    if told is None:
        check(changed)
        return
    with pytest.raises(SweepnetError, match=told):
        train(changed, no_work)
    assert not config.work_dir.exists()


def test_words_are_not_added_to_a_model_that_hears_other_features(
    config: TrainConfig, detector: KeywordDetector, tmp_path: Path
) -> None:
    """It was found out when the training was over."""
    other = tmp_path / "other.safetensors"
    replace(detector, features=Pcen()).save(other)
    with pytest.raises(InvalidInput, match=r"add_to: .*hears other features than the trunk"):
        train(replace(config, add_to=other), no_work)


def test_rooms_that_the_data_lists_must_be_there(config: TrainConfig, tmp_path: Path) -> None:
    data = shipped_like(tmp_path / "data")
    with pytest.raises(InvalidInput, match=r"lists rooms that are not there: .*hall\.wav"):
        train(replace(config, folder=None, data=data), no_work)


def shipped_like(place: Path) -> Path:
    """A folder in the form of the shipped models' data, whose only room is missing."""
    header = "file,start_s,end_s,speaker,split,transcript,source_repo,source_path"
    tables = {
        "continuous/manifest.csv": f"{header}\ngone.wav,0,1,a,train,good day,r,p\n",
        "continuous/welcome_sentences.csv": "source_repo,source_path,welcome_start_s,"
        "welcome_end_s\n",
        "keywords/clips.csv": "file,label,split\n",
        "noise/manifest.csv": "file,split\n",
        "noise/rir_manifest.csv": "file,split\nhall.wav,train\n",
    }
    for name, text in tables.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def listing(folder: Path, split: str = "validation") -> Path:
    """A manifest whose second recording without the word is not there."""
    table = folder / "list.csv"
    table.write_text(
        "file,label,text,split\n"
        f"positive/0.wav,rise,rise,{split}\n"
        f"negative/1.wav,negative,good day,{split}\n"
        f"negative/gone.wav,negative,good night,{split}\n"
        "positive/2.wav,rise,rise,train\n"
    )
    return table


def test_files_that_are_not_there_are_told_before_any_is_heard(
    detector: KeywordDetector, model: Path, folder: Path, tmp_path: Path
) -> None:
    """They ended a measurement in its midst, and a trunk's after hours of training."""
    knowing = replace(
        detector,
        labels=("rise",),
        placements={"rise": detector.placements["welcome"]},
        operating_points={"rise": ()},
        default_thresholds={"rise": 0.5},
    )
    rising = tmp_path / "rising.safetensors"
    knowing.save(rising)
    table, out = listing(folder), tmp_path / "out"
    verbs_of_it: dict[str, Callable[[], object]] = {
        "evaluate": lambda: report_on_models(
            [rising], [knowing], Asked(table, "validation"), out, no_work
        ),
        "retune": lambda: retune(RetuneConfig(rising, out, table), ignored),
        "bench": lambda: material(table, ["rise"], "all", "all", 1, 10.0),
        "trunk": lambda: train_trunk(TrunkConfig(table, out, tmp_path / "work"), no_work),
    }
    for name, verb in verbs_of_it.items():
        with pytest.raises(InvalidInput, match=r"files that are not there: .*gone\.wav"):
            verb()
        assert not out.exists(), name


def test_retuning_without_the_word_hears_nothing(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweepnet_service.detectors.keyword.retune.held_out", None)
    table = listing(folder)
    table.write_text(table.read_text().replace("gone", "3"))
    with pytest.raises(InvalidInput, match="holds 0 recordings of 'welcome' and 3 without it"):
        retune(RetuneConfig(model, tmp_path / "new.safetensors", table), ignored)


def test_a_rate_that_a_second_seed_does_not_know_is_told_before_the_first_is_measured(
    detector: KeywordDetector,
    model: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def thresholds(_: Asked, of: KeywordDetector) -> dict[str, float]:
        if of is detector:
            return {"welcome": 0.5}
        raise InvalidInput("false_alarms_per_hour", "not known")

    monkeypatch.setattr(Asked, "thresholds_of", thresholds)
    both = [detector, replace(detector, card={"seed": 2})]
    with pytest.raises(InvalidInput, match="not known"):
        report_on_models([model, model], both, Asked(folder), tmp_path / "page.html", no_work)


def test_other_speech_without_a_file_is_told(folder: Path, tmp_path: Path) -> None:
    """An empty folder counted as nothing, and all other speech was of programs."""
    (tmp_path / "talk").mkdir()
    config = PersonalConfig(
        keyword="rise",
        recordings=(folder / "positive",),
        out=tmp_path / "m",
        work_dir=tmp_path / "w",
        trunk=tmp_path,
        other=tmp_path / "talk",
    )
    with pytest.raises(InvalidInput, match=r"other: .*holds no audio file"):
        other_recordings(config)


def test_checking_nothing_is_told(tmp_path: Path) -> None:
    """It ended well, without a word."""
    words = ["keyword", "--keyword", "rise", "--check-only", "--out", str(tmp_path / "m")]
    done = CliRunner().invoke(verbs.app, words)
    assert done.exit_code == 1
    assert "data: is not given" in done.output
    done = CliRunner().invoke(verbs.app, [*words, "--mine", str(tmp_path / "nothere")])
    assert "mine: no file or folder named" in done.output


def test_commands_start_without_what_few_models_need() -> None:
    """Half of a command's start was scipy.signal, which PCEN alone hears with."""
    program = "import sys, sweepnet_service.server.app; print('scipy.signal' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
    assert np.isfinite(Pcen().frames(np.ones(800, np.float32))).all()
