"""Health, reflection, models in pages, statuses with details; the contract's names and comments."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from cnn_core.errors import ModelFileError
from sweepnet_protos import v1
from sweepnet_protos.v1 import (
    audio_pb2,
    image_detector_pb2,
    keyword_spotter_pb2,
    model_pb2,
    model_pb2_grpc,
    trainer_pb2,
)
from sweepnet_service import errors
from sweepnet_service.errors import InvalidInput
from sweepnet_service.server.app import SERVICES
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import TABLE, status_of

FILES = (audio_pb2, image_detector_pb2, keyword_spotter_pb2, model_pb2, trainer_pb2)
PROTOS = sorted(Path(v1.__file__).parent.glob("*.proto"))


@pytest.fixture(scope="module")
def channel(server: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server) as opened:
        yield opened


def test_health_knows_the_server_and_each_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", *SERVICES):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_services(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]))))

    names = {service.name for service in answer.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= names
    assert "sweepnet.v1.KeywordSpotterService" in names


def test_models_are_listed_in_pages(channel: grpc.Channel) -> None:
    """Pages of one hold, one after the other, what one large page holds."""
    stub = model_pb2_grpc.ModelServiceStub(channel)
    whole = [model.name for model in stub.ListModels(model_pb2.ListModelsRequest()).models]
    names, token = [], ""
    while True:
        answer = stub.ListModels(model_pb2.ListModelsRequest(page_size=1, page_token=token))
        assert len(answer.models) == 1
        names += [model.name for model in answer.models]
        token = answer.next_page_token
        if not token:
            break

    assert names == whole == sorted(whole)
    assert {"detectors/tiny", "detectors/blobs"} <= set(names)


def test_models_are_listed_by_kind(channel: grpc.Channel) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    request = model_pb2.ListModelsRequest(kind=model_pb2.MODEL_KIND_IMAGE)

    models = stub.ListModels(request).models

    assert "detectors/blobs" in [model.name for model in models]
    assert {model.kind for model in models} == {model_pb2.MODEL_KIND_IMAGE}


def test_a_model_is_told_with_its_card(channel: grpc.Channel) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)

    model = stub.GetModel(model_pb2.GetModelRequest(name="detectors/tiny")).model

    assert list(model.labels) == ["one", "two"]
    assert model.card["figures"]["hours"] == 1.5
    assert model.default_thresholds["two"] == 0.6
    first, rarer, *_ = model.operating_points
    assert (first.false_alarms_per_hour, first.measured_hours, first.extrapolated) == (
        0.5,
        4,
        False,
    )
    assert (rarer.false_alarms_per_hour, rarer.measured_hours, rarer.extrapolated) == (0.1, 4, True)
    assert (model.sample_rate_hz, model.hop_s, model.error) == (16_000, 0.03, "")


def test_a_model_is_told_with_its_network(channel: grpc.Channel) -> None:
    """Layer by layer, for one window; a list of models leaves it out."""
    stub = model_pb2_grpc.ModelServiceStub(channel)
    told = stub.GetModel(model_pb2.GetModelRequest(name="detectors/tiny"))

    frames = told.network.input_shape[1]
    assert told.network.layers[-1].receptive_field == [frames]
    assert told.network.layers[-1].output_shape == [1, 1, len(told.model.labels)]
    assert told.network.layers[0].layer.startswith("Conv1d(40 -> ")
    assert sum(layer.parameter_count for layer in told.network.layers) > 0


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("detectors/nope", grpc.StatusCode.NOT_FOUND, "no model named 'detectors/nope'"),
        ("nope", grpc.StatusCode.INVALID_ARGUMENT, "expected a name such as"),
        ("detectors/../x", grpc.StatusCode.INVALID_ARGUMENT, "expected a name such as"),
        ("", grpc.StatusCode.INVALID_ARGUMENT, "got ''"),
    ],
)
def test_an_unknown_model_is_told_of(
    channel: grpc.Channel, name: str, code: grpc.StatusCode, words: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        model_pb2_grpc.ModelServiceStub(channel).GetModel(model_pb2.GetModelRequest(name=name))

    assert caught.value.code() is code
    assert words in caught.value.details()


def test_errors_carry_machine_readable_details(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        model_pb2_grpc.ModelServiceStub(channel).ListModels(
            model_pb2.ListModelsRequest(page_token="broken")
        )
    status = rpc_status.from_call(caught.value)
    information, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(information)
    assert (information.reason, information.domain) == ("INVALID_INPUT", "sweepnet")
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "page_token"


def test_every_error_of_the_domain_has_a_status() -> None:
    """None of them falls to INTERNAL."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.SweepnetError)
    ]
    leaves = [kind for kind in kinds if kind is not errors.SweepnetError]
    assert len(leaves) >= 5
    for kind in leaves:
        assert status_of(kind("here", "why")).message == "here: why"
    assert status_of(ModelFileError("damaged")).message == "damaged"
    assert len({code for _, code, _ in TABLE}) >= 6


@pytest.mark.parametrize("letter", ["x", "ü", "🌼", "\x00"])
def test_an_error_fits_into_the_metadata_of_a_call(letter: str) -> None:
    """gRPC takes 8 kB of it, percent signs and base64 included."""
    status = status_of(InvalidInput(letter * 20_000, letter * 20_000))
    sent = rpc_status.to_status(status)
    size = len(quote(sent.details)) + sum(4 * len(v) / 3 for _, v in sent.trailing_metadata)
    assert size < 6_000
    assert status.message.endswith("...")


def test_folders_of_the_server_are_not_told() -> None:
    """Of a file, its name is."""
    status = status_of(InvalidInput("/srv/data/a.json", "no list; see '/srv/data/b.md' or a/b/c"))
    assert status.message == "a.json: no list; see 'b.md' or a/b/c"
    assert b"srv" not in status.SerializeToString()


def test_a_fault_says_nothing_of_its_inside() -> None:
    assert "secret" not in status_of(RuntimeError("secret.wav")).message


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_hold_everything_once(size: int) -> None:
    keys = [f"k{number:03}" for number in range(7)]
    seen, token = [], ""
    while True:
        part, token = page(keys, size, token)
        seen += part
        if not token:
            break
    assert seen == keys


def test_a_page_is_not_shifted_by_what_comes_and_goes() -> None:
    first, token = page(["a", "c", "e"], 2, "")
    second, _ = page(["b", "e"], 2, token)
    assert (first, second) == (["a", "c"], ["e"])


def test_a_foreign_token_is_refused() -> None:
    with pytest.raises(InvalidInput, match="page_token: not a token of this server"):
        page(["a"], 1, "%%%")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.DESCRIPTOR.name)
def test_names_follow_the_standard(file: Any) -> None:
    """buf's STANDARD rules, but for PACKAGE_DIRECTORY_MATCH."""
    descriptor = file.DESCRIPTOR
    assert descriptor.package == "sweepnet.v1"
    for service in descriptor.services_by_name.values():
        assert service.name.endswith("Service")
        for method in service.methods:
            assert method.input_type.name == f"{method.name}Request"
            long_running = "google.longrunning.Operation"
            assert method.output_type.full_name in (
                f"sweepnet.v1.{method.name}Response",
                long_running,
            )
    for enum in descriptor.enum_types_by_name.values():
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
        assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
        assert all(value.name.startswith(prefix) for value in enum.values)
    for message in descriptor.message_types_by_name.values():
        for field in message.fields:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field.name)


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.name)
def test_every_part_of_the_contract_is_documented(path: Path) -> None:
    """Each service, RPC, message, field, enum and value has a comment above it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    part = re.compile(
        r"\s*(service|rpc|message|enum|oneof)\b|\s*[\w.<>, ]+ \w+ = \d+;|\s+\w+ = \d;"
    )
    bare = [
        f"{path.name}:{number + 1}: {line.strip()}"
        for number, line in enumerate(lines)
        if part.match(line) and not lines[number - 1].strip().startswith("//")
    ]
    assert bare == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_told_server_ends_well(number: signal.Signals, tiny_models: Path) -> None:
    """Ready quickly, and gone with exit code 0 when told."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0"]
    with subprocess.Popen(
        [*command, "--models", str(tiny_models)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "sweepnet listens at 127.0.0.1:" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()
