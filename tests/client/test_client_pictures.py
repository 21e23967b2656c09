"""Many pictures over one call: in one message, or each as it comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sweepnet import (
    Area,
    AsyncClient,
    Client,
    Detections,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Picture,
    Scored,
    ServerFault,
    TimedOut,
    _flows,
    _pictures,
    _sources,
)

REGION = Area(20, 10, 90, 70)
OPTIONS: dict[str, Any] = {"detectors": ["blobs"], "max_boxes": 4}


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    Image.effect_noise((96, 80), 90).save(place / "noise.png")
    Image.linear_gradient("L").resize((90, 70)).save(place / "grey.png")
    (place / "text.png").write_text("this is no picture")
    return place


@pytest.fixture(scope="module")
def mixed(folder: Path) -> list[Any]:
    """Good ones, one with a region, one that is none, and two that cannot be sent."""
    return [
        folder / "missing.png",
        folder / "grey.png",
        Picture(folder / "noise.png", REGION),
        folder / "text.png",
        Picture(folder, REGION),
        (folder / "noise.png").read_bytes(),
    ]


@pytest.fixture
def expected(client: Client, folder: Path) -> list[Detections]:
    """What each of the good ones is told alone."""
    return [
        client.detect(folder / "grey.png", **OPTIONS),
        client.detect(folder / "noise.png", region=REGION, **OPTIONS),
        client.detect(folder / "noise.png", **OPTIONS),
    ]


def check(found: list[Scored], expected: list[Detections], folder: Path) -> None:
    """Each in its place, as if it were alone; the others with their error."""
    assert [scored.result for scored in found if scored.result is not None] == expected
    words = [scored.error for scored in found]
    assert words[0] == f"no file named {folder / 'missing.png'}"
    assert "is no picture: it is 18 bytes of text" in words[3]
    assert "is a folder" in words[4]
    assert [scored.source for scored in found[:2]] == [
        str(folder / "missing.png"),
        str(folder / "grey.png"),
    ]
    assert found[-1].source == "bytes"


def test_a_batch_answers_each_picture_in_its_place(
    client: Client, mixed: list[Any], expected: list[Detections], folder: Path
) -> None:
    check(list(client.detect_batch(mixed, **OPTIONS)), expected, folder)
    assert client.detect_batch([]) == ()


def test_pictures_that_no_message_holds_are_refused_before_they_are_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protobuf would say "Failed to serialize proto"."""
    monkeypatch.setattr(_flows, "MOST_BYTES", 100)
    with pytest.raises(LimitExceeded, match=r"2 of them are 1\d\d bytes.*use detect_stream"):
        client.detect_batch([b"x" * 60] * 2)


def test_a_stream_answers_each_picture_in_its_place(
    client: Client, mixed: list[Any], expected: list[Detections], folder: Path
) -> None:
    check(list(client.detect_stream(iter(mixed), **OPTIONS)), expected, folder)
    assert list(client.detect_stream([])) == []
    assert [s.source for s in client.detect_stream([folder / "none", folder])] == [
        str(folder / "none"),
        str(folder),
    ]


def test_the_asynchronous_client_tells_the_same(
    server: str, mixed: list[Any], expected: list[Detections], folder: Path
) -> None:
    async def camera() -> AsyncIterator[Any]:
        for each in mixed:
            await asyncio.sleep(0)
            yield each

    async def scene() -> None:
        async with AsyncClient(server) as client:
            check(list(await client.detect_batch(mixed, **OPTIONS)), expected, folder)
            for source in (mixed, camera()):
                found = [scored async for scored in client.detect_stream(source, **OPTIONS)]
                check(found, expected, folder)

    asyncio.run(scene())


def test_a_picture_is_answered_before_the_next_one_is_taken(client: Client, folder: Path) -> None:
    seen = threading.Event()

    def camera() -> Iterator[Path]:
        yield folder / "grey.png"
        assert seen.wait(20)
        yield folder / "noise.png"

    found = client.detect_stream(camera(), **OPTIONS)
    assert next(found).result is not None
    seen.set()
    assert len(list(found)) == 1


def test_closing_the_iterator_ends_the_call(client: Client, folder: Path) -> None:
    """Though the pictures never end."""
    taken = list[int]()

    def endless() -> Iterator[Path]:
        while True:
            taken.append(1)
            yield folder / "grey.png"

    found: Any = client.detect_stream(endless(), **OPTIONS)
    next(found)
    found.close()
    count = len(taken)
    assert client.ready()
    assert len(taken) <= count + 1


def test_a_failure_of_the_callers_pictures_is_the_callers(server: str, folder: Path) -> None:
    """It is raised behind the answers to what came before."""

    def broken() -> Iterator[Path]:
        yield folder / "grey.png"
        raise KeyError("camera")

    async def asked() -> list[Scored]:
        told = list[Scored]()

        async def take() -> None:
            async for scored in client.detect_stream(broken(), **OPTIONS):
                told.append(scored)

        async with AsyncClient(server) as client:
            with pytest.raises(KeyError, match="camera"):
                await take()
        return told

    found = list[Scored]()
    with Client(server) as client, pytest.raises(KeyError, match="camera"):
        found.extend(client.detect_stream(broken(), **OPTIONS))
    assert found == asyncio.run(asked()) != []


def test_wrong_moves_are_told(client: Client, folder: Path) -> None:
    for look in (client.detect_batch, client.detect_stream):
        with pytest.raises(InvalidInput, match="expected a list of sources"):
            look(str(folder / "grey.png"))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="no option 'colour'"):
            look([], colour=1)
    with pytest.raises(NotFound, match="no model named 'detectors/nope'"):
        client.detect_batch([], detectors=["nope"])
    with pytest.raises(NotFound, match="no model named 'detectors/nope'"):
        list(client.detect_stream([folder / "grey.png"], detectors=["nope"]))
    with pytest.raises(LimitExceeded, match="too large for a message to the server"):
        client.detect_batch([bytes(40 << 20)])
    for region in ((0, 0, 9, 9), Area("left", 0, 9, 9)):  # type: ignore[arg-type]
        (scored,) = client.detect_batch([Picture(folder / "grey.png", region)])  # type: ignore[arg-type]
        assert "region: got" in scored.error
        assert scored.error.endswith("expected an Area, in pixels")
    outside = client.detect_batch([Picture(folder / "grey.png", Area(200, 0, 300, 50))])
    assert "region_of_interest: got x 200" in outside[0].error

    def slow() -> Iterator[Path]:
        threading.Event().wait(1)
        yield folder / "grey.png"

    with pytest.raises(TimedOut):
        list(client.detect_stream(slow(), timeout_s=0.2))


def test_a_picture_without_end_is_not_read_for_ever(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It filled the memory; a file of 3 GB was read whole, and no message holds it."""
    monkeypatch.setattr(_sources, "LARGEST_PICTURE_BYTES", 1_000_000)
    with open("/dev/zero", "rb") as endless:
        with pytest.raises(
            LimitExceeded, match=r"/dev/zero: got more than 1000000 bytes; expected"
        ):
            client.detect(endless)
        assert endless.tell() < 2_000_000
        (scored,) = client.detect_batch([endless])
    assert "fits into one message" in scored.error


def test_a_server_that_leaves_pictures_out_is_told_of(folder: Path) -> None:
    sent = _pictures.Pictures([], {})
    assert sent.message(folder / "grey.png") is not None
    with pytest.raises(ServerFault, match=r"left 1 picture\(s\) without an answer"):
        list(sent.end())
