"""The shipped flower model: small, readable, quiet on noise; its card's figures come out."""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sweepnet_service
from cnn_core.tree import count_weights
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.card import markdown
from sweepnet_service.detectors.image.evaluate import measure
from sweepnet_service.detectors.image.figures import average_precision, presence_auc
from sweepnet_service.errors import ModelUnreadable

MODEL = Path(str(files(sweepnet_service))) / "models" / "flower.safetensors"


@pytest.fixture(scope="module")
def flower() -> ImageDetector:
    return ImageDetector.load(MODEL)


def _jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def test_it_is_small(flower: ImageDetector) -> None:
    assert MODEL.stat().st_size <= 4_000_000
    assert count_weights(flower.net) <= 950_000
    assert flower.labels == ("flower",)


def test_its_card_beside_it_is_the_one_inside(flower: ImageDetector) -> None:
    assert MODEL.with_suffix(".md").read_text() == markdown("flower", flower.card)


def test_its_threshold_is_one_of_its_operating_points(flower: ImageDetector) -> None:
    stated = [point.threshold for point in flower.operating_points["flower"]]

    assert flower.default_thresholds["flower"] in stated


def test_it_finds_nothing_in_grey_and_noise(flower: ImageDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)

    for pixels in (np.full((300, 400, 3), 128, np.uint8), noise):
        assert flower.detect(_jpeg(pixels)).boxes == ()


@pytest.mark.needs_data
@pytest.mark.slow
def test_its_figures_come_out_again(flower: ImageDetector, data_dir: Path) -> None:
    told = flower.card["figures"]["parts"][0]

    measured = measure(flower, data_dir / "images")["flower"]

    ap50 = average_precision(measured.complete)
    assert ap50 == pytest.approx(told["ap50"], abs=0.005)
    auc = presence_auc(measured.present, measured.false)
    assert auc == pytest.approx(told["presence_auc"], abs=0.005)
    assert ap50 >= 0.65


def test_a_model_of_another_kind_is_told_apart() -> None:
    """It was told that its description lacks KeyError('input')."""
    with pytest.raises(ModelUnreadable, match="got kind 'keyword'; expected 'image'"):
        ImageDetector.load(MODEL.with_name("welcome.safetensors"))
