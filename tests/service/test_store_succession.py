"""Endless streams across a promotion: they go over without a gap, to what tells the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.captures import Keeper, Sighting
from sweepnet_service.captures.hearing import Watch
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.live.pace import joined
from sweepnet_service.live.replies import News, OpenedDetector
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import Gap, SpotStream, Step, batch_alone
from sweepnet_service.live.succession import Newer, Succession, fits
from sweepnet_service.spotting import heard_alone

from .conftest import tiny_keyword

NAME, RATE_HZ, HOP = "detectors/tiny", 16_000, 480
CHUNK = 10 * HOP
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def versions() -> tuple[KeywordDetector, KeywordDetector]:
    """Two detectors that hear everything otherwise."""
    first = tiny_keyword()
    assert isinstance(first.net, Sequential)
    *others, last, answer = first.net.layers
    assert isinstance(last, Conv1d)
    return first, replace(
        first, net=Sequential((*others, replace(last, weight=-last.weight), answer))
    )


class Live:
    """A stream that hears chunk after chunk, while its name comes to mean another version."""

    def __init__(
        self,
        detector: KeywordDetector,
        after_s: float = 0.0,
        watch: Watch | None = None,
        **given: Any,
    ) -> None:
        self.means: KeywordDetector | None = detector
        succession = Succession(lambda name: self.means, batch_alone, after_s)
        request = SpotRequest(rate_hz=RATE_HZ, channel_count=1, **given)
        self.stream = SpotStream(request, [(NAME, detector)], watch=watch, succession=succession)
        self.windows: list[Any] = []
        self.events: list[Any] = []
        self.went_over: list[OpenedDetector] = []
        self.news: list[News] = []
        """Those that tell of something."""

    def say(self, samples: Any, chunk: int = CHUNK) -> None:
        for at in range(0, len(samples), chunk):
            piece = samples[at : at + chunk, None]
            self._keep(heard_alone(self.stream, Step(partial(self.stream.push, piece), 0)))

    def gap(self, count: int) -> None:
        for step in self.stream.steps(Gap(count)):
            self._keep(heard_alone(self.stream, step))

    def end(self) -> Live:
        self._keep(heard_alone(self.stream, self.stream.last_step))
        return self

    def _keep(self, news: News) -> None:
        self.news += [news] if news.channels else []
        for each in news.channels:
            self.windows += each.update.windows
            self.events += each.update.events
            self.went_over += [each.went_over] if each.went_over else []


def scores(windows: Any) -> dict[int, Any]:
    """By the first sample of the window; those that reach back before the audio are left out."""
    return {row.start: np.array(row.scores) for row in windows if not row.warming}


def whole(detector: KeywordDetector, samples: Any) -> dict[int, Any]:
    """Of a stream that nothing happened to."""
    live = Live(detector)
    live.say(samples)
    return scores(live.end().windows)


@pytest.mark.parametrize("chunk", [CHUNK, 1_280, 77])
def test_a_stream_goes_over_without_a_gap(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any, chunk: int
) -> None:
    """Every window is told once, by the old version and then by the new one, as a stream of its own
    would have told it; no event is told twice.
    """
    samples = np.concatenate([noise[:, 0], noise[:, 1]])
    old, new = (whole(each, samples) for each in versions)
    live = Live(versions[0], thresholds=dict.fromkeys(("one", "two"), 0.97))
    live.say(samples[: 3 * CHUNK + 99], chunk)
    live.means = versions[1]
    live.say(samples[3 * CHUNK + 99 :], chunk)
    told = scores(live.end().windows)

    assert len(told) == sum(not row.warming for row in live.windows)
    assert list(told) == list(old) == list(new)
    by_new = [np.abs(told[at] - new[at]).max() < TOLERANCE for at in told]
    by_old = [np.abs(told[at] - old[at]).max() < TOLERANCE for at in told]
    moved = by_new.index(True)
    assert all(by_old[:moved])
    assert all(by_new[moved:])
    assert 0 < moved < len(told)
    events = [(event.label, event.peak) for event in live.events]
    assert len(set(events)) == len(events)


def test_a_young_stream_keeps_its_version(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """As does one whose version is the live one again, or is no longer there."""
    samples = noise[:, 0]
    old = whole(versions[0], samples)
    for after_s, meant in ((3600.0, versions[1]), (0.0, versions[0]), (0.0, None)):
        live = Live(versions[0], after_s)
        live.say(samples[:CHUNK])
        live.means = versions[1] if after_s == 0 else meant
        live.say(samples[CHUNK : 2 * CHUNK])
        live.means = meant
        live.say(samples[2 * CHUNK :])
        told = scores(live.end().windows)
        assert list(told) == list(old)
        assert all(np.abs(told[at] - old[at]).max() < TOLERANCE for at in told)


def test_a_gap_is_a_moment_to_go_over(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """To what has heard along, be it a little: that it can hear the stream has been seen."""
    samples = noise[:, 0]
    live = Live(versions[0])
    live.say(samples[: CHUNK - HOP])
    live.means = versions[1]
    live.say(samples[CHUNK - HOP : CHUNK])
    live.gap(0)
    live.say(samples[CHUNK:])
    new = whole(versions[1], samples[CHUNK:])
    told = {at - CHUNK: x for at, x in scores(live.end().windows).items() if at >= CHUNK}
    assert list(told) == list(new)
    assert all(np.abs(told[at] - new[at]).max() < TOLERANCE for at in told)


def test_at_a_gap_nothing_untried_takes_over(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """A version whose scores are no numbers ended the stream there."""
    first, other = versions
    samples, live = noise[:, 0], Live(first)
    live.say(samples[:CHUNK])
    live.means = damaged(other)
    live.gap(0)
    live.say(samples[CHUNK:])
    told = scores(live.end().windows)
    old = whole(first, samples[CHUNK:])
    late = {at - CHUNK: x for at, x in told.items() if at >= CHUNK}
    assert list(late) == list(old)
    assert all(np.abs(late[at] - old[at]).max() < TOLERANCE for at in late)
    assert not live.went_over


@pytest.mark.parametrize("density", ["windows", "events"])
def test_a_stream_hears_that_it_went_over(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any, density: Any
) -> None:
    """Once, and with the thresholds that count from then on."""
    first, other = versions
    newer = replace(other, default_thresholds={"one": 0.97, "two": 0.98})
    live = Live(first, density=density, thresholds={"two": 0.99})
    live.means = newer
    live.say(noise[:, 0])
    live.end()
    (told,) = live.went_over
    assert (told.name, told.labels) == (NAME, ("one", "two"))
    assert told.thresholds == {"one": 0.97, "two": 0.99}
    (before,), (after,) = (news.channels for news in live.news[-2:])
    for pair in (
        (replace(before, went_over=told), after),
        (before, replace(after, went_over=told)),
    ):
        assert joined(*pair).went_over == told


def test_what_hears_along_keeps_nothing(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """What is nearly heard meanwhile is kept once, by the version that tells."""
    first, other = versions
    newer = replace(other, default_thresholds={"one": 0.55, "two": 0.55})
    offered: list[tuple[bool, float]] = []

    class Offers:
        margin = 30.0

        def offer(self, sighting: Sighting, content: Any) -> None:
            offered.append((bool(live.went_over), sighting.threshold))

    live = Live(first, watch=Watch(cast("Keeper", Offers())))
    live.say(noise[:CHUNK, 0])
    live.means = newer
    live.say(np.concatenate([noise[CHUNK:, 0], noise[:, 1]]))
    live.end()
    assert live.went_over
    assert {threshold for over, threshold in offered if not over} == {0.6}
    assert {threshold for over, threshold in offered if over} == {0.55}


def test_what_tells_less_takes_nothing_over(
    versions: tuple[KeywordDetector, KeywordDetector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another label, or a rate of false alarms that was never measured."""
    first, other = versions
    renamed = replace(
        other,
        labels=("one", "three"),
        placements=dict.fromkeys(("one", "three"), other.placements["one"]),
        operating_points=dict.fromkeys(("one", "three"), other.operating_points["one"]),
        default_thresholds=dict.fromkeys(("one", "three"), 0.5),
    )
    plain = SpotRequest(rate_hz=RATE_HZ, channel_count=1)
    asked = replace(plain, false_alarms_per_hour=0.2)
    unmeasured = replace(other, operating_points={"one": (), "two": ()})
    assert fits(other, asked, ("one", "two"))
    assert fits(renamed, plain, ("one",))
    for stream, detector in ((plain, renamed), (asked, unmeasured)):
        assert not fits(detector, stream, ("one", "two"))
        newer = Newer(Succession({NAME: detector}.get, batch_alone, 0.0), NAME)
        assert newer.than(first, stream, ("one", "two")) is None
        monkeypatch.setattr(
            "sweepnet_service.live.succession.fits", lambda *_: pytest.fail("asked again")
        )
        assert newer.than(first, stream, ("one", "two")) is None
        monkeypatch.undo()


def test_what_cannot_hear_as_the_stream_asked_takes_nothing_over(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """Here a horizon shorter than its hop: the stream goes on as it was, a gap too."""
    first, other = versions
    coarse = replace(other, features=LogMel(hop_samples=320))
    live = Live(first, aggregate_over_s=first.hop_s)
    live.say(noise[:CHUNK, 0])
    live.means = coarse
    live.say(noise[CHUNK:, 0])
    live.gap(0)
    old = whole(first, noise[:, 0])
    assert list(scores(live.end().windows)) == list(old)


def test_a_version_that_fails_ends_no_stream_that_was_to_go_over(
    versions: tuple[KeywordDetector, KeywordDetector], noise: Any
) -> None:
    """Its scores are no numbers: the stream goes on with the version that it had."""
    first, other = versions
    samples, live = noise[:, 0], Live(first)
    live.say(samples[:CHUNK])
    live.means = damaged(other)
    live.say(samples[CHUNK:])
    old, told = whole(first, samples), scores(live.end().windows)
    assert list(told) == list(old)
    assert all(np.abs(told[at] - old[at]).max() < TOLERANCE for at in told)


def damaged(detector: KeywordDetector) -> KeywordDetector:
    """One whose scores are no numbers."""
    assert isinstance(detector.net, Sequential)
    *others, last, answer = detector.net.layers
    assert isinstance(last, Conv1d)
    broken = replace(last, weight=np.full_like(last.weight, np.nan))
    return replace(detector, net=Sequential((*others, broken, answer)))


def test_streams_go_over_one_after_the_other(
    versions: tuple[KeywordDetector, KeywordDetector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All within the time that was stated, none in its first half."""
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    succession = Succession(lambda name: versions[1], batch_alone, 60.0)
    request = SpotRequest(rate_hz=RATE_HZ, channel_count=1)
    streams = [succession.of(NAME) for _ in range(50)]

    def due() -> int:
        return sum(x.than(versions[0], request, ("one",)) is not None for x in streams)

    assert due() == 0
    now_s = 129.0
    assert due() == 0
    now_s = 145.0
    assert 0 < due() < 50
    now_s = 161.0
    assert due() == 50
