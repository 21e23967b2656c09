"""Live streams across promotions: who is heard keeps the version that heard it first."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from cnn_core.layers import Conv1d, Sequential
from sweepnet_protos.v1 import audio_pb2, keyword_spotter_pb2_grpc, model_pb2, model_pb2_grpc
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.store import Library, publishing

NAME = "detectors/tiny"
TOLERANCE = 1e-4
CHUNK = 3_200


@pytest.fixture(scope="module")
def two_versions(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose first version of `tiny` is live; the second one hears everything otherwise."""
    folder = tmp_path_factory.mktemp("promoted")
    models = shutil.copytree(tiny_models, folder / "models")
    detector = KeywordDetector.load(tiny_models / "tiny.safetensors")
    assert isinstance(detector.net, Sequential)
    *others, last, answer = detector.net.layers
    assert isinstance(last, Conv1d)
    turned = replace(last, weight=-last.weight)
    net = replace(detector.net, layers=(*others, turned, answer))
    replace(detector, net=net).save(folder / "turned.safetensors")
    publishing.publish(Library(models), NAME, folder / "turned.safetensors")
    return models


@pytest.fixture(scope="module")
def channel(two_versions: Path) -> Iterator[grpc.Channel]:
    """A channel to a server of these versions."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--log-level", "error"]
    process = subprocess.Popen(
        [*command, "--models", str(two_versions)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    address = process.stdout.readline().split("listens at ")[1].split()[0]
    with grpc.insecure_channel(address) as opened:
        yield opened
    process.terminate()
    assert process.wait(15) == 0
    process.stdout.close()


class Live:
    """A stream of one channel, spoken into piece by piece."""

    def __init__(self, channel: grpc.Channel, detector: str = NAME) -> None:
        self._pieces: queue.Queue[Any] = queue.Queue()
        shape = audio_pb2.AudioFormat(
            encoding=audio_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hz=16_000, channel_count=1
        )
        config = pb2.SpotConfig(detectors=[detector], audio_format=shape)
        self._pieces.put(pb2.StreamingSpotRequest(config=config))
        spotter = keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)
        self._replies = spotter.StreamingSpot(iter(self._pieces.get, None), timeout=60)
        self.scores: list[list[float]] = []
        assert next(self._replies).opened.detectors

    def say(self, samples: Any) -> None:
        for at in range(0, len(samples), CHUNK):
            piece = np.ascontiguousarray(samples[at : at + CHUNK]).tobytes()
            self._pieces.put(pb2.StreamingSpotRequest(audio=piece))

    def hear(self, seconds: float) -> None:
        """Read replies until so much of the audio is scored."""
        for reply in self._replies:
            told = reply.update.channels
            self.scores += [list(row.scores) for each in told for row in each.windows]
            ends = [row.end_sample for each in told for row in each.windows]
            if ends and max(ends) >= seconds * 16_000:
                return

    def end(self) -> Any:
        self._pieces.put(None)
        self.hear(1e9)
        return np.array(self.scores)


def whole(channel: grpc.Channel, version: str, samples: Any) -> Any:
    """Scores of a stream that nothing happened to."""
    stream = Live(channel, version)
    stream.say(samples)
    return stream.end()


def test_a_stream_open_across_promotions_stays_with_its_version(
    channel: grpc.Channel, noise: Any
) -> None:
    """To the last window, through a promotion, a roll back and the deletion of what it hears with;
    streams begun behind each have the version of then.
    """
    samples = noise[:, 0]
    old, new = (whole(channel, f"{NAME}/versions/{number}", samples) for number in (1, 2))
    assert np.abs(old - new).max() > 0.1
    models = model_pb2_grpc.ModelServiceStub(channel)
    third = len(samples) // 3

    before = Live(channel)
    before.say(samples[:third])
    before.hear(0.5)
    models.PromoteModel(model_pb2.PromoteModelRequest(name=f"{NAME}/versions/2"))
    during = Live(channel)
    for stream, part in ((before, samples[third : 2 * third]), (during, samples[:third])):
        stream.say(part)
    during.hear(0.5)
    models.RollBackModel(model_pb2.RollBackModelRequest(name=NAME))
    models.DeleteModel(model_pb2.DeleteModelRequest(name=f"{NAME}/versions/2"))
    behind = Live(channel)
    for stream, part in (
        (before, samples[2 * third :]),
        (during, samples[third:]),
        (behind, samples),
    ):
        stream.say(part)

    for stream, expected in ((before, old), (during, new), (behind, old)):
        np.testing.assert_allclose(stream.end(), expected, atol=TOLERANCE)
