"""What the pages show for grpcurl does what they say, by reflection alone, as grpcurl does it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "clients/python/sweepnet/demo/assets/flower.png"
PAGES = (ROOT / "README.md", ROOT / "docs" / "serving.md")
COMMANDS = list(
    dict.fromkeys(
        line
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("grpcurl ")
    )
)


@pytest.fixture(scope="module")
def channel(server: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server) as opened:
        yield opened


def arguments(command: str, folder: Path) -> list[str]:
    """What the shell hands to grpcurl."""
    script = "grpcurl() { printf '%s\\0' \"$@\"; }\n" + command
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def grpcurl(channel: grpc.Channel, plain: str, *words: str) -> Any:
    """The services, or a reply as JSON; nothing is known but what the server tells of itself."""
    assert plain == "-plaintext"
    *data, address, wanted = words
    assert address == "localhost:50051"
    told = ProtoReflectionDescriptorDatabase(channel)
    if wanted == "list":
        return list(told.get_services())
    service, name = wanted.split("/")
    method = DescriptorPool(told).FindServiceByName(service).methods_by_name[name]
    request = message_factory.GetMessageClass(method.input_type)()
    json_format.Parse(data[1] if data else "{}", request)
    call: Any = channel.unary_unary(
        f"/{service}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    return json_format.MessageToDict(call(request, timeout=60))


@pytest.fixture(scope="module")
def answers(channel: grpc.Channel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answer to each command of the pages, by the last word of it."""
    folder = tmp_path_factory.mktemp("shell")
    shutil.copy(PICTURE, folder / "garden.jpg")
    told = {}
    for command in COMMANDS:
        words = arguments(command, folder)
        told[re.split(r"[/.]", words[-1])[-1]] = grpcurl(channel, *words)
    return told


def test_the_readme_shows_it() -> None:
    assert "grpcurl -plaintext localhost:50051 list" in PAGES[0].read_text(encoding="utf-8")


def test_services_are_listed(answers: dict[str, Any]) -> None:
    assert {"sweepnet.v1.KeywordSpotterService", "inference.GRPCInferenceService"} <= {
        *answers["list"]
    }


def test_a_model_is_told(answers: dict[str, Any]) -> None:
    assert answers["GetModel"]["model"]["name"] == "detectors/welcome"


def test_a_flower_is_found(answers: dict[str, Any]) -> None:
    flower = next(r for r in answers["Detect"]["results"] if r["detector"] == "detectors/flower")
    assert [box["label"] for box in flower["boxes"]] == ["flower"]


def test_health_is_told(answers: dict[str, Any]) -> None:
    assert answers["Check"] == {"status": "SERVING"}
