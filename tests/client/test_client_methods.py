"""The client against a real server: what it returns, what it raises, what it leaves behind."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from PIL import Image

from sweepnet import (
    AsyncClient,
    Client,
    Detections,
    FailedPrecondition,
    Gap,
    InvalidInput,
    LimitExceeded,
    NotFound,
    ServerUnavailable,
    SpotResult,
    TimedOut,
)

RATE_HZ = 16_000


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, noise: Any) -> Path:
    """A folder of good and bad files."""
    folder = tmp_path_factory.mktemp("files")
    soundfile.write(folder / "two.flac", noise, RATE_HZ)
    soundfile.write(folder / "one.wav", noise[:, 0], RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", noise[:, 0], 8_000)
    Image.linear_gradient("L").resize((90, 70)).save(folder / "grey.png")
    (folder / "text.wav").write_text("this is no sound")
    (folder / "text.png").write_text("this is no picture")
    (folder / "empty.wav").touch()
    (folder / "empty.jpg").touch()
    (folder / "folder.wav").mkdir()
    return folder


def pcm(noise: Any) -> bytes:
    return bytes((noise[:, 0] * 32767).astype("<i2").tobytes())


def pieces(data: bytes, size: int = 2560) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def test_a_recording_is_answered_whole(client: Client, files: Path, noise: Any) -> None:
    result = client.spot(files / "two.flac", detectors=["tiny"])

    assert result.duration_s == 3.0
    assert set(result.scores) == {"one", "two"} <= set(result.opened.labels_of("detectors/tiny"))
    assert {channel.channel for channel in result.channels} == {0, 1}
    assert [e.start_sample for e in result.events] == sorted(e.start_sample for e in result.events)
    event = result.events[0]
    assert event.start_s == event.start_sample / RATE_HZ
    assert event.start_s < event.peak_s < event.end_s


def test_thresholds_are_asked_for_by_false_alarms_an_hour(client: Client, files: Path) -> None:
    result = client.spot(files / "one.wav", detectors=["tiny"], false_alarms_per_hour=0.1)

    (opened,) = result.opened.detectors
    assert opened.thresholds == pytest.approx({"one": 0.8, "two": 0.8})
    with pytest.raises(InvalidInput, match=r"measured 0\.1 to 0\.5 false alarms an hour"):
        client.spot(files / "one.wav", detectors=["tiny"], false_alarms_per_hour=9)


def test_a_path_bytes_and_an_open_file_are_the_same(client: Client, files: Path) -> None:
    path = files / "one.wav"
    with path.open("rb") as opened:
        results = [client.spot(path), client.spot(path.read_bytes()), client.spot(opened)]

    assert results[0] == results[1] == results[2] == client.spot(str(path))


def test_a_file_is_scored_as_the_stream_of_its_samples(
    client: Client, files: Path, noise: Any
) -> None:
    """One code path: a file's events are a stream's."""
    from_file = client.spot(files / "slow.wav", detectors=["tiny"], replies="windows")
    whole, _ = soundfile.read(files / "slow.wav", dtype="int16")
    chunks = pieces(whole.tobytes(), 1_000)
    with client.stream(chunks, detectors=["tiny"], rate_hz=8_000) as stream:
        windows = [window for update in stream for window in update.windows]

    whole_file = [window for update in from_file.updates for window in update.windows]
    assert [(w.start_sample, w.end_sample, w.warming) for w in windows] == [
        (w.start_sample, w.end_sample, w.warming) for w in whole_file
    ]
    for window, expected in zip(windows, whole_file, strict=True):
        assert window.scores == pytest.approx(expected.scores, abs=1e-4)
    assert stream.summary is not None
    events = stream.summary.channels[0].events
    assert [(e.label, e.start_sample) for e in events] == [
        (e.label, e.start_sample) for e in from_file.channels[0].events
    ]


def test_a_live_stream_tells_as_it_hears(client: Client, noise: Any) -> None:
    """News of the first chunk come while the second is still to be sent."""
    heard = threading.Event()

    def live() -> Iterator[bytes]:
        first, *others = pieces(pcm(noise), 16_000)
        yield first
        assert heard.wait(30)
        yield from others

    with client.stream(live(), detectors=["tiny"], features=True) as stream:
        first = next(iter(stream))
        heard.set()
        rest = list(stream)

    assert stream.opened is not None
    assert stream.opened.rate_hz == RATE_HZ
    assert rest[-1].read_until_s == 3.0
    features = first.channels[0].features
    assert features is not None
    assert (len(features.rows[0]), features.hop_s, features.start_s) == (40, 0.01, 0.0)


def test_chunks_can_be_sent_by_hand(client: Client, noise: Any) -> None:
    with client.stream(detectors=["tiny"]) as stream:
        for piece in pieces(pcm(noise)):
            stream.send(piece)
        stream.send(Gap(1_600))
        stream.end()
        updates = list(stream)

    assert updates[-1].read_until == len(noise) + 1_600
    with pytest.raises(ValueError, match="has been ended"):
        stream.send(b"")


def test_sending_to_a_refused_stream_raises_why(client: Client) -> None:
    def send_on() -> None:
        for _ in range(10_000):
            stream.send(bytes(320))

    with client.stream(rate_hz=3) as stream, pytest.raises(InvalidInput, match="got 3; expected"):
        send_on()


def test_leaving_a_stream_cancels_it(client: Client, noise: Any) -> None:
    """Even when its chunks never end."""

    def endless() -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield bytes(320)

    with client.stream(endless(), detectors=["tiny"], replies="windows") as stream:
        next(iter(stream))
    assert stream._call.cancelled()
    assert client.models()


def test_a_failure_of_the_callers_chunks_is_the_callers(client: Client) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(32_000)
        raise KeyError("microphone")

    with client.stream(broken()) as stream, pytest.raises(KeyError, match="microphone"):
        list(stream)


def test_a_picture_is_answered_in_its_own_pixels(client: Client, files: Path) -> None:
    found = client.detect(files / "grey.png", detectors=["blobs"], score_map=True, max_boxes=3)

    assert (found.width_px, found.height_px) == (90, 70)
    assert 0 < len(found.boxes) <= 3
    assert [box.score for box in found.boxes] == sorted(b.score for b in found.boxes)[::-1]
    box = found.boxes[0]
    assert box.corners_px[0] == (box.x_min_px, box.y_min_px)
    assert box.corners_px[2] == (box.x_max_px, box.y_max_px)
    grid = found.score_map
    assert grid is not None
    assert len(grid.scores) == grid.row_count * grid.column_count * len(grid.labels)


def test_many_come_back_in_order_and_a_failing_one_stops_nobody(
    client: Client, files: Path
) -> None:
    """Audio and pictures mixed."""
    names = ["one.wav", "text.wav", "grey.png", "missing.wav", "text.png", "two.flac", "empty.jpg"]

    results = list(client.score_many([files / name for name in names], concurrency=3))

    assert [Path(scored.source).name for scored in results] == names
    kinds = [type(scored.result) for scored in results]
    none = type(None)
    assert kinds == [SpotResult, none, Detections, none, none, SpotResult, none]
    words = [scored.error for scored in results]
    assert "is not audio that can be read" in words[1]
    assert "no file named" in words[3]
    assert "18 bytes of text" in words[4]
    assert "is empty (0 bytes)" in words[6]


def test_a_server_that_serves_is_ready(client: Client) -> None:
    assert client.ready() is True


def test_models_are_told_page_by_page(client: Client) -> None:
    names = [model.name for model in client.models()]

    assert {"detectors/blobs", "detectors/tiny"} <= set(names)
    tiny = client.model("tiny")
    assert [point.extrapolated for point in tiny.operating_points] == [False, True] * 2
    assert tiny == client.model("detectors/tiny")
    assert (tiny.kind, tiny.labels, tiny.rate_hz) == ("keyword", ("one", "two"), 16_000)
    assert tiny.operating_points[0].false_alarms_per_hour == 0.5
    assert tiny.operating_points[0].false_boxes_per_picture is None


def test_a_training_is_started_watched_and_used(
    client: Client, flower_data: Path, files: Path
) -> None:
    """From data to boxes without leaving the client."""
    settings = {"pictures": 8, "batch": 4, "aside_share": 0.3, "detect_size_px": 64}

    begun = client.train("image", str(flower_data), "yellow", settings)
    ended = client.wait_training(begun.name, 60)

    assert ended.state == "succeeded", ended.error
    assert ended.model is not None
    assert begun.name in [training.name for training in client.trainings()]
    assert client.training(begun.name) == ended
    found = client.detect(files / "grey.png", detectors=["yellow"], thresholds={"yellow": 0})
    assert set(found.scores) == {"yellow"}


def test_a_training_is_cancelled(client: Client, flower_data: Path) -> None:
    begun = client.train("image", str(flower_data), "never", {"pictures": 10**6})
    client.cancel_training(begun.name)
    ended = client.wait_training(begun.name, 20)

    assert (ended.ended, ended.state) == (True, "cancelled")


WRONG = {
    "no file named": (NotFound, "missing.wav"),
    "is a folder; name the files in it": (InvalidInput, "folder.wav"),
    "audio: is empty (0 bytes); expected WAV": (InvalidInput, "empty.wav"),
    "audio: is not audio that can be read": (InvalidInput, "text.wav"),
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_recordings_are_told_of(client: Client, files: Path, words: str) -> None:
    kind, name = WRONG[words]
    with pytest.raises(kind) as caught:
        client.spot(files / name)
    assert words in caught.value.message


def test_wrong_pictures_are_told_of(client: Client, files: Path) -> None:
    with pytest.raises(InvalidInput, match=r"picture: is empty \(0 bytes\)"):
        client.detect(files / "empty.jpg")
    with pytest.raises(InvalidInput, match="it is 18 bytes of text"):
        client.detect(files / "text.png")
    with pytest.raises(LimitExceeded, match="larger than max"):
        client.detect(bytes(40 * 1024 * 1024))


def test_unknown_names_are_told_of(client: Client, files: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model named 'detectors/nope'; there are:"):
        client.spot(files / "one.wav", detectors=["nope"])
    with pytest.raises(NotFound) as caught:
        client.model("nope")
    assert caught.value.reason == "NOT_FOUND"
    with pytest.raises(FailedPrecondition, match="outside of the folders"):
        client.train("keyword", str(tmp_path), "x")


def test_no_server_is_told_with_the_way_to_start_one() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(ServerUnavailable) as caught:
        client.models()
    assert "no server at 127.0.0.1:1; start one with `sweepnet serve`" in caught.value.message
    with Client("127.0.0.1:1") as client, pytest.raises(ServerUnavailable, match="no server at"):
        client.spot(b"x")


@pytest.mark.parametrize(
    "address", ["", "http://localhost:1", "host:port", "a b", "host:70000", "::1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="expected host:port"):
        Client(address)


def test_a_call_may_be_limited_in_time(client: Client) -> None:
    def slow() -> Iterator[bytes]:
        time.sleep(1)
        yield b""

    with client.stream(slow(), timeout_s=0.1) as stream, pytest.raises(TimedOut):
        list(stream)


def test_the_asynchronous_client_gives_the_same(
    server: str, client: Client, files: Path, noise: Any
) -> None:
    """Each method once, against the synchronous one's results."""

    async def live() -> AsyncIterator[bytes]:
        for piece in pieces(pcm(noise)):
            yield piece

    async def play() -> None:
        async with AsyncClient(server) as twin:
            path = files / "two.flac"
            assert await twin.spot(path, detectors=["tiny"]) == client.spot(
                path, detectors=["tiny"]
            )
            picture = files / "grey.png"
            assert await twin.detect(picture) == client.detect(picture)
            assert await twin.model("tiny") == client.model("tiny")
            assert await twin.ready()
            assert await twin.models() == client.models()
            assert len(await twin.trainings()) == len(client.trainings())
            sources = [path, picture, files / "text.wav"]
            assert [scored async for scored in twin.score_many(sources)] == list(
                client.score_many(sources)
            )
            async with twin.stream(live(), detectors=["tiny"]) as stream:
                told = [update async for update in stream]
            with client.stream(pieces(pcm(noise)), detectors=["tiny"]) as other:
                assert told == list(other)
            assert stream.summary == other.summary
            async with twin.stream(detectors=["tiny"]) as stream:
                await stream.send(pcm(noise))
                await stream.end()
                updates = [update async for update in stream]
                assert updates[-1].read_until == len(noise)
            with pytest.raises(NotFound, match="no model named"):
                await twin.model("nope")
        async with AsyncClient("127.0.0.1:1") as nobody:
            with pytest.raises(ServerUnavailable, match="no server at"):
                await nobody.models()

    asyncio.run(play())


def test_a_file_like_object_without_a_name_is_called_bytes(client: Client) -> None:
    scored = next(iter(client.score_many([io.BytesIO(b"x")], kind="audio")))
    assert scored.source == "bytes"
    assert scored.error


def test_a_source_that_leaves_the_program_ends_its_stream(client: Client) -> None:
    """SystemExit in the caller's chunks once left the call open until the idle limit."""

    def chunks() -> Iterator[bytes]:
        yield bytes(320)
        raise SystemExit(3)

    with pytest.raises(SystemExit), client.stream(chunks(), detectors=["tiny"]) as stream:
        list(stream)
