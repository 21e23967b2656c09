"""Pooled folds: thresholds without the fold's own speech, counts by the deployed decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import (
    Alarms,
    FoldHeard,
    Heard,
    alarms,
    events,
    figures_at,
    found,
    hear_samples,
    pooled,
    threshold_at,
    word_score,
)
from sweepnet_service.detectors.keyword.evaluate.curve import lowest_threshold
from sweepnet_service.detectors.keyword.evaluate.delay import CHUNK_S, delay_s
from sweepnet_service.detectors.keyword.evaluate.pooled import thresholds_of
from sweepnet_service.errors import InvalidInput

HOUR = 3600.0
LABEL = "welcome"
WINDOWS = 120
SCORES = st.lists(st.integers(1, 99).map(lambda n: n / 100), min_size=1, max_size=8)


def row(name: str, speaker: str = "", corpus: str = "librispeech", **more: object) -> Recording:
    made = Recording(Path(name), 0.0, None, "test", speaker or name, corpus, "", "", source=name)
    return replace(made, **more)  # type: ignore[arg-type]


def spikes(scores: Sequence[float], name: str, hours: float = 1.0, **more: object) -> Heard:
    """A recording whose scores rise to these values, far enough apart for an event each."""
    values = np.full(WINDOWS * max(1, len(scores)), 0.001, np.float32)
    values[WINDOWS // 2 :: WINDOWS][: len(scores)] = scores
    return Heard(row(name, **more), hours * HOUR, values)  # type: ignore[arg-type]


def clip(score: float, name: str, speaker: str = "") -> Heard:
    return replace(spikes([score], name, speaker=speaker), seconds=3.0)


def fold(detector: KeywordDetector, speech: Sequence[float], words: Sequence[float]) -> FoldHeard:
    clips = [clip(score, f"clip {place}") for place, score in enumerate(words)]
    return FoldHeard(detector, {"clean": clips}, [spikes(speech, f"speech {speech}", hours=2.0)])


def test_a_case_by_hand(detector: KeywordDetector) -> None:
    """Each fold has 2 h of speech, so the others have 4 h and 0.5 an hour is their 2nd alarm."""
    folds = [
        fold(detector, [0.9, 0.5, 0.4], [0.95, 0.55]),
        fold(detector, [0.8, 0.6, 0.3], [0.95, 0.75]),
        fold(detector, [0.7, 0.2, 0.1], [0.75, 0.20]),
    ]
    found = pooled(LABEL, folds, 0.5)
    assert found.thresholds == pytest.approx((0.7, 0.7, 0.8))
    assert found.speech.hours == pytest.approx(6)
    assert found.speech.alarms == 2
    (clean,) = found.conditions
    assert clean.misses == pytest.approx({"clip 0": 1 / 3, "clip 1": 2 / 3})
    assert clean.of_each == pytest.approx((0.5, 0, 1))
    assert clean.miss_rate.value == pytest.approx(0.5)
    assert [alarm.score for alarm in found.alarms] == pytest.approx([0.9, 0.8])


@given(SCORES, SCORES, SCORES, SCORES)
@settings(deadline=None, max_examples=20)
def test_a_folds_own_speech_has_no_say_in_its_threshold(
    detector: KeywordDetector,
    first: list[float],
    changed: list[float],
    second: list[float],
    third: list[float],
) -> None:
    def chosen(own: list[float]) -> tuple[float, ...]:
        speech = (fold(detector, scores, []).speech for scores in (own, second, third))
        return thresholds_of([Alarms(detector, LABEL, each) for each in speech], 0.5)

    assert chosen(first)[0] == chosen(changed)[0]


@given(SCORES, SCORES, st.lists(st.floats(0.3, 15), min_size=2, max_size=6))
@settings(deadline=None, max_examples=30)
def test_a_higher_rate_never_raises_the_threshold(
    detector: KeywordDetector, first: list[float], second: list[float], rates: list[float]
) -> None:
    parts = [Alarms(detector, LABEL, fold(detector, each, []).speech) for each in (first, second)]
    chosen = [threshold_at(parts, rate) for rate in sorted(rates)]
    assert chosen == sorted(chosen, reverse=True)


@given(st.sets(st.integers(2, 98), min_size=6, max_size=9), st.floats(0.4, 2.4))
@settings(deadline=None, max_examples=30)
def test_the_threshold_tells_about_the_rate_on_its_own_speech(
    detector: KeywordDetector, hundredths: set[int], rate: float
) -> None:
    part = Alarms(detector, LABEL, fold(detector, [h / 100 for h in hundredths], []).speech)
    told = part.count(threshold_at([part], max(rate, 0.5)))
    assert abs(told - max(rate, 0.5) * part.hours) <= 1 + 1e-6


@given(SCORES, st.floats(0, 4))
@settings(deadline=None, max_examples=30)
def test_the_lowest_threshold_allows_no_alarm_more(
    detector: KeywordDetector, scores: list[float], rate: float
) -> None:
    part = Alarms(detector, LABEL, fold(detector, scores, []).speech)
    lowest = lowest_threshold(part, rate)
    assert part.count(lowest) <= rate * part.hours
    below = [score for score in part.candidates if score < lowest]
    assert not below or part.count(below[0]) > rate * part.hours


@given(SCORES, st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=30)
def test_counts_are_those_of_the_deployed_decision(
    detector: KeywordDetector, scores: list[float], threshold: float
) -> None:
    speech = [spikes(scores, "a"), spikes(scores[::-1], "b")]
    told = sum(len(events(detector, LABEL, each, threshold)) for each in speech)
    assert Alarms(detector, LABEL, speech).count(threshold) == told
    assert alarms(detector, LABEL, speech, threshold) == told


@given(SCORES, st.floats(0, 20), st.floats(0.1, 1), st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=40)
def test_a_word_is_found_where_an_event_lies_on_it(
    detector: KeywordDetector, scores: list[float], start_s: float, length_s: float, cut: float
) -> None:
    heard = spikes(scores, "a", hours=30 / HOUR)
    word = (start_s, start_s + length_s)
    heard = replace(heard, recording=replace(heard.recording, word_s=word))
    told = events(detector, LABEL, heard, cut)
    gaps = [
        max(event.start / 16_000 - word[1], word[0] - event.end / 16_000) - 0.3 for event in told
    ]
    assume(all(abs(gap) > 1e-3 for gap in gaps))
    assert found(detector, LABEL, heard, cut) == any(gap < 0 for gap in gaps)


def test_less_than_one_alarm_cannot_be_asked_for(detector: KeywordDetector) -> None:
    folds = [fold(detector, [0.5], [0.5]) for _ in range(2)]
    with pytest.raises(InvalidInput, match=r"0\.2 false alarms an hour; 2\.00 h"):
        pooled(LABEL, folds, 0.2)
    with pytest.raises(InvalidInput, match="two or more"):
        pooled(LABEL, folds[:1], 1)


def test_the_curve_falls_and_passes_through_known_points(detector: KeywordDetector) -> None:
    rng = np.random.default_rng(1)
    folds = [fold(detector, rng.random(60).tolist(), rng.random(20).tolist()) for _ in range(3)]
    curve = pooled(LABEL, folds, 1.0).curve
    misses = [point.miss_rate["clean"] for point in curve]
    rates = [point.false_alarms_per_hour for point in curve]
    assert misses == sorted(misses, reverse=True)
    assert rates == sorted(rates)
    assert rates[0] < 1 < rates[-1]


def test_kinds_have_hours_and_a_rate_only_from_one_hour(detector: KeywordDetector) -> None:
    speech = [
        spikes([0.9, 0.8], "a", hours=2.0, corpus="librispeech"),
        spikes([0.9], "b", hours=0.5, corpus="ami"),
    ]
    noise = [spikes([], "c", hours=3.0, corpus="rain"), spikes([], "d", corpus="music_loop")]
    words = [clip(0.9, "w")]
    found = figures_at(LABEL, [FoldHeard(detector, {"clean": words}, speech, noise)], [0.5])
    kinds = {kind.name: kind for kind in found.kinds}
    assert [(kind.name, kind.hours, kind.alarms) for kind in found.kinds] == [
        ("read speech", 2, 2),
        ("conversation and orders", 0.5, 1),
        ("music", 1, 0),
        ("noise", 3, 0),
    ]
    assert kinds["conversation and orders"].rate is None
    read, quiet = kinds["read speech"].rate, kinds["noise"].rate
    assert read is not None
    assert quiet is not None
    assert read.value == 1
    assert quiet.high == pytest.approx(3.689 / 3, abs=1e-3)
    assert (found.speech.alarms, found.speech.hours) == (3, 2.5)


def test_shares_tell_who_is_missed(detector: KeywordDetector) -> None:
    told = [("f", "9"), ("f", "30"), ("m", "30"), ("", "")]
    clips = [
        replace(spikes([score], f"{place}", sex=sex, age=age), seconds=3.0)
        for place, ((sex, age), score) in enumerate(zip(told, (0.1, 0.9, 0.9, 0.9), strict=True))
    ]
    found = figures_at(LABEL, [FoldHeard(detector, {"clean": clips}, [])], [0.5])
    misses = {(s.attribute, s.value): s.miss_rate["clean"].value for s in found.shares}
    assert misses["sex", "female"] == 0.5
    assert misses["sex", "male"] == misses["sex", "not told"] == 0
    assert misses["age", "0 to 11"] == 1
    assert not any(attribute == "accent" for attribute, _ in misses)


def test_a_condition_with_other_clips_tells_nothing_of_the_first(detector: KeywordDetector) -> None:
    words = {"clean": [clip(0.9, "a", "f")], "elsewhere": [clip(0.1, "b")]}
    women = [replace(each, recording=replace(each.recording, sex="f")) for each in words["clean"]]
    found = figures_at(LABEL, [FoldHeard(detector, words | {"clean": women}, [])], [0.5])
    shares = {share.value: share.miss_rate for share in found.shares if share.attribute == "sex"}
    assert shares["female"].keys() == {"clean"}
    assert shares["not told"].keys() == {"elsewhere"}
    assert [each.miss_rate.value for each in found.conditions] == [0, 1]


def test_delay_is_that_of_a_live_stream(detector: KeywordDetector, murmur: np.ndarray) -> None:
    """In chunks of 30 ms, silence after the recording's end, told when it was read so far."""
    said = replace(row("live"), word_s=(1.0, 1.6))
    (heard,) = hear_samples(detector, [(said, murmur)], LABEL)
    threshold = float(np.quantile(heard.scores, 0.9))
    detector = replace(detector, default_thresholds={LABEL: threshold})
    wanted = events(detector, LABEL, heard, threshold)
    live, chunk = SpotSession(detector, 16_000), round(CHUNK_S * 16_000)
    sound = np.concatenate([murmur, np.zeros(64_000, np.float32)])
    told = {}
    for at in range(0, len(sound), chunk):
        update = live.push(sound[at : at + chunk])
        told.update({event.peak: update.read_until / 16_000 for event in update.events})
    for event in wanted:
        word = (event.start / 16_000, event.end / 16_000)
        there = replace(heard, recording=replace(said, word_s=word))
        first = next(e for e in wanted if e.end / 16_000 > word[0] - 0.3)
        delay = delay_s(detector, LABEL, there, threshold)
        assert delay == pytest.approx(told[first.peak] - word[1], abs=1e-9)
    assert wanted


def test_the_score_of_a_word_is_that_of_windows_on_it(detector: KeywordDetector) -> None:
    heard = replace(spikes([0.3, 0.9], "a"), seconds=8.0)
    for event in events(detector, LABEL, heard, 0.2):
        word = (event.start / 16_000, event.end / 16_000)
        placed = replace(heard, recording=replace(heard.recording, word_s=word))
        assert word_score(detector, LABEL, placed) == pytest.approx(event.score)
    assert word_score(detector, LABEL, heard) == pytest.approx(0.9)
