"""A data set measured by the code that serves: what is measured, on what, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from cnn_core.arrays import Array
from sweepnet_service.commands.evaluate import app
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import FoldHeard, Heard, Measured, measured_in
from sweepnet_service.detectors.keyword.evaluate.groups import SILENCE
from sweepnet_service.detectors.keyword.evaluate.measure import (
    Conditions,
    conditions_with,
    measure,
    reliability_of,
)
from sweepnet_service.detectors.keyword.evaluate.page.sound import clean as clean_sound
from sweepnet_service.detectors.keyword.evaluate.page.words import lines
from sweepnet_service.detectors.keyword.evaluate.record import to_dict
from sweepnet_service.detectors.keyword.evaluate.run import Asked, cautions, report_on_models
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.detectors.keyword.joined import joined
from sweepnet_service.errors import InvalidInput
from tests.keyword.pages import parsed

LABEL = "welcome"


def quiet(_: object) -> None:
    """Progress that nobody looks at."""


def renamed(detector: KeywordDetector, label: str) -> KeywordDetector:
    return replace(
        detector,
        labels=(label,),
        placements={label: detector.placements[LABEL]},
        operating_points={label: detector.operating_points[LABEL]},
        default_thresholds={label: detector.default_thresholds[LABEL]},
    )


@pytest.fixture
def own(tmp_path: Path, murmur: Array) -> Path:
    """A folder of one's own: two recordings of the word, one of something else."""
    for place, name in enumerate(("positive/a.wav", "positive/b.flac", "negative/c.wav")):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, murmur[place * 4_000 :], 16_000)
    return tmp_path / "own"


def peak(score: float, corpus: str = "librispeech") -> Heard:
    """A recording of which the scores have one peak."""
    row = Recording(Path("a"), 0.0, 3.0, "test", "anna", corpus, "", "")
    return Heard(row, 3.0, np.r_[np.zeros(10), score, np.zeros(10)].astype(np.float32))


def test_scores_are_measured_as_probabilities(detector: KeywordDetector) -> None:
    """Of ten peaks that score 0.9 nine should hold the word, at equal odds."""
    sure = [peak(0.999)] * 9
    right = FoldHeard(detector, {"clean": sure}, [peak(0.001)] * 20)
    found = reliability_of(right, LABEL)
    assert found is not None
    assert found.error == pytest.approx(0.001, abs=1e-4)
    assert found.bits < 0.01
    wrong = FoldHeard(detector, {"clean": sure}, [peak(0.999)] * 20)
    found = reliability_of(wrong, LABEL)
    assert found is not None
    assert found.error == pytest.approx(0.499, abs=1e-4)
    assert [(each.words, each.others) for each in found.bins] == [(9, 20)]


def test_silence_does_not_flatter_the_scores(detector: KeywordDetector) -> None:
    fold = FoldHeard(detector, {"clean": [peak(0.8)]}, [peak(0.6)], [peak(0.5, "rain")])
    silent = replace(fold, noise=[*fold.noise, peak(0.0, SILENCE)])
    assert reliability_of(silent, LABEL) == reliability_of(fold, LABEL)
    assert reliability_of(replace(fold, words={"clean": []}), LABEL) is None
    assert reliability_of(replace(fold, speech=[], noise=[]), LABEL) is None


def test_a_folder_of_ones_own_is_measured_whole(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    model, page = tmp_path / "m.safetensors", tmp_path / "page.html"
    detector.save(model)
    (found,) = report_on_models([model], [detector], Asked(own), page, quiet)
    assert len(found.conditions[0].misses) == 2
    assert found.speech.hours == pytest.approx(2.5 / 3600)
    assert {kind.name for kind in found.kinds} == {"your recordings", "silence"}
    text = page.read_text(encoding="utf-8")
    parsed(text)
    assert "all of it" in text
    assert "may have learnt" in text
    assert "may have learnt" in lines(found)[-1]
    assert "may have learnt" in to_dict(found)["cautions"][0]
    assert to_dict(found)["misses"]["clean"]["words"] == 2
    assert found.reliability is not None
    assert to_dict(found)["reliability"]["error"] == found.reliability.error
    told = next(line for line in lines(found) if "expected calibration error" in line)
    assert "over 2 recordings of the word and " in told
    assert any("in 2 s of speech (less than an hour: no rate)" in line for line in lines(found))
    assert "Scores as probabilities" in text


def test_the_command_takes_a_model_and_data(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    model, page = tmp_path / "m.safetensors", tmp_path / "made" / "page.html"
    detector.save(model)
    command = ["keyword", str(model), str(own), "--out", str(page), "-t", "0.9", "--json"]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert told["report"] == str(page)
    assert told["labels"][0]["thresholds"] == [0.9]
    assert page.is_file()
    old_way = ["keyword", "-m", str(model), "--data", str(tmp_path / "no"), "--out", str(page)]
    ended = CliRunner().invoke(app, old_way)
    assert ended.exit_code == 1
    assert "no file or folder named" in ended.stderr


def test_recordings_of_one_voice_are_told_apart_and_stay_one_group(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    """Files in a folder of a voice share their source: they once counted as one recording."""
    (own / "positive" / "anna").mkdir()
    for name in ("a.wav", "b.flac"):
        (own / "positive" / name).rename(own / "positive" / "anna" / name)
    recordings, _ = measured_in(read_dataset(own), LABEL)
    found = measure(detector, {LABEL: recordings}, Conditions(), quiet)[LABEL]
    assert (len(found.conditions[0].misses), found.conditions[0].groups) == (2, 1)


def test_what_a_training_drew_for_tests_is_measured(
    detector: KeywordDetector, tmp_path: Path, murmur: Array
) -> None:
    """All 12 words of a folder were once measured, 9 of which a training had learnt from."""
    for n in range(12):
        for kind in ("positive", "negative"):
            path = tmp_path / "own" / kind / f"{n}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, murmur[n * 1_000 : n * 1_000 + 12_000], 16_000)
    data = read_dataset(tmp_path / "own")
    drawn = {row.path for row in data.part("test").placed(LABEL) + data.part("test").weak(LABEL)}
    model, page = tmp_path / "m.safetensors", tmp_path / "page.html"
    detector.save(model)
    for split, count in ((None, len(drawn)), ("all", 12), ("train", None)):
        asked = Asked(tmp_path / "own", split)
        (found,) = report_on_models([model], [detector], asked, page, quiet)
        assert bool(found.cautions) == (split is not None)
        if count is not None:
            assert len(found.conditions[0].misses) == count
    assert 0 < len(drawn) < 12
    assert {row.path for row in measured_in(data, LABEL)[0].words} == drawn


def test_false_alarms_count_on_voices_that_nothing_learnt_from(
    detector: KeywordDetector, tmp_path: Path, murmur: Array
) -> None:
    """Of given splits anna is in both: she has no say in false alarms, and her word is told of."""
    data = tmp_path / "own"
    names = ("train/negative/anna/1", "train/positive/anna/2", "test/positive/anna/3")
    others = ("test/negative/anna/4", "test/negative/bob/5", "test/negative/6")
    for number, name in enumerate((*names, *others)):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        part = murmur[number * 2_000 : number * 2_000 + 16_000]
        soundfile.write(data / f"{name}.wav", part, 16_000)
    recordings, split = measured_in(read_dataset(data), LABEL)
    assert split == "test"
    assert sorted(row.path.name for row in recordings.speech) == ["5.wav", "6.wav"]
    assert (recordings.known_words, recordings.known_speech) == (1, 1)
    told = cautions(recordings, split)
    assert [each.partition(" of ")[0] for each in told] == ["1 recording", "1 recording"]
    everything, _ = measured_in(read_dataset(data), LABEL, "all")
    assert len(everything.speech) == 4
    assert (everything.known_words, everything.known_speech) == (0, 0)
    assert cautions(Measured([], [], []), "test") == ()


def test_noise_that_is_no_number_is_refused_by_name(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    """The error once named none of the files."""
    (own / "noise").mkdir()
    wrong = np.full(20_000, np.nan, np.float32)
    soundfile.write(own / "noise" / "n.wav", wrong, 16_000, subtype="FLOAT")
    detector.save(tmp_path / "m.safetensors")
    command = ["keyword", str(tmp_path / "m.safetensors"), str(own), "--out", str(tmp_path / "p")]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1
    assert "n.wav" in ended.stderr.replace("\n", "")


@pytest.mark.parametrize("kept", ["positive", "negative"])
def test_words_alone_or_other_speech_alone_make_a_page(
    detector: KeywordDetector, own: Path, tmp_path: Path, kept: str
) -> None:
    rmtree(own / ("negative" if kept == "positive" else "positive"))
    model, page = tmp_path / "m.safetensors", tmp_path / "page.html"
    detector.save(model)
    (found,) = report_on_models([model], [detector], Asked(own), page, quiet)
    assert bool(found.conditions[0].misses) == (kept == "positive")
    assert bool(found.speech.hours) == (kept == "negative")
    assert found.reliability is None
    parsed(page.read_text(encoding="utf-8"))
    assert "Scores as probabilities" not in page.read_text(encoding="utf-8")


def test_noise_beside_gives_conditions_in_noise(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    (own / "noise").mkdir()
    soundfile.write(
        own / "noise" / "n.wav", np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000
    )
    recordings, _ = measured_in(read_dataset(own), LABEL)
    conditions = replace(conditions_with(recordings.noise), snrs_db=(10.0,))
    assert conditions.names == ["clean", "10 dB"]
    found = measure(detector, {LABEL: recordings}, conditions, quiet)[LABEL]
    assert [each.name for each in found.conditions] == ["clean", "10 dB"]
    row, clean = recordings.words[0], conditions.sound(recordings.words[0], "clean")
    np.testing.assert_allclose(clean, soundfile.read(row.path, dtype="float32")[0])
    assert np.any(conditions.sound(row, "10 dB") != clean)
    with pytest.raises(InvalidInput, match="only 'clean'"):
        clean_sound(row, "10 dB")


def test_labels_heard_at_once_have_the_figures_of_each_alone(
    detector: KeywordDetector, own: Path
) -> None:
    both = joined([detector, renamed(detector, "other")])
    recordings, _ = measured_in(read_dataset(own), LABEL)
    swapped = Measured(recordings.speech, recordings.words, ())
    together = measure(both, {LABEL: recordings, "other": swapped}, Conditions(), quiet)
    for label, kept in ((LABEL, recordings), ("other", swapped)):
        alone = measure(both, {label: kept}, Conditions(), quiet)[label]
        assert to_dict(together[label]) == to_dict(alone)
    assert to_dict(together[LABEL])["speech"] != to_dict(together["other"])["speech"]


def test_two_words_want_recordings_that_tell_which(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    """What lay in positive/ once counted as a miss of the other word."""
    both = joined([detector, renamed(detector, "other")])
    model = tmp_path / "m.safetensors"
    both.save(model)
    with pytest.raises(InvalidInput, match="does not tell which of the 2 words"):
        report_on_models([model], [both], Asked(own), tmp_path / "page.html", quiet)


def test_nothing_to_measure_on_is_said(
    detector: KeywordDetector, own: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="nothing to measure"):
        measure(detector, {LABEL: Measured([], [], [])}, Conditions(), quiet)
    with pytest.raises(InvalidInput, match="no recording of the split 'validation'"):
        measured_in(read_dataset(own), LABEL, "validation")
    with pytest.raises(InvalidInput, match="no file or folder"):
        read_dataset(own / "missing")
