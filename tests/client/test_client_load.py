"""The tools that load and spoil: a sample of the fuzzing, and what the load generator rests on."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepnet import Client
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb

LOAD = Path(__file__).resolve().parents[2] / "benchmarks" / "load"


@pytest.fixture(scope="module")
def tool() -> Iterator[Callable[[str], Any]]:
    """A module of benchmarks/load by its file's name."""
    sys.path.insert(0, str(LOAD))

    def found(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"load_{name}", LOAD / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    yield found
    sys.path.remove(str(LOAD))


def test_spoilt_messages_end_their_calls_and_nothing_else(
    tool: Callable[[str], Any], server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample of `make fuzz`: each call gets a status, real ones their answer afterwards."""
    fuzz = tool("fuzz")
    assert fuzz.fuzz(server, os.getpid(), 250, 5, lambda _: 0), capsys.readouterr().out


def test_bytes_that_are_no_message_are_the_callers_fault(server: str) -> None:
    """Found by `make fuzz`: they were told as a failure of the server, and logged as one."""
    with grpc.insecure_channel(server) as channel:
        call = channel.stream_stream("/sweepnet.v1.KeywordSpotterService/StreamingSpot")
        with pytest.raises(grpc.RpcError) as told:
            list(call(iter([b"\x0a\xff\xff"]), timeout=20))
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


@given(st.integers(0, 2**62), st.integers(0, 3))
def test_how_far_a_stream_was_read_is_found_without_decoding(
    read_until: int, channels: int
) -> None:
    sys.path.insert(0, str(LOAD))
    try:
        import wire
    finally:
        sys.path.remove(str(LOAD))
    update = pb.SpotUpdate(read_until=read_until, channels=[pb.ChannelUpdate()] * channels)
    reply = pb.StreamingSpotResponse(update=update).SerializeToString()

    assert reply[0] == wire.UPDATE
    assert wire.read_until(reply) == read_until


@given(st.integers(0, 3_000), st.integers(1, 200))
def test_bisection_finds_the_most_to_a_twentieth(most: int, first: int) -> None:
    spec = importlib.util.spec_from_file_location("load_main", LOAD / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    found = load.most(lambda count: count <= most, first)

    assert found <= most
    assert most - found <= max(1, load.CLOSE * (found + 1) * 1.06 + 1)


def test_a_short_load_is_answered(
    tool: Callable[[str], Any], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generator against a real server, as `make bench-load` runs it."""
    load = tool("__main__")
    with load.server([str(LOAD / "echo.py")]) as (address, process):
        told = load.trial(address, 2, 0.5)
        assert told["answered"] == told["sent"] > 0
        assert told["accepted"] == 2
        assert load.memory_kib(process) > 1_000
    with Client(server) as client:
        assert client.ready()
