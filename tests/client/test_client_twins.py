"""Both clients: the same methods, arguments and words, the same answers."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from google.protobuf.message import Message

import sweepnet
from sweepnet import AsyncClient, AsyncListening, Client, Listening
from sweepnet.aio import AsyncSpotStream
from sweepnet.client import SpotStream


def members(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("one", "other"),
    [(Client, AsyncClient), (SpotStream, AsyncSpotStream), (Listening, AsyncListening)],
    ids=["client", "stream", "listening"],
)
def test_both_clients_have_the_same_methods_with_the_same_arguments(one: type, other: type) -> None:
    assert list(members(one)) == list(members(other))
    for name, method in members(one).items():
        twin = members(other)[name]
        if not callable(method):
            continue
        assert list(inspect.signature(method).parameters) == list(
            inspect.signature(twin).parameters
        ), name
        annotations = {k: v for k, v in method.__annotations__.items() if k != "return"}
        twins = {k: v for k, v in twin.__annotations__.items() if k != "return"}
        if name not in ("stream", "listen", "detect_stream"):  # which take what is awaited too
            assert annotations == twins, name


@pytest.mark.parametrize(
    ("one", "other"), [(Client, AsyncClient), (SpotStream, AsyncSpotStream)], ids=str
)
def test_each_method_is_described_once(one: type, other: type) -> None:
    for name, method in members(one).items():
        assert method.__doc__, name
        assert members(other)[name].__doc__ == method.__doc__


def test_no_class_of_the_contract_leaks() -> None:
    """What methods return, and what is in it, are records of the client or plain values."""
    seen = set[str]()

    def look(kind: Any) -> None:
        for each in (get_origin(kind), *get_args(kind), kind):
            if each is kind and isinstance(each, type) and each.__name__ not in seen:
                seen.add(each.__name__)
                assert not issubclass(each, Message), each
                for field in get_type_hints(each).values() if is_dataclass(each) else ():
                    look(field)
            elif each is not kind and each is not None:
                look(each)

    for one in (Client, SpotStream, Listening):
        for name, method in (*members(one).items(), ("__iter__", getattr(one, "__iter__", None))):
            if method is not None:
                hints = get_type_hints(method.fget if isinstance(method, property) else method)
                assert "return" in hints, name
                look(hints["return"])
    assert {"SpotUpdate", "WindowScore", "Detections", "Box", "Model", "Scored"} <= seen


def test_what_is_exported_is_there() -> None:
    assert sorted(sweepnet.__all__) == sorted(set(sweepnet.__all__))
    assert all(hasattr(sweepnet, name) for name in sweepnet.__all__)
