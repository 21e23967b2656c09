"""Verdicts: what cannot be learnt from is left out with a reason; what spoils a set refuses it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.dataset import NEGATIVE, POSITIVE, Recording
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.detectors.keyword.measures import Measure, measure, measured, voicing
from sweepnet_service.detectors.keyword.verdicts import (
    LEAST_VOICED,
    judged,
    summary,
    usable,
    verdicts,
)
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import ignored

GOOD = Measure(1.0, -20.0, 30.0, 0.0, "a", voiced=0.9)


def row(name: str = "a", split: str = "train", label: str = POSITIVE) -> Recording:
    return Recording(Path(f"{name}.wav"), 0.0, None, split, "", "folder", "", "", label=label)


def rain(count: int) -> Array:
    return np.asarray(0.1 * np.random.default_rng(0).standard_normal(count))


@pytest.fixture
def folder(tmp_path: Path, murmur: Array) -> Path:
    """Three recordings of a word and three others, no two alike."""
    for number in range(6):
        path = tmp_path / ("negative" if number % 2 else "positive") / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, murmur[4_000 * number : 4_000 * number + 16_000], 16_000)
    return tmp_path


def told(folder: Path) -> dict[str, str]:
    found = verdicts(read_dataset(folder), folder / "work")
    return {str(v.recording.path.relative_to(folder)): v.reason for v in found if not v.ok}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("positive/0.wav", lambda x: x[:2_000], "too short: 0.12 s"),
        ("positive/0.wav", lambda x: 1e-4 * x, "too quiet"),
        ("positive/0.wav", lambda x: 1e-4 * x + 0.3, "too quiet"),
        ("positive/0.wav", lambda x: np.clip(20 * x, -1, 1), "clipped"),
        ("positive/0.wav", lambda x: 0.2 * np.sin(np.arange(16_000)), "no speech"),
        ("positive/0.wav", lambda x: rain(len(x)) * np.hanning(len(x)), "no speech: nothing"),
        ("positive/0.wav", lambda x: 0.5 * (np.arange(len(x)) % 4_000 == 9), "no speech: nothing"),
        ("positive/0.wav", lambda x: np.tile(x, 40), "too long: 40 s"),
        ("negative/1.wav", lambda x: x[:2_000], "too short"),
    ],
)
def test_each_reason_is_told_and_the_rest_stays(
    folder: Path, name: str, change: object, reason: str, murmur: Array
) -> None:
    samples, _ = soundfile.read(folder / name)
    soundfile.write(folder / name, change(samples), 16_000)  # type: ignore[operator]
    assert {key: value[: len(reason)] for key, value in told(folder).items()} == {name: reason}
    data = read_dataset(folder)
    found = verdicts(data, folder / "work")
    assert len(usable(data, found).recordings) == 5
    assert "6 recordings, 1 left out (1 " in summary(found)
    with (folder / "work" / "verdicts.csv").open(newline="") as file:
        rows = {line["file"]: line for line in csv.DictReader(file)}
    assert rows[str(folder / name)]["verdict"] == "left out"
    assert rows[str(folder / name)]["reason"].startswith(reason)


@pytest.mark.parametrize("change", [lambda x: 0 * x, lambda x: 30 * x, lambda x: 0.01 + 0 * x])
def test_negatives_may_be_silence_or_noise(folder: Path, change: object) -> None:
    for number in (1, 3):
        samples, _ = soundfile.read(folder / f"negative/{number}.wav")
        soundfile.write(folder / f"negative/{number}.wav", change(samples), 16_000)  # type: ignore[operator]
    assert told(folder) == {}


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (lambda x: x[:2_000], "too short"),
        (lambda x: np.full(16_000, np.nan), "unreadable: holds a sample that is no"),
    ],
)
def test_noise_has_its_verdict_too(folder: Path, murmur: Array, sound: object, reason: str) -> None:
    """A NaN in it was found by nobody, until the aggregate named no file."""
    (folder / "noise").mkdir()
    soundfile.write(folder / "noise" / "hum.wav", 0 * murmur + 0.01, 16_000)
    bad = sound(murmur)  # type: ignore[operator]
    soundfile.write(folder / "noise" / "n.wav", bad, 16_000, subtype="FLOAT")
    data = read_dataset(folder)
    found = verdicts(data, folder / "work")
    assert told(folder).keys() == {"noise/n.wav"}
    assert told(folder)["noise/n.wav"].startswith(reason)
    if any(verdict.refused for verdict in found):
        with pytest.raises(InvalidInput, match=r"cannot be used; .*n\.wav: unreadable"):
            usable(data, found)
    else:
        kept = usable(data, found)
        assert [row.path.name for row in kept.noise] == ["hum.wav"]
        assert kept.recordings == data.recordings


def test_noise_that_is_the_word_refuses_the_data_set(folder: Path) -> None:
    (folder / "noise").mkdir()
    (folder / "noise" / "n.wav").write_bytes((folder / "positive" / "0.wav").read_bytes())
    data = read_dataset(folder)
    with pytest.raises(InvalidInput, match="there with another label"):
        usable(data, verdicts(data, folder / "work"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "is not audio"),
        (b"what is this?", "is not audio"),
    ],
)
def test_files_that_cannot_be_read_refuse_the_data_set(
    folder: Path, content: bytes, words: str
) -> None:
    (folder / "positive" / "0.wav").write_bytes(content)
    data = read_dataset(folder)
    found = verdicts(data, folder / "work")
    with pytest.raises(InvalidInput, match=rf"cannot be used; .*0\.wav: unreadable: {words}"):
        usable(data, found)


def test_each_file_that_refuses_is_told_with_its_reason(folder: Path) -> None:
    """They once stood behind commas, as the parts of a reason do."""
    for name in ("positive/0.wav", "positive/2.wav"):
        (folder / name).write_bytes(b"")
    data = read_dataset(folder)
    with pytest.raises(InvalidInput, match=r"/0\.wav: unreadable: .*; /.*/2\.wav: unreadable: "):
        usable(data, verdicts(data, folder / "work"))


def test_samples_that_are_no_numbers_refuse_the_data_set(folder: Path) -> None:
    samples = np.full(16_000, np.nan, np.float32)
    soundfile.write(folder / "negative" / "1.wav", samples, 16_000, subtype="FLOAT")
    assert "no number" in told(folder)["negative/1.wav"]


def test_one_recording_in_two_splits_refuses_the_data_set_under_any_name(
    tmp_path: Path, murmur: Array
) -> None:
    """The copy is a FLAC file of another name: what counts is what is heard."""
    for name in ("train/positive/a.wav", "train/negative/n.wav", "test/positive/other.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        part = murmur[16_000:32_000] if "negative" in name else murmur[:16_000]
        soundfile.write(tmp_path / name, (part * 30_000).astype(np.int16), 16_000)
    data = read_dataset(tmp_path)
    with pytest.raises(InvalidInput, match=r"in two splits: .*(a\.wav|other\.flac)"):
        usable(data, verdicts(data, tmp_path / "work"))


def test_a_copy_is_left_out_where_splits_are_drawn(folder: Path) -> None:
    (folder / "positive" / "copy.wav").write_bytes((folder / "positive" / "0.wav").read_bytes())
    assert list(told(folder)) == ["positive/copy.wav"]
    assert "there twice" in told(folder)["positive/copy.wav"]


def test_one_recording_as_word_and_as_none_refuses_the_data_set(folder: Path) -> None:
    (folder / "negative" / "copy.wav").write_bytes((folder / "positive" / "0.wav").read_bytes())
    data = read_dataset(folder)
    with pytest.raises(InvalidInput, match="there with another label"):
        usable(data, verdicts(data, folder / "work"))


def test_what_is_known_is_not_measured_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_dataset(folder).recordings
    first = measured(rows, folder / "measured.csv", ignored)
    opened: list[Path] = []

    def counted(parts: list[Recording]) -> list[Measure]:
        opened.append(parts[0].path)
        return [GOOD] * len(parts)

    monkeypatch.setattr("sweepnet_service.detectors.keyword.measures.measured_file", counted)
    again = measured(rows, folder / "measured.csv", ignored)
    assert again == first
    assert opened == []
    soundfile.write(folder / "positive" / "0.wav", np.zeros(20_000), 16_000)
    measured(rows, folder / "measured.csv", ignored)
    assert opened == [folder / "positive" / "0.wav"]
    (folder / "measured.csv").write_text("file,what\nx,y\n")
    assert len(measured(rows, folder / "measured.csv", ignored)) == len(rows)


def test_a_file_of_many_hours_is_not_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sweepnet_service.detectors.keyword.measures.seconds_of", lambda path: 36_000.0
    )
    assert "lasts 10.0 h; cut it" in told(folder)["positive/0.wav"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["train", "test"]))))
def test_every_recording_has_a_verdict_and_no_content_stays_on_two_sides(
    drawn: list[tuple[str, str]],
) -> None:
    rows = [row(str(number), split) for number, (_, split) in enumerate(drawn)]
    measures = [replace(GOOD, content=content) for content, _ in drawn]
    for own in (True, False):
        found = judged(rows, measures, own)
        assert [verdict.recording for verdict in found] == rows
        kept = [content for (content, _), verdict in zip(drawn, found, strict=True) if verdict.ok]
        assert sorted(kept) == sorted(set(kept))
        refused = {c for (c, _), verdict in zip(drawn, found, strict=True) if verdict.refused}
        twice = {c for c, split in drawn if any(c == d and split != s for d, s in drawn)}
        assert refused == (twice if own else set())


def test_a_word_without_a_place_is_not_too_long_where_it_is_no_word() -> None:
    rows = [row("a", label=NEGATIVE), row("b", label=""), row("c")]
    long = [replace(GOOD, seconds=600.0, content=name) for name in "abc"]
    assert [verdict.ok for verdict in judged(rows, long, True)] == [True, True, False]


@pytest.mark.parametrize("pitch_hz", [75, 120, 390])
def test_a_voice_is_known_by_its_pitch_in_noise_and_by_telephone(pitch_hz: float) -> None:
    """Whose fundamental a telephone does not pass; at 0 dB; noise alone is none, nor is silence."""
    time_s = np.arange(8_000) / 16_000
    partials = [np.sin(2 * np.pi * k * pitch_hz * time_s) for k in range(1, 40)]
    voice = np.sum([p for k, p in enumerate(partials, 1) if 300 < k * pitch_hz < 3_400], axis=0)
    voice /= np.std(voice)
    assert voicing(voice) > 0.95
    assert voicing(voice + 10 * rain(8_000)) > LEAST_VOICED
    assert voicing(rain(16_000)) < 0.3
    assert voicing(np.zeros(16_000)) == voicing(np.empty(0)) == 0


def test_level_has_no_offset_in_it(murmur: Array) -> None:
    assert measure(murmur + 0.25).level_db == pytest.approx(measure(murmur).level_db, abs=0.1)
