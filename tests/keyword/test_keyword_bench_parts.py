"""The parts of `sweepnet bench`: adapters of engines, rows and their file, names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.bench import (
    Detection,
    Figures,
    OwnDetector,
    Row,
    crossings,
    down_to_silence,
    frames,
    load_engine,
    pcm16,
    read_rows,
    write_rows,
)
from sweepnet_service.detectors.keyword.bench.hearing import heard, name_of, slug
from sweepnet_service.detectors.keyword.bench.picture import root, square, telling_rates
from sweepnet_service.detectors.keyword.bench.table import alarms_cell
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording
from sweepnet_service.detectors.keyword.evaluate import events, hear_samples
from sweepnet_service.errors import InvalidInput, NotFound


@settings(deadline=None)
@given(
    clips=st.dictionaries(st.text(min_size=1), st.integers(0, 1), min_size=1),
    alarms=st.integers(0, 1000),
    hours=st.floats(0.01, 1000),
)
def test_rows_survive_their_file(
    clips: dict[str, int], alarms: int, hours: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Written and read they are equal; the share missed is that of the clips."""
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    row = Row("Loud", 0.5, {"bang": Figures({"clean": clips}, alarms, hours)})
    write_rows(path, [row])

    assert read_rows(path) == [row]
    assert row.pooled_miss_rate(["bang"], "clean") == sum(clips.values()) / len(clips)
    rate = row.words["bang"].rate()
    assert rate.low <= rate.value <= rate.high


@given(st.lists(st.integers(0, 10), unique=True), st.integers(0, 11))
def test_an_engine_is_asked_down_to_silence(settings_: list[int], least: int) -> None:
    """The answers are those of asking at every setting; below the first silence none is asked."""
    asked: list[float] = []

    def hear(setting: float) -> list[Detection]:
        asked.append(setting)
        return [Detection("word", setting)] * (setting >= least)

    told = down_to_silence(hear, settings_)

    assert told == [hear(setting) for setting in settings_]
    first = asked[: len(asked) - len(settings_)]
    assert first == sorted(settings_, reverse=True)[: len(first)]
    assert sum(setting < least for setting in first) <= 1


def test_our_detector_hears_what_is_deployed(detector: KeywordDetector, murmur: Array) -> None:
    """As an engine it tells the events of a stream, at every threshold."""
    (word,) = detector.labels
    recording = Recording(Path("x.wav"), 0.0, None, "test", "", "folder", "", "")
    (scored,) = hear_samples(detector, [(recording, murmur)], word)
    thresholds = (0.3, 0.5, 0.7)
    told = OwnDetector("ours", detector, (word,)).hear(murmur, thresholds)

    for threshold, found in zip(thresholds, told, strict=True):
        expected = [event.peak / RATE_HZ for event in events(detector, word, scored, threshold)]
        assert [each.at_s for each in found] == expected
    assert any(told)


def test_a_model_file_is_swept_over_its_own_thresholds(detector: KeywordDetector) -> None:
    """Beside the grid, so that its default is in the table."""
    own = OwnDetector("ours", detector, detector.labels)

    assert set(detector.default_thresholds.values()) <= set(own.settings)
    assert list(own.settings) == sorted(own.settings)


def test_recordings_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By their source and their place in the file."""
    rows = [
        Recording(tmp_path / "1.wav", start_s, 9.0, "test", "", "", "", "", source=source)
        for source in ("anna", "bob")
        for start_s in (0.0, 3.5)
    ]

    assert len({name_of(row) for row in rows}) == len(rows)
    assert slug("-10 dB speech") != slug("10 dB speech")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.01, 1), st.integers(1, 10))
def test_crossings_reach_the_threshold_and_keep_apart(
    scores: list[float], threshold: float, refractory: int
) -> None:
    """Each place that reaches it lies within the refractory time of one that is told."""
    places = crossings(scores, threshold, refractory)

    assert all(scores[place] >= threshold for place in places)
    assert all(b - a >= refractory for a, b in pairwise(places))
    for place, score in enumerate(scores):
        if score >= threshold:
            assert any(0 <= place - told < refractory for told in places)


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), max_size=50), st.integers(1, 20))
def test_frames_hold_every_sample(values: list[float], size: int) -> None:
    """In order, whole, the last one filled with zeros; as 16-bit numbers within their range."""
    pcm = pcm16(np.array(values, np.float32))
    cut = list(frames(pcm, size))

    joined = np.concatenate([*cut, np.empty(0, np.int16)])
    assert all(len(frame) == size for frame in cut)
    assert joined[: len(pcm)].tolist() == pcm.tolist()
    assert not joined[len(pcm) :].any()
    assert pcm.dtype == np.int16


def test_an_unknown_module_is_not_found() -> None:
    """The error says what to do."""
    with pytest.raises(NotFound, match="is it installed"):
        load_engine("sweepnet_service.no_such_part:Engine", ["bang"])


def test_no_rate_is_told_of_less_than_an_hour() -> None:
    """3 in 50 s stood there as 216 an hour (44-631), and the picture went on to draw that."""
    short, long = (Figures({"clean": {"a": 0}}, 3, hours) for hours in (50 / 3600, 1.0))
    assert alarms_cell(short) == "3 in 0.8 min"
    assert alarms_cell(replace(long, false_alarms=0)) == "0 (0-3.7)"
    rows = [Row("short", 0.5, {"a": short, "b": long}), Row("shorter", 0.5, {"a": short})]
    assert telling_rates(rows) == [Row("short", 0.5, {"b": long})]


@given(st.lists(st.floats(-100, 100), min_size=1))
def test_the_axis_of_misses_is_read_back(values: list[float]) -> None:
    """Order stays, 0 too, and below it there is room."""
    shown = root(np.sort(values))
    assert np.all(np.diff(shown) >= 0)
    assert square(shown) == pytest.approx(np.sort(values), abs=1e-9)
    assert root(np.zeros(1)) == 0


def test_an_adapter_that_fails_is_named() -> None:
    """It ended in pages of traceback that named no engine."""

    class Licensed:
        name, words, rate_hz, settings = "Licensed 1.0", ("word",), RATE_HZ, (0.5,)

        def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
            raise RuntimeError("no licence")

    with pytest.raises(InvalidInput, match=r"Licensed 1\.0.*hear failed.*no licence"):
        heard(Licensed(), np.zeros(RATE_HZ, np.float32), [0.5])
