"""The data set: licences, splits, words, folders; pronunciations; figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sweepnet_service.detectors.keyword.config import TrainConfig, check
from sweepnet_service.detectors.keyword.dataset import (
    UNLICENSED_VOICES,
    Recording,
    may_ship,
    once,
    read_clips,
    read_continuous,
    read_mono,
    read_samples,
    says,
)
from sweepnet_service.detectors.keyword.evaluate import measured_on
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.detectors.keyword.material import material_of
from sweepnet_service.detectors.keyword.phones import numbers, pronounce
from sweepnet_service.errors import InvalidInput


def recording(text: str = "", split: str = "train", speaker: str = "a") -> Recording:
    return Recording(Path("x.wav"), 0.0, 1.0, split, speaker, "corpus", "CC0", text)


def test_the_keyword_and_words_built_on_it_count_as_said() -> None:
    assert says(recording("they welcomed him"), "welcome")
    assert says(recording("welcoming"), "welcome")
    assert not says(recording("well come in"), "welcome")
    assert says(recording("look at the view glass"), "view glass")


def test_other_words_that_begin_alike_are_not_the_keyword() -> None:
    """Stripping every final e once made "she sells" a sentence that says "see"."""
    assert not says(recording("she sells shells"), "see")
    assert not says(recording("through the wood"), "three")
    assert says(recording("she sees it"), "see")


def test_a_recording_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own" / "positive").mkdir(parents=True)
    (tmp_path / "outside.wav").write_bytes(b"")
    (tmp_path / "own" / "positive" / "a.wav").symlink_to(tmp_path / "outside.wav")
    with pytest.raises(InvalidInput, match="leads out of the data folder"):
        read_dataset(tmp_path / "own")


@pytest.mark.parametrize("word", ["", "-x", "-f/etc/passwd", "a\nb", "two_words", "7up"])
def test_a_keyword_is_made_of_letters(tmp_path: Path, word: str) -> None:
    """A word that begins like an option would be one for the speech programs."""
    config = TrainConfig(word, tmp_path / "m", tmp_path, folder=tmp_path, trunk=tmp_path / "t")
    with pytest.raises(InvalidInput, match="expected a word or phrase"):
        check(config)


def test_nothing_but_training_material_under_a_clear_licence_may_ship() -> None:
    assert may_ship(recording())
    assert not may_ship(recording(split="test"))
    assert not may_ship(recording(split="validation"))
    assert not any(may_ship(recording(speaker=voice)) for voice in UNLICENSED_VOICES)


@pytest.mark.needs_data
def test_shipped_material_keeps_the_rules(data_dir: Path) -> None:
    material = material_of(data_dir / "speech", "welcome")
    voices = {row.speaker for row in material.positive}
    assert "ashleyhindle_prof" in voices
    assert not voices & UNLICENSED_VOICES
    for row in (*material.positive, *material.speech, *material.noise):
        assert row.split == "train"
        assert "gpl" not in row.corpus
        assert "GPL" not in row.licence
    assert not any(says(row, "welcome") for row in material.speech)


@pytest.mark.needs_data
def test_no_voice_of_the_word_is_in_training_and_test(data_dir: Path) -> None:
    def voices(rows: object) -> set[str]:
        return {row.speaker.replace("so762_", "so") for row in rows}  # type: ignore[attr-defined]

    trained = voices(material_of(data_dir / "speech", "welcome").positive)
    for split in ("validation", "test"):
        measured = voices(measured_on(data_dir / "speech", "welcome", split).words)
        assert len(measured) >= 5
        assert not trained & measured


@pytest.mark.needs_data
def test_recordings_in_two_manifests_count_once(data_dir: Path) -> None:
    rows = [*read_clips(data_dir / "speech"), *read_continuous(data_dir / "speech")]
    assert len(once(rows)) <= len(rows) - 89


@pytest.mark.needs_data
def test_samples_have_the_length_of_the_manifest(data_dir: Path) -> None:
    row = read_clips(data_dir / "speech")[0]
    ((_, samples),) = read_samples([row])
    assert row.end_s is not None
    assert len(samples) == pytest.approx((row.end_s - row.start_s) * 16_000, abs=2)


@pytest.mark.parametrize(
    ("file", "told"),
    [("nan.wav", "no number"), ("cut.ogg", "cut short"), ("cut.wav", "cut short")],
)
def test_damaged_recordings_are_refused_by_name(tmp_path: Path, file: str, told: str) -> None:
    """A cut file once counted as whole; NaN once came back as a score that named no file."""
    samples = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    path = tmp_path / file
    if file == "nan.wav":
        samples[40_000] = np.nan
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
    else:
        soundfile.write(path, samples, 16_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    row = replace(recording(), path=path, end_s=None)
    with pytest.raises(InvalidInput, match=rf"{file}: .*{told}"):
        list(read_samples([row]))


def test_a_file_longer_than_an_hour_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """Evaluation once decoded ten hours into 12 GB."""
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(3_601 * 1_000, np.int16), 1_000)
    with pytest.raises(InvalidInput, match=r"long\.flac: lasts 3601 s .* at most 3600 s"):
        read_mono(path)


def test_channels_are_averaged_over_all_blocks(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-9_000, 9_000, (150_001, 2), np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 44_100)
    mono, rate_hz = read_mono(tmp_path / "a.wav")
    assert rate_hz == 44_100
    np.testing.assert_allclose(mono, samples.mean(axis=1) / 32_768, atol=1e-6)


@pytest.mark.needs_program("flite")
def test_flite_spells_the_word() -> None:
    assert pronounce("welcome") == ["w", "eh", "l", "k", "ax", "m"]
    assert numbers("w eh l k ax m") == numbers("w eh l k ah m")
    with pytest.raises(InvalidInput, match="qq"):
        numbers("qq")
