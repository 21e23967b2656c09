"""Retuning: other scores and thresholds, the same weights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_core import modelfile
from cnn_core.tree import leaves
from sweepnet_service.detectors.keyword import KeywordDetector, card
from sweepnet_service.detectors.keyword import retune as retuning
from sweepnet_service.detectors.keyword.retune import RetuneConfig, label_of, noted, retune
from sweepnet_service.detectors.keyword.spelled import reading_in
from sweepnet_service.detectors.keyword.trunks.reading import Reading
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import ignored
from tests.keyword.words import with_label


@pytest.fixture(scope="module")
def model(detector: KeywordDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "welcome.safetensors"
    detector.save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: six recordings of the "word", six of something else."""
    path = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for kind, hz in (("positive", 700), ("negative", 200)):
        (path / kind).mkdir()
        for number in range(6):
            time_s = np.arange(16_000) / 16_000
            sound = 0.3 * np.sin(2 * np.pi * hz * rng.uniform(0.9, 1.1) * time_s)
            noise = 0.003 * rng.standard_normal(len(sound))
            soundfile.write(path / kind / f"{number}.wav", sound + noise, 16_000)
    return path


def test_only_the_affine_before_the_sigmoid_changes(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = retune(RetuneConfig(model, tmp_path / "new.safetensors", folder), ignored)

    before, after = (leaves(modelfile.load(path).net) for path in (model, out))
    *kept, weight, bias = [
        np.array_equal(old, new) for (_, old), (_, new) in zip(before, after, strict=True)
    ]
    assert all(kept)
    assert not weight or not bias
    known, made = KeywordDetector.load(model), KeywordDetector.load(out)
    assert made.placements == known.placements
    assert made.operating_points["welcome"]
    assert made.card["calibration"]["welcome"]["words"] > 0
    assert not out.with_suffix(".md").exists()


def test_the_card_of_a_joined_model_follows_in_the_part_of_its_label() -> None:
    parts = [{"label": "welcome", "test": 1}, {"label": "bed", "test": 2}]
    made = card.with_part({"joined": parts}, "bed", lambda part: {**part, "test": 3})
    assert made == {"joined": [parts[0], {"label": "bed", "test": 3}]}
    assert card.with_part({}, "bed", lambda part: {"test": 3}) == {}


def test_a_folder_without_the_word_is_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / "negative").mkdir(parents=True)
    sound = (folder / "negative" / "0.wav").read_bytes()
    (tmp_path / "one" / "negative" / "0.wav").write_bytes(sound)
    (tmp_path / "one" / "positive").mkdir()
    with pytest.raises(InvalidInput):
        retune(RetuneConfig(model, tmp_path / "new.safetensors", tmp_path / "one"), ignored)
    assert not (tmp_path / "new.safetensors").exists()


def test_the_label_is_named_where_there_are_several(detector: KeywordDetector) -> None:
    placed = replace(detector, card={})
    two = with_label(placed, "bed", heads=(), spellings=((11, 3),))
    assert label_of(detector, "") == "welcome"
    assert label_of(two, "bed") == "bed"
    for known, label in ((two, ""), (two, "cat"), (detector, "cat")):
        with pytest.raises(InvalidInput, match="expected one of welcome"):
            label_of(known, label)


@pytest.mark.needs_program("flite")
def test_what_the_trunks_phones_are_worth_is_told_to_words_that_come(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = write_sentences(tmp_path / "read", folder, count=3)
    reading = Reading(1.5, 0.5, -2.0, 0.1, (), 40, 0.5)
    with monkeypatch.context() as told:
        told.setattr(retuning, "fitted_reading", lambda *_: reading)
        config = RetuneConfig(model, tmp_path / "new.safetensors", sentences, phones=True)
        out = retune(config, ignored)
    assert reading_in(model) is None
    assert reading_in(out) == reading
    known, made = KeywordDetector.load(model), KeywordDetector.load(out)
    assert made.operating_points == known.operating_points
    for (_, old), (_, new) in zip(
        leaves(modelfile.load(model).net), leaves(modelfile.load(out).net), strict=True
    ):
        assert np.array_equal(old, new)

    with pytest.raises(InvalidInput, match=r"sentences .* expected 20"):
        retune(RetuneConfig(model, tmp_path / "few.safetensors", sentences, phones=True), ignored)
    with pytest.raises(InvalidInput, match=r"manifest\.csv"):
        retune(RetuneConfig(model, tmp_path / "none.safetensors", folder, phones=True), ignored)
    with pytest.raises(InvalidInput, match="give one of the two"):
        retune(replace(config, synthesize=True), ignored)


@pytest.mark.needs_program("flite")
def test_a_model_of_several_words_tells_of_its_trunk_without_a_label(
    detector: KeywordDetector, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(1.5, 0.5, -2.0, 0.1, (), 40, 0.5)
    monkeypatch.setattr(retuning, "fitted_reading", lambda *_: reading)
    two = tmp_path / "two.safetensors"
    with_label(detector, "bed", heads=(), spellings=((11, 3),)).save(two)
    sentences = write_sentences(tmp_path / "read", folder, count=1)
    out = retune(RetuneConfig(two, tmp_path / "new.safetensors", sentences, phones=True), ignored)
    assert reading_in(out) == reading


def write_sentences(path: Path, folder: Path, count: int) -> Path:
    """A data set with the word, and so many sentences to validate on."""
    shutil.copytree(folder, path)
    rows = ["file,label,text,split"]
    for number in range(count):
        rows.append(f"positive/{number}.wav,welcome,welcome,train")
        rows.append(f"positive/{number + 3}.wav,welcome,,validation")
        rows.append(f"negative/{number}.wav,negative,good day to you,validation")
    (path / "manifest.csv").write_text("\n".join(rows))
    return path


def test_notes_stand_in_the_card_once() -> None:
    part = {"label": "welcome", "cautions": ["Old.", "New."]}
    assert noted(part, ("New.", "Newer."))["cautions"] == ["Old.", "New.", "Newer."]
    assert noted(part, ()) == part
