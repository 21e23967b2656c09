"""The HTML report: one file without scripts, honest where little was heard, playable, escaped."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cnn_core.arrays import Array
from sweepnet_service.commands.evaluate import app
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import (
    Figures,
    FoldHeard,
    Heard,
    Measured,
    figures_at,
    measured_in,
)
from sweepnet_service.detectors.keyword.evaluate.measure import Conditions, conditions_with, measure
from sweepnet_service.detectors.keyword.evaluate.page import About, write_report
from sweepnet_service.detectors.keyword.evaluate.page.chart import (
    HEIGHT,
    LEFT,
    STRIP,
    WIDTH,
    Axes,
    binned,
)
from sweepnet_service.detectors.keyword.evaluate.page.sound import LONGEST_S, data_uri
from sweepnet_service.detectors.keyword.evaluate.page.sound import clean as clean_sound
from sweepnet_service.detectors.keyword.evaluate.page.words import lines
from sweepnet_service.detectors.keyword.evaluate.record import to_dict
from sweepnet_service.detectors.keyword.evaluate.run import Asked, report_on_models
from sweepnet_service.detectors.keyword.intake import read_dataset
from sweepnet_service.detectors.keyword.joined import joined
from sweepnet_service.detectors.page.markup import VOID
from sweepnet_service.errors import InvalidInput

LABEL = "welcome"
EVIL = '<script>alert("1")</script> & "quotes"'
SCORES = np.r_[np.zeros(60), 0.9, np.zeros(60)].astype(np.float32)


def quiet(_: object) -> None:
    """Progress that nobody looks at."""


def beep(recording: Recording, condition: str) -> Array:
    """Ten seconds of sound for any recording."""
    return np.asarray(np.sin(np.arange(160_000) * 0.1), np.float32)


def heard(name: str, score: float, seconds: float, **more: str) -> Heard:
    row = Recording(Path(name), 0.0, seconds, "test", name, "librispeech", "", EVIL, source=name)
    return Heard(replace(row, **more), seconds, SCORES * np.float32(score / 0.9))  # type: ignore[arg-type]


def figures(
    detector: KeywordDetector, words: Sequence[float], speech: Sequence[float], hours: float = 1.0
) -> Figures:
    """Of words and recordings of speech with these highest scores."""
    clips = [heard(f"clip {n}", score, 3.0, sex="f") for n, score in enumerate(words)]
    other = [heard(f"other {n}", score, 3600 * hours) for n, score in enumerate(speech)]
    kinds = {"clean": clips, "10 dB": [replace(c, scores=c.scores * 0.5) for c in clips]}
    sweep = [(threshold,) for threshold in (0.8, 0.5, 0.2)]
    return figures_at(LABEL, [FoldHeard(detector, kinds, other)], [0.5], sweep)


def renamed(detector: KeywordDetector, label: str) -> KeywordDetector:
    return replace(
        detector,
        labels=(label,),
        placements={label: detector.placements[LABEL]},
        operating_points={label: detector.operating_points[LABEL]},
        default_thresholds={label: detector.default_thresholds[LABEL]},
    )


def page_of(tmp_path: Path, *each: Figures) -> str:
    path = tmp_path / "page.html"
    write_report(path, each, About(EVIL, {"Model": EVIL}, [EVIL]), beep)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    return path.read_text(encoding="utf-8")


class Balanced(HTMLParser):
    """Keeps open elements, and all addresses that the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def parsed(page: str) -> Balanced:
    found = Balanced()
    found.feed(page)
    assert not found.open
    return found


def test_the_page_needs_nothing_else_and_repeats_no_markup(
    detector: KeywordDetector, tmp_path: Path
) -> None:
    page = page_of(tmp_path, figures(detector, [0.9, 0.3, 0.1], [0.8, 0.1]))
    found = parsed(page)
    assert page.startswith("<!doctype html>")
    assert "script" not in found.names
    assert "alert" in page
    assert found.addresses
    assert all(address.startswith("data:audio/flac;base64,") for address in found.addresses)
    assert not re.search(r"url\(|@import|https?://", page)
    assert {"svg", "table", "audio", "main", "caption"} <= found.names
    assert 'lang="en"' in page


def test_every_drawing_and_player_has_a_name(detector: KeywordDetector, tmp_path: Path) -> None:
    page = page_of(tmp_path, figures(detector, [0.9, 0.1], [0.8]))
    assert page.count("<audio ") == page.count('aria-label="Play') > 1
    drawings = re.findall(r"<svg [^>]*>(<title>)?", page)
    hidden = page.count('class="sample" aria-hidden="true"')
    assert drawings.count("<title>") == len(drawings) - hidden >= 1


@pytest.mark.parametrize(
    ("words", "speech", "hours", "told"),
    [
        ([0.9, 0.1], [], 0, "less than an hour of speech"),
        ([], [0.9], 1, "no recordings of the word"),
        ([0.9], [0.9], 0.5, "less than an hour of speech"),
    ],
)
def test_without_words_or_hours_there_is_no_curve_and_no_rate(
    detector: KeywordDetector,
    tmp_path: Path,
    words: list[float],
    speech: list[float],
    hours: float,
    told: str,
) -> None:
    found = figures(detector, words, speech, hours)
    page = page_of(tmp_path, found)
    parsed(page)
    assert told in page
    assert 'class="det"' not in page
    assert ("too little for a rate" in page) == (0 < hours < 1)
    assert ("no rate" in "".join(lines(found))) == (hours < 1)


def test_several_labels_share_a_page(detector: KeywordDetector, tmp_path: Path) -> None:
    one = figures(detector, [0.9], [0.1])
    page = page_of(tmp_path, one, replace(one, label="other word"))
    parsed(page)
    assert 'id="label-other-word"' in page
    assert page.count("<h2>") == 3


def test_seeds_are_told_with_their_spread(detector: KeywordDetector, tmp_path: Path) -> None:
    runs = [figures(detector, words, [0.1]) for words in ([0.9, 0.9], [0.9, 0.1], [0.1, 0.1])]
    path = tmp_path / "page.html"
    write_report(path, runs[:1], About("a"), beep, {LABEL: runs[1:]})
    page = path.read_text(encoding="utf-8")
    row = re.search(r"missed, clean</th>(.*?)</tr>", page.split("Several seeds")[1])
    assert row is not None
    assert re.findall(r">([^<]+)</td>", row[1]) == ["50 %", "50 %", "0 % to 100 %"]


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1), st.floats(0, 1))
def test_axes_keep_order_and_stay_on_the_drawing(
    rate: float, other: float, miss: float, share: float
) -> None:
    axes = Axes()
    assert LEFT <= axes.x(rate) <= WIDTH
    assert 0 <= axes.y(miss) <= HEIGHT
    assert (axes.x(rate) <= axes.x(other)) or rate > other
    assert (axes.y(miss) >= axes.y(share)) or miss > share


def test_none_lies_in_the_strips() -> None:
    axes = Axes()
    assert LEFT < axes.x(0) < LEFT + STRIP <= axes.x(axes.rates[0])
    assert axes.y(0) > axes.y(axes.misses[0])
    assert axes.x(1) - axes.x(0.1) == pytest.approx(axes.x(10) - axes.x(1))


@given(st.lists(st.floats(-1, 3), min_size=1, max_size=50))
def test_bins_hold_every_value_once(values: list[float]) -> None:
    edges, counts = binned(values, 0.1)
    assert sum(counts) == len(values)
    assert len(edges) == len(counts) + 1
    assert edges[0] <= min(values) + 1e-9
    assert max(values) <= edges[-1] + 0.1


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 9.5), st.floats(0, 20))
def test_what_is_played_is_short_and_lossless(start_s: float, length_s: float) -> None:
    row = heard("a", 0.9, 60).recording
    uri = data_uri(beep, row, "clean", start_s, start_s + length_s)
    assert uri is not None
    samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert 0 < len(samples) <= LONGEST_S * rate_hz
    if start_s < 1.5:
        np.testing.assert_allclose(samples, beep(row, "")[: len(samples)], atol=1 / 32_768)


def test_nothing_is_played_of_a_place_outside() -> None:
    assert data_uri(beep, heard("a", 0.9, 60).recording, "clean", 30, 31) is None


def test_a_recording_that_is_gone_is_told(detector: KeywordDetector, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_report(path, [figures(detector, [0.1], [0.9])], About("a"))
    assert path.read_text(encoding="utf-8").count("cannot be read any more") == 2


@pytest.fixture
def own(tmp_path: Path, murmur: Array) -> Path:
    """A folder of one's own: two recordings of the word, one of something else."""
    for place, name in enumerate(("positive/a.wav", "positive/b.flac", "negative/c.wav")):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, murmur[place * 4_000 :], 16_000)
    return tmp_path / "own"


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


def test_one_voice_has_no_interval(detector: KeywordDetector) -> None:
    found = figures(detector, [0.9, 0.1], [0.1])
    assert "too few voices for an interval" in lines(found)[1]


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
    parsed(page.read_text(encoding="utf-8"))


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
