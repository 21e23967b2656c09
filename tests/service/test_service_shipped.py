"""The shipped models behind a real server: streaming equals scanning, and pictures are answered."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_core.scan import scan
from sweepnet_protos.v1 import (
    audio_pb2,
    image_detector_pb2,
    image_detector_pb2_grpc,
    keyword_spotter_pb2,
    keyword_spotter_pb2_grpc,
)
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.store import SHIPPED

WELCOME, FLOWER = SHIPPED / "welcome.safetensors", SHIPPED / "flower.safetensors"
LARGEST_BYTES = 4 * 1000 * 1000


@pytest.fixture(scope="module")
def channel(server: str) -> Any:
    with grpc.insecure_channel(server) as opened:
        yield opened


def test_both_models_are_shipped_and_small() -> None:
    for path in (WELCOME, FLOWER):
        assert path.stat().st_size <= LARGEST_BYTES
        assert path.with_suffix(".md").exists()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.integers(0, 32_000), max_size=10))
def test_welcome_streams_as_it_scans(channel: Any, noise: Any, places: list[int]) -> None:
    detector = KeywordDetector.load(WELCOME)
    samples = noise[:32_000, 0].copy()
    silence = np.zeros(detector.padding_samples, np.float32)
    frames = detector.features.frames(np.concatenate([silence, samples, silence]))
    expected = scan(detector.net, frames[None]).scores[0]

    shape = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hz=16_000, channel_count=1
    )
    wanted = keyword_spotter_pb2.SpotConfig(detectors=["detectors/welcome"], audio_format=shape)
    request = keyword_spotter_pb2.StreamingSpotRequest
    pieces = [request(audio=x.tobytes()) for x in np.split(samples, sorted(places))]
    stub = keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)
    replies = stub.StreamingSpot(iter([request(config=wanted), *pieces]))
    told = [w.scores for r in replies for c in r.update.channels for w in c.windows]

    np.testing.assert_allclose(np.array([list(row) for row in told]), expected, atol=1e-4)


def test_flower_answers_as_the_detector_alone_does(channel: Any) -> None:
    """The same boxes through the server as in this process."""
    file = BytesIO()
    Image.effect_noise((320, 200), 80).convert("RGB").save(file, "PNG")
    stub = image_detector_pb2_grpc.ImageDetectorServiceStub(channel)
    wanted = image_detector_pb2.DetectConfig(
        detectors=["detectors/flower"], thresholds={"flower": 0.001}, include_score_map=True
    )
    request = image_detector_pb2.DetectRequest(config=wanted, image=file.getvalue())

    (told,) = stub.Detect(request).results

    from sweepnet_service.detectors.image import DetectOptions

    alone = ImageDetector.load(FLOWER).detect(
        file.getvalue(), DetectOptions(thresholds={"flower": 0.001}, score_map=True)
    )
    assert (told.width_px, told.height_px) == (320, 200)
    assert dict(told.scores) == pytest.approx(alone.scores, abs=1e-5)
    assert [box.x_min_px for box in told.boxes] == pytest.approx(
        [box.x_min_px for box in alone.boxes], abs=0.01
    )
    assert alone.score_map is not None
    assert (told.score_map.row_count, told.score_map.column_count) == alone.score_map.scores.shape[
        :2
    ]


def test_the_shipped_folder_is_in_the_package() -> None:
    assert SHIPPED.is_dir()
    assert {path.suffix for path in Path(SHIPPED).iterdir() if path.is_file()} <= {
        ".safetensors",
        ".md",
    }
