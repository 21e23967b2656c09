"""Many live streams in one step: each is told what it is told alone, whatever the others do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword import (
    KeywordDetector,
    SpotBatch,
    SpotSession,
    SpotUpdate,
)
from sweepnet_service.errors import InvalidInput, Unavailable
from sweepnet_service.live.batcher import Batcher, Work, score
from sweepnet_service.live.load import Load
from sweepnet_service.live.pace import Pace
from sweepnet_service.live.replies import News
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import Chunk, Gap, Message, SpotStream, Step
from sweepnet_service.spotting import heard_alone, live_frames

BITS = 1e-6

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def tiny(tiny_models: Any) -> KeywordDetector:
    return KeywordDetector.load(tiny_models / "tiny.safetensors")


def request(**more: Any) -> SpotRequest:
    return SpotRequest(**{"encoding": "FLOAT32", "rate_hz": RATE_HZ, "channel_count": 1, **more})


def stream_of(tiny: KeywordDetector, batch: SpotBatch | None = None, **more: Any) -> SpotStream:
    own = batch or SpotBatch(tiny)
    return SpotStream(request(**more), [("detectors/tiny", tiny)], lambda detector: own)


def alone(stream: SpotStream, messages: Sequence[Message]) -> list[News]:
    """All that one stream is told when it is the only one."""
    told = [heard_alone(stream, step) for message in messages for step in stream.steps(message)]
    return [*told, heard_alone(stream, stream.last_step)]


def work_of(stream: SpotStream, step: Step) -> Work:
    return Work(stream, step, None, 0.0)  # type: ignore[arg-type]  # nobody waits for it


def together(streams: Sequence[SpotStream], messages: Sequence[Sequence[Message]]) -> list[Any]:
    """News or the error of each stream; all that is due at one place is scored in one step."""
    steps = [
        [*(step for message in own for step in stream.steps(message)), stream.last_step]
        for stream, own in zip(streams, messages, strict=True)
    ]
    told: list[Any] = [[] for _ in streams]
    for place in range(max(map(len, steps))):
        works = {
            number: work_of(stream, steps[number][place])
            for number, stream in enumerate(streams)
            if place < len(steps[number]) and isinstance(told[number], list)
        }
        score(works.values())
        for number, work in works.items():
            told[number] = work.error or [*told[number], work.news]
    return told


def scores(news: Sequence[News], channel: int = 0) -> Any:
    rows = [w for n in news for c in n.channels if c.channel == channel for w in c.update.windows]
    return np.array([row.scores for row in rows]), [(row.start, row.end) for row in rows]


def assert_same(got: Sequence[News], expected: Sequence[News], channel: int = 0) -> None:
    """A channel of the one is the only channel of the other."""
    rows, places = scores(got, channel)
    wanted, there = scores(expected)
    assert places == there != []
    np.testing.assert_allclose(rows, wanted, atol=BITS)


@st.composite
def signals(draw: st.DrawFn) -> list[bytes]:
    """One signal in pieces of any length, none and one sample included."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    length = draw(st.integers(1, 9_000))
    places = sorted(draw(st.lists(st.integers(0, length), max_size=6)))
    signal = rng.standard_normal(length).astype(np.float32) * 0.1
    return [piece.tobytes() for piece in np.split(signal, places)]


@settings(max_examples=30, deadline=None)
@given(pieces=st.lists(signals(), min_size=2, max_size=6), rate_hz=st.sampled_from([8_000, 16_000]))
def test_streams_scored_together_are_told_what_each_is_told_alone(
    tiny: KeywordDetector, pieces: list[list[bytes]], rate_hz: int
) -> None:
    """Law: batched = alone, in whatever pieces, at whatever place each of them stands."""
    batch = SpotBatch(tiny)
    streams = [stream_of(tiny, batch, rate_hz=rate_hz) for _ in pieces]

    for got, own in zip(together(streams, pieces), pieces, strict=True):
        assert_same(got, alone(stream_of(tiny, rate_hz=rate_hz), own))


@pytest.mark.parametrize(
    "poison",
    [np.full(500, np.nan, np.float32).tobytes(), b"cut", (Chunk(7, b""),), Gap(-1)],
    ids=["nan", "cut sample", "no such channel", "gap back in time"],
)
def test_a_poisoned_piece_ends_its_own_stream_only(tiny: KeywordDetector, poison: Message) -> None:
    """The neighbour's scores are those of a quiet server."""
    batch, chunk = SpotBatch(tiny), np.ones(4_000, np.float32).tobytes()
    streams = [stream_of(tiny, batch) for _ in range(3)]

    told = together(streams, [[chunk] * 3, [chunk, poison, chunk], [chunk] * 3])

    assert isinstance(told[1], InvalidInput)
    expected = alone(stream_of(tiny), [chunk] * 3)
    for healthy in (told[0], told[2]):
        assert_same(healthy, expected)


def test_frames_that_no_network_takes_end_their_own_stream_only(
    tiny: KeywordDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the poison shows in the common step only, the others are stepped without it."""
    batch, hear = SpotBatch(tiny), SpotBatch._hear
    chunk, poison = (np.full(4_000, level, np.float32).tobytes() for level in (1, 0.5))
    streams = [stream_of(tiny, batch) for _ in range(3)]

    def heard(self: SpotBatch, due: Sequence[Any]) -> None:
        hear(self, due)
        for each in due:
            if len(each.signal) and each.signal[0] == 0.5:
                each.frames = np.full((9, 40), np.inf, np.float32)

    monkeypatch.setattr(SpotBatch, "_hear", heard)

    told = together(streams, [[chunk] * 2, [poison] * 2, [chunk] * 2])

    assert "infinite" in str(told[1]) or "finite" in str(told[1])
    for healthy in (told[0], told[2]):
        assert_same(healthy, alone(stream_of(tiny), [chunk] * 2))


def test_a_fault_in_what_one_stream_is_told_ends_it_only(
    tiny: KeywordDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, update = SpotBatch(tiny), SpotSession.update
    chunk = np.ones(4_000, np.float32).tobytes()
    streams = [stream_of(tiny, batch, rate_hz=rate_hz) for rate_hz in (RATE_HZ, 8_000, RATE_HZ)]

    def told(self: SpotSession, *given: Any) -> SpotUpdate:
        if self.rate_hz == 8_000:
            raise ZeroDivisionError("ours")
        return update(self, *given)

    monkeypatch.setattr(SpotSession, "update", told)
    news = together(streams, [[chunk]] * 3)

    assert isinstance(news[1], ZeroDivisionError)
    for healthy in (news[0], news[2]):
        assert_same(healthy, alone(stream_of(tiny), [chunk]))


def test_channels_that_come_each_by_itself_have_a_time_of_their_own(
    tiny: KeywordDetector, noise: Any
) -> None:
    """A gap on one line moves that line alone; a channel may come twice in one message."""
    left, right = (noise[:12_000, c].copy() for c in (0, 1))
    own = [
        [left[:5_000].tobytes(), left[5_000:].tobytes()],
        [right[:3_000].tobytes(), Gap(800), right[3_000:].tobytes()],
    ]
    stream = stream_of(tiny, channel_count=2)
    messages: list[Message] = [
        (Chunk(0, own[0][0]), Chunk(1, own[1][0]), Chunk(1, Gap(800))),
        (Chunk(1, own[1][2]),),
        (Chunk(0, own[0][1]),),
    ]
    told = alone(stream, messages)

    for channel in (0, 1):
        assert_same(told, alone(stream_of(tiny), own[channel]), channel)
    assert [news.read_until for news in told][-2:] == [12_000, 12_000]
    summary = {each.channel: each.sample_count for each in stream.summary().channels}
    assert summary == {0: 12_000, 1: 12_800}


def test_only_the_labels_asked_for_are_told(tiny: KeywordDetector, noise: Any) -> None:
    """Their scores are those they have among all; a label that nobody knows is refused."""
    data = noise[:16_000, 0].tobytes()
    every, stream = alone(stream_of(tiny), [data]), stream_of(tiny, labels=("two",))
    told = alone(stream, [data])

    assert stream.opened.detectors[0].labels == ("two",)
    assert dict(stream.opened.detectors[0].thresholds) == {"two": 0.6}
    np.testing.assert_allclose(scores(told)[0][:, 0], scores(every)[0][:, 1], atol=BITS)
    events = [e.label for n in told for c in n.channels for e in c.update.events]
    assert set(events) == {"two"}
    assert [a.label for a in stream.summary().channels[0].aggregates] == ["two"]
    with pytest.raises(InvalidInput, match="labels: no label named 'three'; labels: one, two"):
        stream_of(tiny, labels=("three",))


def test_replies_come_at_most_so_often_and_lose_nothing(tiny: KeywordDetector, noise: Any) -> None:
    """Every 0.4 s of audio, an event at once; windows, features and events are all told."""
    chunks = [noise[at : at + 800, 0].tobytes() for at in range(0, 24_000, 800)]
    settings = {"features": True, "thresholds": {"one": 1.0, "two": 1.0}}
    plain = alone(stream_of(tiny, **settings), chunks)
    paced = request(reply_interval_s=0.4, **settings)
    pace = Pace(paced)
    due = [pace.due(news) for news in plain[:-1]]
    told = [*(news for news in due if news is not None), pace.last(plain[-1])]

    assert [news.read_until for news in told] == [6_400, 12_800, 19_200, 24_000]
    assert scores(told)[1] == scores(plain)[1]
    frames = [[c.update.features for n in news for c in n.channels] for news in (told, plain)]
    np.testing.assert_array_equal(np.concatenate(frames[0]), np.concatenate(frames[1]))
    assert told[1].channels[0].feature_start == 38 * 160  # 38 frames end by sample 6,400


def test_an_event_is_not_held_back(tiny: KeywordDetector, noise: Any) -> None:
    chunks = [noise[at : at + 800, 0].tobytes() for at in range(0, 24_000, 800)]
    plain = alone(stream_of(tiny), chunks)
    pace = Pace(request(reply_interval_s=30.0))
    told = [(news, pace.due(news)) for news in plain[:-1]]

    found = [now is not None for news, now in told if any(c.update.events for c in news.channels)]
    assert found
    assert all(found)
    held = [now for news, now in told if not any(c.update.events for c in news.channels)]
    assert held
    assert not any(held)


def test_a_silent_channel_holds_back_no_other(tiny: KeywordDetector, noise: Any) -> None:
    """Channels come each by itself: one that brings nothing keeps `read_until` at zero."""
    options = {"channel_count": 2, "thresholds": {"one": 1.0, "two": 1.0}}
    chunks = [(Chunk(0, noise[at : at + 800, 0].tobytes()),) for at in range(0, 24_000, 800)]
    plain = alone(stream_of(tiny, **options), chunks)
    pace = Pace(request(reply_interval_s=0.4, **options))
    due = [pace.due(news) for news in plain[:-1]]

    told = [news for news in due if news is not None]
    assert len(told) == 3
    assert scores([*told, pace.last(plain[-1])])[1] == scores(plain)[1]


def test_events_tell_when_their_word_began(tiny: KeywordDetector, noise: Any) -> None:
    """By the client's clock, exact to the nanosecond, however late in the stream."""
    start, capture_ns = 5_000_000_000, 1_700_000_000_123_456_789
    stream = stream_of(tiny, start_sample=start, capture_ns=capture_ns)
    told = alone(stream, [noise[:, 0].tobytes()])

    clock = told[0].clock
    assert clock is not None
    assert clock.time_ns(start) == capture_ns
    assert clock.time_ns(start + 16_000) == capture_ns + 1_000_000_000
    assert stream.summary().clock == clock


def test_the_batcher_answers_everybody(tiny: KeywordDetector, noise: Any) -> None:
    """Forty streams at once, each with its own audio; one goes away in between."""
    batcher = Batcher(Load(1.0))
    pieces = [noise[k * 500 : k * 500 + 8_000, 0].copy() for k in range(40)]

    async def scene() -> list[list[News]]:
        async def one(number: int) -> list[News]:
            stream = stream_of(tiny, batcher.batch_of(tiny))
            chunks = np.split(pieces[number], 5)
            steps = [s for chunk in chunks for s in stream.steps(chunk.tobytes())]
            return [await batcher.news(stream, s) for s in [*steps, stream.last_step]]

        tasks = [asyncio.create_task(one(number)) for number in range(40)]
        await asyncio.sleep(0.01)
        tasks.pop().cancel()
        return await asyncio.gather(*tasks)

    told = asyncio.run(scene())
    batcher.close()
    for number in (0, 7, 38):
        assert_same(told[number], alone(stream_of(tiny), [pieces[number].tobytes()]))


def test_a_closed_batcher_answers_nobody_later(tiny: KeywordDetector) -> None:
    """Who comes then hears so, and nobody waits for ever."""
    batcher = Batcher(Load(1.0))
    batcher.close()
    stream = stream_of(tiny, batcher.batch_of(tiny))
    with pytest.raises(Unavailable, match="it ends now"):
        asyncio.run(batcher.news(stream, stream.last_step))


def test_a_fault_of_ours_in_a_step_ends_those_in_it_and_not_the_batcher(
    tiny: KeywordDetector, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(Load(1.0))
    data = noise[:4_000, 0].tobytes()

    async def once() -> News:
        stream = stream_of(tiny, batcher.batch_of(tiny))
        return await batcher.news(stream, next(stream.steps(data)))

    def broken(self: Any, *given: Any) -> None:
        raise ZeroDivisionError("ours")

    with monkeypatch.context() as patch:
        patch.setattr(Batcher, "_note", broken)
        with pytest.raises(ZeroDivisionError):
            asyncio.run(once())
    assert asyncio.run(once()).channels
    batcher.close()


def test_usual_chunks_are_not_cut_and_long_ones_are(tiny: KeywordDetector) -> None:
    """80 ms of 16 channels is one step; a second of one channel too, two seconds are two."""
    for channels, seconds, count in ((16, 0.08, 1), (64, 0.1, 1), (1, 1.0, 1), (1, 2.0, 2)):
        stream = stream_of(tiny, channel_count=channels)
        data = bytes(4 * channels * round(seconds * RATE_HZ))
        assert len(list(stream.steps(data, live_frames(stream)))) == count


def test_a_step_takes_what_waits_up_to_its_share(tiny: KeywordDetector) -> None:
    """However slow the machine: pieces of many streams go together, minutes of one do not."""
    batcher = Batcher(Load(1.0))
    batcher.close()
    batcher._thread.join()
    chunk = bytes(4 * 1_280)
    streams = [stream_of(tiny) for _ in range(300)]
    for stream in streams:
        next(stream.steps(b""))
    waiting = [next(stream.steps(chunk)) for stream in streams]
    batcher._waiting.extend(
        Work(stream, step, Answer(), 0.0)  # type: ignore[arg-type]
        for stream, step in zip(streams, waiting, strict=True)
    )
    counts = [len(batcher._taken(0.0)) for _ in range(2)]

    assert counts[0] == pytest.approx(24 / 0.13, abs=1)
    assert sum(counts) == 300
    assert next(stream_of(tiny).steps(chunk)).lane_frames == waiting[0].lane_frames
    longer = next(stream_of(tiny, features=True).steps(chunk)).lane_frames
    assert longer > waiting[0].lane_frames


class Answer:
    """Nobody waits for it."""

    def cancelled(self) -> bool:
        return False
