"""Losses: gradients are those that central differences measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cnn_core.losses import generalised_iou
from sweepnet_service.detectors.image.augment import Sample
from sweepnet_service.detectors.image.losses import (
    LossWeights,
    detection_loss,
    species_loss,
    varifocal,
)
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.targets import Targets, targets_of

ROWS = COLUMNS = 4


def _slope(function: Callable[[np.ndarray], float], at: np.ndarray, step: float) -> np.ndarray:
    """Central differences of a scalar function, entry by entry."""
    slope = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[index] = step
        slope[index] = (function(at + move) - function(at - move)) / (2 * step)
    return slope


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    low = rng.uniform(0, 50, (count, 2))
    return np.concatenate((low, low + rng.uniform(1, 60, (count, 2))), axis=1)


def test_giou_gradient_matches_central_differences_for_touching_and_separate_boxes() -> None:
    rng = np.random.default_rng(0)
    predicted, true = _boxes(rng, 60), _boxes(rng, 60)
    giou, iou, gradient = generalised_iou(predicted, true)

    measured = _slope(lambda p: float(generalised_iou(p, true)[0].sum()), predicted, 1e-5)

    np.testing.assert_allclose(gradient, measured, atol=1e-8)
    assert 5 < (iou == 0).sum() < 55
    assert (giou <= iou).all()
    assert (giou > -1).all()


def test_giou_of_a_box_with_itself_is_one() -> None:
    boxes = _boxes(np.random.default_rng(1), 5)

    giou, iou, _ = generalised_iou(boxes, boxes)

    np.testing.assert_allclose(giou, 1)
    np.testing.assert_allclose(iou, 1)


def test_varifocal_gradient_is_that_of_weighted_cross_entropy_with_fixed_weights() -> None:
    rng = np.random.default_rng(2)
    logits, background = rng.normal(0, 2, 30), rng.integers(0, 2, 30).astype(float)
    quality = rng.uniform(0, 1, 30) * (rng.random(30) < 0.4)
    p = 1 / (1 + np.exp(-logits))
    weight = (quality + background * p**2) / max(quality.sum(), 1)
    loss, gradient = varifocal(logits, quality, background)

    def entropy(x: np.ndarray) -> float:
        q = 1 / (1 + np.exp(-x))
        return float(-(weight * (quality * np.log(q) + (1 - quality) * np.log(1 - q))).sum())

    np.testing.assert_allclose(loss, entropy(logits))
    np.testing.assert_allclose(gradient, _slope(entropy, logits, 1e-6), atol=1e-7)


def test_species_gradient_matches_central_differences_and_skips_unknown() -> None:
    rng = np.random.default_rng(3)
    logits, species = rng.normal(0, 1, (2, 3, 4)), np.array([[0, -1, 3], [2, -1, 0]])
    _, gradient = species_loss(logits, species)

    measured = _slope(lambda x: species_loss(x, species)[0], logits, 1e-5)

    np.testing.assert_allclose(gradient, measured, atol=1e-8)
    assert not gradient[:, 1].any()


@pytest.fixture
def targets() -> Targets:
    boxes = np.array([[2.0, 3, 20, 25], [14, 10, 31, 30]])
    sample = Sample(
        pixels=np.zeros((ROWS * 8, COLUMNS * 8, 3), np.uint8),
        objects=Objects.of(boxes, np.array([1, 0])),
        ignored=np.zeros((0, 4)),
    )
    return targets_of([sample])


def test_side_and_species_gradients_of_the_whole_loss_match_central_differences(
    targets: Targets,
) -> None:
    outputs = np.random.default_rng(4).normal(0, 0.5, (1, ROWS, COLUMNS, 7))
    weights = LossWeights(box=2.0, species=0.2)
    _, gradient, _ = detection_loss(outputs, targets, weights)

    def boxes_and_species(x: np.ndarray) -> float:
        parts = detection_loss(x, targets, weights)[2]
        return 2.0 * parts.box + 0.2 * parts.species

    measured = _slope(boxes_and_species, outputs, 1e-6)
    np.testing.assert_allclose(gradient[..., 1:], measured[..., 1:], atol=1e-6)


def test_the_total_is_the_weighted_sum_of_its_parts(targets: Targets) -> None:
    outputs = np.random.default_rng(5).normal(0, 0.5, (1, ROWS, COLUMNS, 7))

    total, _, parts = detection_loss(outputs, targets, LossWeights(box=3.0, species=0.5))

    assert total == pytest.approx(parts.score + 3 * parts.box + 0.5 * parts.species)


def test_sides_beyond_the_limit_are_not_pushed_further() -> None:
    boxes = np.array([[0.0, 0, 32, 32]])
    sample = Sample(np.zeros((32, 32, 3), np.uint8), Objects.of(boxes), np.zeros((0, 4)))
    outputs = np.full((1, ROWS, COLUMNS, 5), 5.0)

    _, gradient, _ = detection_loss(outputs, targets_of([sample]), LossWeights())

    assert not gradient[..., 1:5].any()
