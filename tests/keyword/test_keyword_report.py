"""The HTML report: one file without scripts, honest where little was heard, playable, escaped."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import (
    Estimate,
    Figures,
    FoldHeard,
    Heard,
    figures_at,
)
from sweepnet_service.detectors.keyword.evaluate.page import About, write_report
from sweepnet_service.detectors.keyword.evaluate.page.chart import (
    HEIGHT,
    LEFT,
    STRIP,
    WIDTH,
    Axes,
    Line,
    Mark,
    binned,
    det,
    histogram,
)
from sweepnet_service.detectors.keyword.evaluate.page.sound import LONGEST_S, data_uri
from sweepnet_service.detectors.keyword.evaluate.page.words import lines
from sweepnet_service.detectors.keyword.evaluate.run import Asked, about_model
from tests.keyword.pages import parsed

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


def page_of(tmp_path: Path, *each: Figures) -> str:
    path = tmp_path / "page.html"
    write_report(path, each, About(EVIL, {"Model": EVIL}, [EVIL], [EVIL]), beep)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    return path.read_text(encoding="utf-8")


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


def test_what_a_card_says_of_other_recordings_is_not_how_these_were_measured(
    detector: KeywordDetector, tmp_path: Path
) -> None:
    """A card's "few recordings were there to test on" stood among the remarks on a user's own."""
    path = tmp_path / "page.html"
    model = tmp_path / "model.safetensors"
    replace(detector, card={"cautions": ["few were there"]}).save(model)
    about = about_model(model, KeywordDetector.load(model), Asked(tmp_path), "all")

    write_report(path, [figures(detector, [0.9], [0.1])], about, beep)

    measured, of_card = path.read_text(encoding="utf-8").split("What the model’s card says")
    assert "few were there" in of_card
    assert "few were there" not in measured


def test_one_voice_has_no_interval(detector: KeywordDetector) -> None:
    found = figures(detector, [0.9, 0.1], [0.1])
    assert "too few voices for an interval" in lines(found)[1]


def test_a_histogram_tells_counts_and_all_of_its_edges() -> None:
    """The first and the last edge were cut off, and bars of unknown height stood for words."""
    drawn = histogram("delays", [0.56, 0.71, 0.72, 0.93])
    texts = re.findall(r'<text [^>]*x="([\d.]+)"[^>]*>([^<]*)<', drawn)
    assert [words for _, words in texts if words.isdigit()] == ["1", "2", "1"]
    edges = {words: float(x) for x, words in texts if "." in words}
    assert (min(edges), max(edges)) == ("0.55", "0.95")
    assert min(edges.values()) >= 24
    assert max(edges.values()) <= WIDTH - 24
    assert drawn.count('class="bar"') == 3


def test_marks_at_one_place_are_all_seen() -> None:
    """Where noise costs nothing its mark covered that of clean recordings."""
    same = [Mark(place, Estimate(1, 0.5, 2), Estimate(0.2, 0.1, 0.5)) for place in range(3)]
    drawn = det("both", [Line(name, [(1, 0.2)]) for name in "abc"], same)
    radii = [float(radius) for radius in re.findall(r'r="([\d.]+)"', drawn)]
    assert radii == sorted(radii, reverse=True)
    assert len(set(radii)) == 3
    upright = {
        x
        for group in drawn.split('class="mark')[1:]
        for x, to_x in re.findall(r'x1="([\d.]+)"[^>]* x2="([\d.]+)"', group)
        if x == to_x
    }
    assert len(upright) == 3
