"""What a box was made from: fields within the picture, relevance within the field."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sweepnet_service.detectors.image import DetectOptions, ImageDetector, PictureExplanation
from sweepnet_service.detectors.image.boxes import Letterbox
from sweepnet_service.detectors.image.explanation import (
    MOST_EXPLAINED,
    gathered,
    on_picture,
)
from sweepnet_service.detectors.image.network import flower_net, without_species


@pytest.fixture(scope="module")
def detector() -> ImageDetector:
    """Random weights; a low threshold lets many boxes through."""
    net = without_species(flower_net(np.random.default_rng(3), (4, 4, 8, 8, 8), pyramid=8))
    return ImageDetector(net, ("thing",), 64, {}, {"thing": 0.001}, {})


def explanations(
    detector: ImageDetector, size: tuple[int, int], **asked: object
) -> tuple[tuple[PictureExplanation, ...], int]:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    found = detector.detect(file.getvalue(), DetectOptions(**{"explanations": True, **asked}))  # type: ignore[arg-type]
    return found.explanations, len(found.boxes)


@pytest.mark.parametrize("size", [(64, 64), (200, 90), (31, 120), (300, 2)])
def test_fields_and_relevance_lie_in_any_picture(
    detector: ImageDetector, size: tuple[int, int]
) -> None:
    told, boxes = explanations(detector, size)

    assert 1 <= len(told) <= MOST_EXPLAINED
    assert len(told) == min(MOST_EXPLAINED, max(1, boxes))
    for each in told:
        x0, y0, x1, y1 = each.field_px
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]
        left, top, right, bottom = each.effective_px
        assert x0 - 1e-6 <= left <= right <= x1 + 1e-6
        assert y0 - 1e-6 <= top <= bottom <= y1 + 1e-6
        assert each.relevance.max() == pytest.approx(1)
        assert each.relevance.min() >= 0


def test_the_best_boxes_are_explained_in_order(detector: ImageDetector) -> None:
    told, _ = explanations(detector, (90, 70))

    assert [each.score for each in told] == sorted((each.score for each in told), reverse=True)


def test_without_a_box_the_highest_place_is_explained(detector: ImageDetector) -> None:
    (told,), boxes = explanations(detector, (90, 70), thresholds={"thing": 1.0}, score_map=True)

    assert boxes == 0
    assert 0 < told.score < 1


def test_nobody_explains_unasked(detector: ImageDetector) -> None:
    assert explanations(detector, (90, 70), explanations=False)[0] == ()


def test_the_border_round_a_picture_is_no_part_of_it() -> None:
    """A strong gradient just outside shares cells with the picture, and counts nowhere."""
    box = Letterbox.of(64, 36, 64)
    assert box.inner == (0, 14, 64, 50)
    energy = np.full((64, 64), 100.0)
    energy[14:50] = 1.0
    energy[20, 20] = 4.0

    inside = on_picture(energy, box)
    strength, first = gathered(inside, box)

    assert inside.sum() == 36 * 64 + 3
    assert first == (3, 0)
    assert np.argmax(strength) == 2 * 16 + 5
    assert strength[0, 0] == pytest.approx(np.sqrt(8 / 19))
