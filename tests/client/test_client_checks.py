"""A caller's mistakes are told of as such: by the option's name, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweepnet
from sweepnet import (
    AsyncClient,
    ChannelChunk,
    Client,
    DetectOptions,
    FailedPrecondition,
    Gap,
    InvalidInput,
    Model,
    OperatingPoint,
    ServerUnavailable,
    SpotUpdate,
    StreamOptions,
)
from sweepnet._checks import EXPECTED
from sweepnet.cli.models import figures

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("options", [{"bogus": 1}, {"threshold": 0.3}, {"sample_rate": 3}])
def test_an_unknown_option_is_named_with_the_known(kind: Any, options: dict[str, Any]) -> None:
    async def call() -> None:
        kind(NOBODY).stream([], **options)

    with pytest.raises(TypeError, match=f"no option '{next(iter(options))}'; expected detectors"):
        asyncio.run(call())


def test_unknown_options_of_files_are_named() -> None:
    wrong: dict[str, Any] = {"threshold": 0.3}
    with Client(NOBODY) as client:
        for call in (client.spot, client.detect):
            with pytest.raises(TypeError, match="no option 'threshold'"):
                call(b"x", **wrong)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rate_hz", 22050.5),
        ("rate_hz", -1),
        ("channel_count", "2"),
        ("encoding", "bogus"),
        ("replies", "all"),
        ("channels", 2),
        ("detectors", "welcome"),
        ("thresholds", 0.5),
        ("thresholds", {"welcome": "a"}),
        ("false_alarms_per_hour", 0),
        ("false_alarms_per_hour", "one"),
        ("softmax_temperature", 0),
        ("timeout_s", 0),
        ("timeout_s", -1.0),
        ("timeout_s", float("nan")),
        ("timeout_s", float("inf")),
        ("detectors", ["\udce4"]),
        ("labels", ["\ud800"]),
    ],
)
def test_a_wrong_value_is_refused_by_name(option: str, value: object) -> None:
    wrong: dict[str, Any] = {option: value}
    with Client(NOBODY) as client, pytest.raises(InvalidInput, match=f"^{option}: got"):
        client.stream([], **wrong)
    with Client(NOBODY) as client, pytest.raises(InvalidInput, match=f"^{option}: got"):
        client.listen([], **wrong)


@pytest.mark.parametrize(
    ("option", "value"), [("max_boxes", 0), ("overlap_iou", 0), ("overlap_iou", float("nan"))]
)
def test_a_number_that_would_mean_the_default_is_refused(option: str, value: object) -> None:
    wrong: dict[str, Any] = {option: value}
    with Client(NOBODY) as client, pytest.raises(InvalidInput, match=f"^{option}: got"):
        client.detect(np.zeros((2, 2), np.uint8), **wrong)


def test_every_option_is_checked() -> None:
    assert set(EXPECTED) == {*StreamOptions.__annotations__, *DetectOptions.__annotations__}


def test_chunks_that_are_no_bytes_are_told_what_to_send(server: str) -> None:
    numbers: Any = [[0, 1, 2]]
    with (
        Client(server) as client,
        client.stream(numbers, detectors=["tiny"]) as stream,
        pytest.raises(TypeError, match="expected bytes or an array of samples"),
    ):
        list(stream)


@pytest.mark.parametrize(
    ("chunk", "told"),
    [
        (Gap(2**70), "gap.sample_count: got 1180591620717411303424"),
        (Gap(1.5), "gap.sample_count: got 1.5"),  # type: ignore[arg-type]
        (ChannelChunk(2**40, b""), "channel: got 1099511627776"),
        (ChannelChunk(0, Gap(-1)), "gap.sample_count: got -1"),
    ],
)
def test_a_gap_or_channel_that_cannot_be_sent_is_refused(
    server: str, chunk: Gap | ChannelChunk, told: str
) -> None:
    with Client(server) as client, client.stream(detectors=["tiny"]) as stream:
        with pytest.raises(InvalidInput, match=told):
            stream.send(chunk)
        stream.send(b"")
        stream.end()
        assert list(stream)


def test_an_array_where_chunks_belong_is_refused_as_such(server: str) -> None:
    """Its truth would be ambiguous."""

    async def play() -> list[SpotUpdate]:
        async with (
            AsyncClient(server) as client,
            client.stream(np.zeros(4, np.int16), detectors=["tiny"]) as stream,
        ):
            return [update async for update in stream]

    with pytest.raises(InvalidInput, match=r"got an array of shape \(\)"):
        asyncio.run(play())


def test_a_stream_is_opened_once(server: str) -> None:
    with (
        Client(server) as client,
        client.stream([], detectors=["tiny"]) as stream,
        pytest.raises(ValueError, match="opened already"),
        stream,
    ):
        raise AssertionError("opened twice")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (lambda path: f"{path}\0", "is no path: embedded null"),
        (lambda path: path.open(), "is open for text; open it in binary mode"),
        (lambda path: closed(path.open("rb")), "is closed, or not open for reading"),
        (lambda path: path.open("ab"), "is closed, or not open for reading"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(
    tmp_path: Path, source: Callable[[Path], Any], told: str
) -> None:
    (tmp_path / "note.txt").write_text("no sound")
    with Client(NOBODY) as client:
        for call in (client.spot, client.detect):
            wrong = source(tmp_path / "note.txt")
            with pytest.raises(InvalidInput, match=told):
                call(wrong)
            closed(wrong)


def closed(source: Any) -> Any:
    """The same, closed if it is a file."""
    if hasattr(source, "close"):
        source.close()
    return source


def test_a_source_that_fails_while_it_is_sent_tells_so_itself(server: str) -> None:
    """Though the server complains of the nothing that it got."""
    with Client(server) as client, pytest.raises(OSError, match="the disk is gone"):
        client.spot(Broken())  # type: ignore[arg-type]


class Broken:
    """A file on a disk that is gone."""

    def read(self, size: int) -> bytes:
        raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda c: list(c.score_many([b""], concurrency="4")), "got concurrency '4'"),
        (lambda c: list(c.score_many([b""], kind="video")), "kind: got 'video'; expected 'audio'"),
        (lambda c: c.train("video", "/data", "x"), "kind: got 'video'; expected 'keyword' or 'im"),
        (lambda c: c.model(None), "name: got None; expected text"),
        (lambda c: c.listen([], patience_s=-1), "patience_s: got -1; expected seconds"),
        (lambda c: c.listen([], patience_s=float("nan")), "patience_s: got nan"),
        (lambda c: c.listen([], patience_s="1"), "patience_s: got '1'"),
    ],
)
def test_other_wrong_arguments_are_named(call: Callable[[Client], Any], told: str) -> None:
    with Client(NOBODY) as client, pytest.raises(InvalidInput, match=told):
        call(client)


def test_parts_that_are_seldom_needed_are_there_by_name() -> None:
    assert callable(sweepnet.tables.pandas)
    assert callable(sweepnet.batch.score_archive)
    with pytest.raises(AttributeError, match="no attribute 'clint'"):
        _ = sweepnet.clint  # type: ignore[attr-defined]


@pytest.mark.parametrize("source", [None, 3])
def test_a_source_that_is_none_is_refused(source: Any) -> None:
    with Client(NOBODY) as client:
        for call in (client.spot, client.detect):
            with pytest.raises(InvalidInput, match="expected a path, the bytes"):
                call(source)
        with pytest.raises(InvalidInput, match="expected a list of sources"):
            list(client.score_many("w8.wav"))


def test_a_closed_client_says_so() -> None:
    client = Client(NOBODY)
    client.close()
    for call in (client.models, lambda: client.spot(b"x")):
        with pytest.raises(FailedPrecondition, match="the client is closed"):
            call()


def test_a_closed_asynchronous_client_says_so() -> None:
    async def play() -> None:
        client = AsyncClient(NOBODY)
        await client.close()
        calls: list[Callable[[], Awaitable[Any]]] = [client.models, lambda: client.spot(b"x")]
        for call in calls:
            with pytest.raises(FailedPrecondition, match="the client is closed"):
                await call()

    asyncio.run(play())


def test_a_host_that_has_no_address_is_not_said_to_have_gone() -> None:
    with Client("no-such-host.invalid:5") as client, pytest.raises(ServerUnavailable) as caught:
        client.models()
    assert "no server at no-such-host.invalid:5" in caught.value.message
    assert "--server" not in caught.value.message


def test_the_figures_of_the_card_come_before_those_of_tuning() -> None:
    point = OperatingPoint("one", 0.6, 0.25, None, 0.0)
    for card, told in (
        ({"test": {"miss_rate": 0.2, "false_alarms_per_hour": 1.0}}, "20.0%, 1 false alarm per"),
        (
            {"figures": {"parts": [{"name": "all", "recall": 0.6}], "false_boxes_per_negative": 1}},
            "40.0%, 1 false boxes per",
        ),
        ({}, "25.0%, 0 false boxes per"),
    ):
        model = Model("m", "image", ("one",), {"one": 0.6}, (point,), card, 1, 1, 0, 0, 0)
        assert figures(model, "one").startswith(f"misses {told}")
