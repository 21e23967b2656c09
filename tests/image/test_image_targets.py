"""Targets: where heat lies, what counts as background, which box a cell answers for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweepnet_service.detectors.image.augment import Sample
from sweepnet_service.detectors.image.boxes import area
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.targets import Targets, gaussians, inside_any, targets_of

SIZE = 128
CELLS = SIZE // 8


def _targets(boxes: list[list[float]], ignored: list[list[float]] | None = None) -> Targets:
    sample = Sample(
        pixels=np.zeros((SIZE, SIZE, 3), np.uint8),
        objects=Objects.of(np.array(boxes, float).reshape(-1, 4), np.arange(len(boxes))),
        ignored=np.array(ignored or [], float).reshape(-1, 4),
    )
    return targets_of([sample])


@st.composite
def box_lists(draw: st.DrawFn) -> list[list[float]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    low = rng.uniform(0, SIZE - 20, (draw(st.integers(1, 6)), 2))
    high = np.minimum(low + rng.uniform(6, SIZE, low.shape), SIZE)
    return np.concatenate((low, high), axis=1).tolist()


@given(box_lists())
def test_heat_peaks_at_one_in_the_cell_of_each_box_centre(boxes: list[list[float]]) -> None:
    heats = gaussians(np.array(boxes), CELLS, CELLS)

    for (x0, y0, x1, y1), heat in zip(boxes, heats, strict=True):
        assert heat[int((y0 + y1) / 2 // 8), int((x0 + x1) / 2 // 8)] == 1
        assert heat.max() == 1
        assert heat.min() >= 0


@given(box_lists())
def test_background_is_everything_outside_the_boxes(boxes: list[list[float]]) -> None:
    found = _targets(boxes)

    outside = ~inside_any(np.array(boxes), CELLS, CELLS)
    # The cell of a centre belongs to its box even where its own centre does not.
    outside &= found.heat[0] == 0
    assert (found.background[0, ..., 0].astype(bool) == outside).mean() > 0.95
    assert (found.background[0, ..., 0].astype(bool) <= outside).all()


@given(box_lists())
def test_each_box_that_keeps_cells_weighs_the_logarithm_of_its_area(
    boxes: list[list[float]],
) -> None:
    found = _targets(boxes)

    for box in np.float32(boxes):
        own = (found.boxes[0] == box).all(axis=-1) & (found.heat[0] > 0)
        if own.any():
            np.testing.assert_allclose(found.box_weight[0][own].sum(), np.log(area(box)), rtol=1e-4)


@given(box_lists())
def test_mirrored_boxes_have_mirrored_targets(boxes: list[list[float]]) -> None:
    # Boxes whose centre lies on the border of two cells have no mirrored centre cell.
    boxes = [b for b in boxes if abs((b[0] + b[2]) / 2 % 8 - 4) < 3.9]
    mirrored = [[SIZE - x1, y0, SIZE - x0, y1] for x0, y0, x1, y1 in boxes]

    plain, other = _targets(boxes), _targets(mirrored)

    np.testing.assert_allclose(other.heat[0], plain.heat[0][:, ::-1], atol=1e-6)


def test_of_two_boxes_the_smaller_one_has_the_cell() -> None:
    small, large = [40.0, 40, 72, 72], [0.0, 0, 112, 112]

    found = _targets([large, small])

    assert found.boxes[0, 7, 7].tolist() == small
    assert found.species[0, 7, 7] == 1


def test_ignored_regions_are_no_background() -> None:
    found = _targets([], [[0, 0, 64, 128]])

    assert not found.background[0, :, :8].any()
    assert found.background[0, :, 8:].all()
    assert not found.heat.any()
    assert (found.species == -1).all()
