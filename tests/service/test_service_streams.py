"""Law: streaming equals scanning, end to end through the server; channels are scored as alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
import soxr
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnn_core.scan import scan
from sweepnet_protos.v1 import audio_pb2
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.detectors.keyword import KeywordDetector

from .speech import FLOAT32, LINEAR16, config, spoken

TOLERANCE = 1e-4

BITS = 1e-6

Rows = dict[tuple[int, str], list[Any]]


def windows(replies: list[Any]) -> Rows:
    """Window scores by channel and detector."""
    rows: Rows = {}
    for reply in replies:
        for told in reply.update.channels:
            rows.setdefault((told.channel, told.detector), []).extend(told.windows)
    return rows


def scores(rows: list[Any]) -> Any:
    return np.array([list(row.scores) for row in rows])


def told(message: Any) -> Any:
    """What a message holds, scores to six digits: how a step is batched changes their last bits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(each) for key, each in value.items()}
        if isinstance(value, list):
            return [rounded(each) for each in value]
        return round(value, 5) if isinstance(value, float) else value

    return rounded(MessageToDict(message))


def scanned(detector: KeywordDetector, samples: Any, rate_hz: int) -> Any:
    """Scores of the whole signal at once, without sessions, streams or servers."""
    heard = samples
    if rate_hz != detector.rate_hz:
        heard = soxr.resample(samples, rate_hz, detector.rate_hz, quality="HQ")
    silence = np.zeros(detector.padding_samples, np.float32)
    frames = detector.features.frames(np.concatenate([silence, heard, silence]))
    return scan(detector.net, frames[None]).scores[0]


@st.composite
def cuts(draw: st.DrawFn, length: int = 12_000) -> list[int]:
    """Where a signal is cut: anywhere, empty and one-sample pieces included."""
    places = draw(st.lists(st.integers(0, length), max_size=12))
    close = draw(st.sampled_from([0, 1, 2, 160]))
    return sorted([*places, *(min(length, place + close) for place in places[:3])])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=cuts(), rate_hz=st.sampled_from([8_000, 16_000, 44_100]))
def test_streaming_through_the_server_equals_scanning(
    spotter: Any, noise: Any, tiny_models: Path, places: list[int], rate_hz: int
) -> None:
    """However the audio is cut, the scores are those of the whole."""
    detector = KeywordDetector.load(tiny_models / "tiny.safetensors")
    signal = noise[:12_000]
    pieces = [np.ascontiguousarray(piece).tobytes() for piece in np.split(signal, places)]

    rows = windows(spoken(spotter, config(rate_hz, 2), pieces))

    for channel in (0, 1):
        expected = scanned(detector, signal[:, channel], rate_hz)
        got = scores(rows[channel, "detectors/tiny"])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=TOLERANCE)


def test_two_channels_are_scored_as_if_each_were_alone(spotter: Any, noise: Any) -> None:
    """A second channel changes nothing but last bits, as shapes of products do."""

    def heard(samples: Any, at_once: int) -> Rows:
        parts = range(0, len(samples), at_once)
        chunks = [np.ascontiguousarray(samples[at : at + at_once]).tobytes() for at in parts]
        return windows(spoken(spotter, config(16_000, samples.shape[1]), chunks))

    for channel in (0, 1):
        mono = noise[:, channel : channel + 1]
        for at_once in (1_280, len(noise)):
            both = heard(noise, at_once)[channel, "detectors/tiny"]
            single = heard(mono, at_once)[0, "detectors/tiny"]
            assert [told(row) for row in both] == [told(row) for row in single]


def test_only_the_channels_asked_for_are_scored(spotter: Any, noise: Any) -> None:
    """`channels` names them, counted from 0."""
    replies = spoken(spotter, config(16_000, 2, channels=[1]), [noise.tobytes()])

    assert {channel for channel, _ in windows(replies)} == {1}
    assert list(replies[0].opened.channels) == [1]


def test_first_comes_the_opening_and_last_the_summary(spotter: Any, noise: Any) -> None:
    """The summary holds what the updates held."""
    pieces = [noise[at : at + 1280].tobytes() for at in range(0, len(noise), 1280)]

    first, *updates, last = spoken(spotter, config(16_000, 2), pieces)

    assert first.opened.detectors[0].labels == ["one", "two"]
    assert [reply.WhichOneof("content") for reply in updates] == ["update"] * len(updates)
    assert last.summary.sample_count == len(noise)
    rows = windows(updates)
    for told in last.summary.channels:
        key = (told.channel, told.detector)
        assert told.window_count == len(rows[key])
        highest = scores(rows[key]).max(axis=0)
        np.testing.assert_allclose([x.maximum for x in told.aggregates], highest, atol=1e-6)
    events = [e for reply in updates for told in reply.update.channels for e in told.events]
    assert events
    assert len(events) == sum(len(told.events) for told in last.summary.channels)


def test_linear16_mulaw_and_float_agree_within_their_steps(spotter: Any, noise: Any) -> None:
    """Encodings are the same audio; mu-law, written by libsndfile, the one that it holds."""
    mono = noise[:16_000, 0]
    file = io.BytesIO()
    soundfile.write(file, mono, 16_000, format="RAW", subtype="ULAW")
    coarse, _ = soundfile.read(
        io.BytesIO(file.getvalue()),
        dtype="float32",
        format="RAW",
        subtype="ULAW",
        samplerate=16_000,
        channels=1,
    )

    def heard(encoding: Any, data: bytes) -> Any:
        replies = spoken(spotter, config(16_000, 1, encoding), [data])
        return scores(windows(replies)[0, "detectors/tiny"])

    linear = (mono * 32768).clip(-32768, 32767).round().astype("<i2").tobytes()
    np.testing.assert_allclose(heard(LINEAR16, linear), heard(FLOAT32, mono.tobytes()), atol=2e-3)
    mulaw = heard(audio_pb2.AUDIO_ENCODING_MULAW, file.getvalue())
    np.testing.assert_allclose(mulaw, heard(FLOAT32, coarse.tobytes()), atol=1e-5)
    assert np.abs(mulaw - heard(FLOAT32, mono.tobytes())).max() < 0.1


def test_start_sample_moves_every_time_and_no_score(spotter: Any, noise: Any) -> None:
    """A client that reconnects names where it goes on."""
    mono = np.ascontiguousarray(noise[:16_000, 0]).tobytes()
    plain = windows(spoken(spotter, config(16_000, 1), [mono]))[0, "detectors/tiny"]

    later = spoken(spotter, config(16_000, 1, start_sample=5_000_000_000), [mono])
    moved = windows(later)[0, "detectors/tiny"]

    assert [row.start_sample - 5_000_000_000 for row in moved] == [
        row.start_sample for row in plain
    ]
    np.testing.assert_allclose(scores(moved), scores(plain), atol=BITS)


def test_a_gap_starts_afresh_and_keeps_the_clock(spotter: Any, noise: Any) -> None:
    """Audio behind a gap is scored as a stream of its own, at its own place in time."""
    first, second = noise[:8_000, 0].copy(), noise[8_000:16_000, 0].copy()
    requests = [
        pb2.StreamingSpotRequest(config=config(16_000, 1)),
        pb2.StreamingSpotRequest(audio=first.tobytes()),
        pb2.StreamingSpotRequest(gap=audio_pb2.AudioGap(sample_count=4_000)),
        pb2.StreamingSpotRequest(audio=second.tobytes()),
    ]
    replies = list(spotter.StreamingSpot(iter(requests)))
    rows = windows(replies)[0, "detectors/tiny"]

    alone = windows(spoken(spotter, config(16_000, 1), [second.tobytes()]))[0, "detectors/tiny"]
    behind = rows[-len(alone) :]
    np.testing.assert_allclose(scores(behind), scores(alone), atol=BITS)
    assert [row.start_sample - 12_000 for row in behind] == [row.start_sample for row in alone]
    assert replies[-1].summary.sample_count == 20_000


def test_a_stream_may_ask_for_everything_at_once(spotter: Any, noise: Any) -> None:
    """Channels each by itself, one label, replies far apart, wall-clock times: over the wire."""
    left, right = (noise[:24_000, c].copy().tobytes() for c in (0, 1))
    capture = Timestamp(seconds=1_700_000_000, nanos=250_000_000)
    opening = config(
        16_000, 2, labels=["two"], reply_interval_s=0.5, capture_time=capture, start_sample=160
    )
    chunks = [
        audio_pb2.ChannelChunk(channel=0, audio=left),
        audio_pb2.ChannelChunk(channel=1, gap=audio_pb2.AudioGap(sample_count=8_000)),
        audio_pb2.ChannelChunk(channel=1, audio=right),
    ]
    requests = [
        pb2.StreamingSpotRequest(config=opening),
        pb2.StreamingSpotRequest(chunks=audio_pb2.ChannelChunks(chunks=chunks)),
    ]
    replies = list(spotter.StreamingSpot(iter(requests)))

    assert list(replies[0].opened.detectors[0].labels) == ["two"]
    counts = {each.channel: each.sample_count for each in replies[-1].summary.channels}
    assert counts == {0: 24_000, 1: 32_000}
    alone = windows(spoken(spotter, config(16_000, 1), [right]))[0, "detectors/tiny"]
    behind = windows(replies)[1, "detectors/tiny"][-len(alone) :]
    np.testing.assert_allclose(scores(behind)[:, 0], scores(alone)[:, 1], atol=BITS)
    assert behind[-1].end_sample == 160 + 32_000
    told_events = events(replies)
    assert told_events
    for event in told_events:
        since = event.start_time.ToNanoseconds() - capture.ToNanoseconds()
        assert since == (event.start_sample - 160) * 1_000_000_000 // 16_000


def test_a_stream_of_very_many_channels_is_scored_by_itself(spotter: Any, noise: Any) -> None:
    """64 channels under two detectors: the scores are the same, others do not wait for them."""
    wide = np.repeat(noise[:3_200, :1], 64, axis=1)
    both = ["detectors/tiny", "detectors/welcome"]
    rows = windows(spoken(spotter, config(16_000, 64, detectors=both), [wide.tobytes()]))
    alone = windows(spoken(spotter, config(16_000, 1), [wide[:, 0].tobytes()]))

    expected = scores(alone[0, "detectors/tiny"])
    for channel in (0, 63):
        np.testing.assert_allclose(scores(rows[channel, "detectors/tiny"]), expected, atol=BITS)
    assert len(rows) == 128


def test_gaps_do_not_buy_more_explanations(spotter: Any, noise: Any) -> None:
    """Each session explains some events; a stream of many gaps still explains only so many."""
    opening = config(16_000, 1, include_explanations=True)
    requests = [pb2.StreamingSpotRequest(config=opening)]
    for _ in range(12):
        requests.append(pb2.StreamingSpotRequest(audio=noise[:6_000, 0].tobytes()))
        requests.append(pb2.StreamingSpotRequest(gap=audio_pb2.AudioGap(sample_count=10)))
    replies = list(spotter.StreamingSpot(iter(requests)))
    told = [each for reply in replies for c in reply.update.channels for each in c.explanations]

    assert 8 <= len(told) < 24
    for each in told:
        assert len(each.contributions) == len(each.features.values) == 40 * len(each.falls)
        assert each.end_sample - each.start_sample == 5_360


def test_a_large_chunk_is_scored_in_short_steps(spotter: Any, noise: Any) -> None:
    """So that other streams wait for a second of audio at most, not for minutes of it."""
    long = np.tile(noise[:, 0], 5)
    updates = spoken(spotter, config(16_000, 1), [long.tobytes()])[1:-1]

    assert [reply.update.read_until for reply in updates[:3]] == [16_000, 32_000, 48_000]
    with pytest.raises(grpc.RpcError, match="expected a multiple of 4"):
        spoken(spotter, config(16_000, 1), [long.tobytes() + b"x"])


@pytest.mark.parametrize("density", ["AGGREGATES", "EVENTS"])
def test_replies_can_be_thinned(spotter: Any, noise: Any, density: str) -> None:
    """Thinner replies hold no window scores and the same events."""
    value = pb2.ReplyDensity.Value(f"REPLY_DENSITY_{density}")
    full = spoken(spotter, config(16_000, 2), [noise.tobytes()])
    thin = spoken(spotter, config(16_000, 2, reply_density=value), [noise.tobytes()])

    assert not any(windows(thin).values())
    assert told(thin[-1].summary) == told(full[-1].summary)
    assert list(map(told, events(thin))) == list(map(told, events(full))) != []
    news = [each for reply in thin for each in reply.update.channels]
    assert all(each.events or (density == "AGGREGATES" and each.aggregates) for each in news)


def events(replies: list[Any]) -> list[Any]:
    """All events, in the order in which they were told."""
    return [e for reply in replies for told in reply.update.channels for e in told.events]


def test_a_quiet_stream_tells_how_far_it_has_been_read(spotter: Any) -> None:
    """About once a second of audio, though there is no event."""
    quiet = pb2.REPLY_DENSITY_EVENTS
    unheard = {"one": 1.0, "two": 1.0}
    opening = config(16_000, 1, reply_density=quiet, thresholds=unheard)
    chunk = np.zeros(1_600, np.float32).tobytes()

    _, *updates, _ = spoken(spotter, opening, [chunk] * 35)

    assert not any(reply.update.channels for reply in updates)
    assert [r.update.read_until for r in updates] == [16_000, 32_000, 48_000, 56_000]


def test_chunks_without_samples_change_nothing(spotter: Any, noise: Any) -> None:
    """First, last, and between others; features too."""
    mono = noise[:16_000, 0].tobytes()
    pieces = [mono[:10_000], mono[10_000:]]
    opening = config(16_000, 1, include_features=True)
    plain = spoken(spotter, opening, pieces)
    empty = spoken(spotter, opening, [b"", pieces[0], b"", b"", pieces[1], b""])

    rows = [windows(replies)[0, "detectors/tiny"] for replies in (empty, plain)]
    assert [told(row) for row in rows[0]] == [told(row) for row in rows[1]]
    assert told(empty[-1]) == told(plain[-1])
    starts = [
        [u.features.start_sample for r in replies for u in r.update.channels]
        for replies in (empty, plain)
    ]
    assert starts[0] == starts[1]


def test_thresholds_are_chosen_by_false_alarms_an_hour(spotter: Any) -> None:
    """Those given by name stay; what is in force is told, and events keep to it."""
    opening = config(
        16_000,
        1,
        thresholds={"two": 0.9},
        false_alarms_per_hour=0.2,
    )
    opened, *_ = spoken(spotter, opening, [b""])

    used = opened.opened.detectors[0].thresholds
    assert used["two"] == 0.9
    assert 0.6 < used["one"] < 0.8


def test_many_channels_are_scored_in_shorter_steps(spotter: Any) -> None:
    """A step's work stays the same."""
    data = np.zeros((20_000, 8), np.float32).tobytes()
    updates = spoken(spotter, config(16_000, 8), [data])[1:-1]

    assert [reply.update.read_until for reply in updates[:3]] == [2_000, 4_000, 6_000]


def test_features_come_on_request_and_lie_where_they_say(
    spotter: Any, noise: Any, tiny_models: Path
) -> None:
    """They are the detector's own log-mel frames of the audio."""
    mono = noise[:16_000, 0].copy()
    pieces = [mono[at : at + 999].tobytes() for at in range(0, 16_000, 999)]
    replies = spoken(spotter, config(16_000, 1, include_features=True), pieces)

    told = [t.features for r in replies for t in r.update.channels if t.HasField("features")]
    rows = np.concatenate([np.reshape(f.values, (-1, f.band_count)) for f in told])
    expected = KeywordDetector.load(tiny_models / "tiny.safetensors").features.frames(mono)
    np.testing.assert_allclose(rows, expected, atol=TOLERANCE)
    assert told[0].hop_samples == 160
    filled = [f for f in told if f.values]
    starts = [f.start_sample for f in filled]
    lengths = [len(f.values) // f.band_count for f in filled]
    assert starts == [160.0 * sum(lengths[:i]) for i in range(len(filled))]


def test_the_unary_call_gives_the_same_summary(spotter: Any, noise: Any) -> None:
    """One message or many: one answer."""
    whole = spotter.Spot(pb2.SpotRequest(config=config(16_000, 2), audio=noise.tobytes()))

    streamed = spoken(spotter, config(16_000, 2), [noise.tobytes()])
    assert told(whole.summary) == told(streamed[-1].summary)
    assert whole.opened == streamed[0].opened
