"""The Open Inference Protocol: windows in, scores out, by its own messages and by tritonclient."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from sweepnet_protos.kserve import grpc_predict_v2_pb2 as pb2
from sweepnet_protos.kserve import grpc_predict_v2_pb2_grpc as pb2_grpc
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.keyword import KeywordDetector, SpotSession
from sweepnet_service.server.app import Running, running
from sweepnet_service.server.settings import Settings
from sweepnet_service.store import Library, publishing

PYTHON = Path(__file__).resolve().parents[2] / ".peers" / "triton" / "bin" / "python"
TRITON = """
import json, sys
import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

client = InferenceServerClient(sys.argv[1])
windows = np.load(sys.argv[2])
metadata = client.get_model_metadata("tiny")
given = InferInput(metadata.inputs[0].name, list(windows.shape), metadata.inputs[0].datatype)
given.set_data_from_numpy(windows)
reply = client.infer("tiny", [given], outputs=[InferRequestedOutput("scores")], request_id="7")
print(json.dumps({
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model": client.is_model_ready("tiny"),
    "absent": client.is_model_ready("absent"),
    "server": client.get_server_metadata().name,
    "id": reply.get_response().id,
    "scores": reply.as_numpy("scores").tolist(),
}))
"""


@pytest.fixture(scope="module")
def inference(server: str) -> Iterator[Any]:
    with grpc.insecure_channel(server) as channel:
        yield pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.fixture(scope="module")
def tiny(tiny_models: Path) -> KeywordDetector:
    return KeywordDetector.load(tiny_models / "tiny.safetensors")


@pytest.fixture(scope="module")
def heard(tiny: KeywordDetector, noise: Any) -> tuple[Any, Any]:
    """Windows (n, samples) cut from a signal, and what a stream of it scores them."""
    signal = noise[:, 0]
    session = SpotSession(tiny, tiny.rate_hz)
    rows = [row for row in session.push(signal).windows if not row.warming][:40]
    windows = np.stack([signal[row.start : row.end] for row in rows])
    return windows, np.array([row.scores for row in rows])


def request(model: str, name: str, values: Any, datatype: str = "FP32", **more: Any) -> Any:
    tensor = pb2.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=values.shape
    )
    raw = [np.ascontiguousarray(values).tobytes()]
    return pb2.ModelInferRequest(
        **{"model_name": model, "inputs": [tensor], "raw_input_contents": raw, **more}
    )


def scores(reply: Any) -> Any:
    shape = list(reply.outputs[0].shape)
    return np.frombuffer(reply.raw_output_contents[0], "<f4").reshape(shape)


def test_a_window_has_the_score_that_a_stream_gives_it(
    inference: Any, heard: tuple[Any, Any]
) -> None:
    """Law: windows alone = the sweep."""
    windows, expected = heard
    reply = inference.ModelInfer(request("tiny", "audio", windows, id="x"))

    np.testing.assert_allclose(scores(reply), expected, atol=1e-5)
    assert (reply.model_name, reply.id) == ("tiny", "x")
    assert reply.parameters["labels"].string_param == "one,two"


def test_plain_contents_are_the_raw_ones(inference: Any, heard: tuple[Any, Any]) -> None:
    windows = heard[0][:2]
    raw = inference.ModelInfer(request("detectors/tiny", "audio", windows))
    plain = request("tiny", "audio", windows, raw_input_contents=[])
    plain.inputs[0].contents.fp32_contents.extend(windows.ravel().tolist())

    np.testing.assert_array_equal(scores(inference.ModelInfer(plain)), scores(raw))


def test_no_window_has_no_score(inference: Any, heard: tuple[Any, Any]) -> None:
    reply = inference.ModelInfer(request("tiny", "audio", heard[0][:0]))
    assert scores(reply).shape == (0, 2)


def test_pictures_are_scored_whole(inference: Any, tiny_models: Path) -> None:
    """Each by the largest score of its positions."""
    pictures = np.random.default_rng(1).integers(0, 255, (2, 70, 90, 3), dtype=np.uint8)
    detector = ImageDetector.load(tiny_models / "blobs.safetensors")
    expected = [detector.sweep(Picture(each, 90, 70)).presence for each in pictures]

    reply = inference.ModelInfer(request("blobs", "picture", pictures, "UINT8"))
    np.testing.assert_allclose(scores(reply), expected, atol=1e-6)


def test_models_tell_what_they_take_and_give(inference: Any, tiny: KeywordDetector) -> None:
    told = inference.ModelMetadata(pb2.ModelMetadataRequest(name="tiny"))

    assert told.platform == "sweepnet_keyword"
    assert list(told.inputs[0].shape) == [-1, int(tiny.window.size)]
    assert list(told.outputs[0].shape) == [-1, 2]
    picture = inference.ModelMetadata(pb2.ModelMetadataRequest(name="blobs")).inputs[0]
    assert (picture.datatype, list(picture.shape)) == ("UINT8", [-1, -1, -1, 3])


def test_a_number_is_the_version_of_that_number(tiny_models: Path, tmp_path: Path) -> None:
    """Also the first one, once another is live; and each answer tells which one gave it."""
    models = tmp_path / "models"
    models.mkdir()
    library = Library(models)
    both = [tiny_models / "blobs.safetensors", tmp_path / "other.safetensors"]
    first = ImageDetector.load(both[0])
    net = without_species(flower_net(np.random.default_rng(9), (4, 4, 8, 8, 8), pyramid=8))
    replace(first, net=net).save(both[1])
    for path in both:
        publishing.promote(library, publishing.publish(library, "detectors/blobs", path).name)
    shutil.copy(tiny_models / "tiny.safetensors", models)
    picture = np.random.default_rng(1).integers(0, 255, (1, 70, 90, 3), dtype=np.uint8)
    given = Picture(picture[0], 90, 70)
    expected = [float(ImageDetector.load(p).sweep(given).presence[0]) for p in both]
    assert abs(expected[0] - expected[1]) > 1e-4

    async def scene(app: Running) -> None:
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = pb2_grpc.GRPCInferenceServiceStub(channel)
            for asked, answering in (("1", 0), ("2", 1), ("", 1)):
                wanted = request("blobs", "picture", picture, "UINT8", model_version=asked)
                reply = await stub.ModelInfer(wanted)
                assert scores(reply) == pytest.approx(expected[answering], abs=1e-6)
                assert reply.model_version == str(answering + 1)
                told = await stub.ModelMetadata(
                    pb2.ModelMetadataRequest(name="blobs", version=asked)
                )
                assert list(told.versions) == [str(answering + 1)]
            alone = await stub.ModelMetadata(pb2.ModelMetadataRequest(name="tiny", version="1"))
            assert list(alone.versions) == ["1"]

    async def served() -> None:
        async with running(Settings(port=0, models=models, grace_s=0)) as app:
            await scene(app)

    asyncio.run(served())


ONE = np.zeros((1, 5_360), np.float32)
WRONG = {
    "no model named 'detectors/nope'": request("nope", "audio", ONE),
    "inputs: got [\"'sound'\"]; expected one, named 'audio'": request("tiny", "sound", ONE),
    "inputs: got []; expected one": request("tiny", "audio", ONE, inputs=[]),
    "got 'FP64' of shape [1, 5360]; expected FP32": request("tiny", "audio", ONE, "FP64"),
    "got 'FP32' of shape [1, 9]; expected FP32 of shape [-1, ": request(
        "tiny", "audio", ONE[:, :9]
    ),
    "got 'FP32' of shape [5360]; expected": request("tiny", "audio", ONE[0]),
    "got [3] raw bytes; expected those of shape": request(
        "tiny", "audio", ONE, raw_input_contents=[b"abc"]
    ),
    "got 0 values; expected": request("tiny", "audio", ONE, raw_input_contents=[]),
    "outputs: got 'boxes'; expected 'scores'": request(
        "tiny",
        "audio",
        ONE,
        outputs=[pb2.ModelInferRequest.InferRequestedOutputTensor(name="boxes")],
    ),
    "window 0 holds NaN": request("tiny", "audio", ONE * np.nan),
    "model_version: got 'new'; expected a whole number": request(
        "tiny", "audio", ONE, model_version="new"
    ),
    "got 0 x 5 px; expected 1 to": request(
        "blobs", "picture", np.zeros((1, 5, 0, 3), np.uint8), "UINT8"
    ),
}


@pytest.mark.parametrize("told", WRONG)
def test_wrong_requests_are_refused_with_reasons(inference: Any, told: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        inference.ModelInfer(WRONG[told])
    assert told in caught.value.details()  # type: ignore[attr-defined]


@pytest.mark.skipif(not PYTHON.exists(), reason="needs the program tritonclient")
def test_tritonclient_works_unchanged(server: str, heard: tuple[Any, Any], tmp_path: Path) -> None:
    """In an environment of its own (scripts/setup-triton): it needs another protobuf than ours."""
    np.save(tmp_path / "windows.npy", heard[0])
    command = [str(PYTHON), "-c", TRITON, server, str(tmp_path / "windows.npy")]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=bare
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    np.testing.assert_allclose(told.pop("scores"), heard[1], atol=1e-5)
    assert told == {
        "live": True,
        "ready": True,
        "model": True,
        "absent": False,
        "server": "sweepnet",
        "id": "7",
    }
