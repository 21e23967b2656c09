"""A server on a real port, with small random detectors, and folders of data to train on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from PIL import Image

from cnn_core.layers import Conv1d, Relu, Sequential, Sigmoid
from sweepnet_protos.v1 import keyword_spotter_pb2_grpc
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.keyword import KeywordDetector, OperatingPoint, Placement
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.progress import Progress
from sweepnet_service.training import worker
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Order, Problem
from sweepnet_service.training.process import Budget, Done, Found, Told
from sweepnet_service.training.worker import Workplace

if TYPE_CHECKING:
    from .labour import Child

LABELS = ("one", "two")


def tiny_keyword() -> KeywordDetector:
    """A detector of two labels with random weights: its events are many and mean nothing."""
    rng = np.random.default_rng(7)
    features = LogMel()
    layers = (
        Conv1d.create(rng, features.bands, 8, kernel=5, stride=3),
        Relu(),
        Conv1d.create(rng, 8, len(LABELS), kernel=10),
        Sigmoid(),
    )
    return KeywordDetector(
        labels=LABELS,
        features=features,
        net=Sequential(layers),
        placements={label: Placement(0.1, 0.25) for label in LABELS},
        operating_points=dict.fromkeys(
            LABELS, (OperatingPoint(0.8, 0.1, 0.3, 4.0), OperatingPoint(0.6, 0.5, 0.1, 4.0))
        ),
        default_thresholds=dict.fromkeys(LABELS, 0.6),
        card={
            "about": "random weights",
            "figures": {"hours": 1.5},
            "calibration": {"one": {"reliability": {"error": 0.0123}}},
        },
    )


def tiny_image() -> ImageDetector:
    """A detector with random weights whose threshold lets many boxes through."""
    net = without_species(flower_net(np.random.default_rng(3), (4, 4, 8, 8, 8), pyramid=8))
    return ImageDetector(
        net=net,
        labels=("blob",),
        size_px=64,
        operating_points={},
        default_thresholds={"blob": 0.001},
        card={"about": "random weights"},
    )


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the detectors `tiny` and `blobs`."""
    folder = tmp_path_factory.mktemp("models")
    tiny_keyword().save(folder / "tiny.safetensors")
    tiny_image().save(folder / "blobs.safetensors")
    return folder


@pytest.fixture(scope="session")
def noise() -> Any:
    """Two channels of changing noise, float32 (48000, 2)."""
    rng = np.random.default_rng(11)
    loud = np.repeat(rng.uniform(0, 0.5, (60, 2)), 800, axis=0)
    return (rng.standard_normal((48_000, 2)) * loud).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="session")
def flower_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handful of labelled pictures: bright squares on dark ground."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "flowers" / "train").mkdir(parents=True)
    rng = np.random.default_rng(5)
    images, annotations = [], []
    for number in range(8):
        pixels = rng.integers(0, 60, (96, 96, 3), dtype=np.uint8)
        x, y = (int(v) for v in rng.integers(8, 50, 2))
        pixels[y : y + 32, x : x + 32] = (250, 220, 40)
        name = f"p{number}.png"
        Image.fromarray(pixels).save(folder / "flowers" / "train" / name)
        images.append({"id": number, "file_name": name, "complete": 1})
        annotations.append(
            {"image_id": number, "bbox": [x, y, 32, 32], "species": "daisy"},
        )
    listing = {"images": images, "annotations": annotations}
    (folder / "flowers" / "train.json").write_text(json.dumps(listing))
    return folder


@pytest.fixture(scope="session")
def server(
    tiny_models: Path, flower_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a server in a process of its own, as `sweepnet serve` starts it."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0"]
    # A folder of its own: what is trained there must not appear in the folder that others read.
    models = shutil.copytree(tiny_models, tmp_path_factory.mktemp("served") / "models")
    command += ["--models", str(models), "--training-roots", str(flower_data)]
    command += ["--data-sets", str(models.parent / "sets")]
    process = subprocess.Popen(
        [*command, "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listens at" in line, line
    yield line.split("listens at ")[1].split()[0]
    process.terminate()
    assert process.wait(15) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def spotter(server: str) -> Iterator[Any]:
    with grpc.insecure_channel(server) as channel:
        yield keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    folder = tmp_path / "models"
    folder.mkdir()
    kept = Keeping(folder)
    yield kept
    kept.close()


@pytest.fixture
def workplace(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A worker that looks often."""
    monkeypatch.setattr(worker, "BEAT_S", 0.01)
    assert keeping.models is not None
    return Workplace(keeping.models, keeping.database)


@pytest.fixture
def made(tiny_models: Path) -> Child:
    """A training that ends at once with a model."""

    async def child(order: Order, place: Path, *_: Any) -> AsyncGenerator[Told, None]:
        path = place / "made.safetensors"
        shutil.copy(tiny_models / "tiny.safetensors", path)
        yield Progress("steps", 1, 1)
        yield Found((Problem("a.wav", "too short"),))
        yield Budget(7)
        yield Done(str(path), "0" * 64)

    return child
