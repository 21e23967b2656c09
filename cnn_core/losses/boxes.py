"""Box losses: how badly boxes overlap with the true ones.

A box is (left, top, right, bottom) along the last axis, in any unit.
"""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError, TrainingError
from cnn_core.losses.checks import expect_floating, expect_range, expect_shape
from cnn_core.losses.weighting import counted, spread, weighted_mean


def iou_loss(boxes: Array, targets: Array, weights: Array | None = None) -> tuple[float, Array]:
    """Mean of 1 - generalised IoU: boxes (..., 4), targets (..., 4), a weight a box (...).

    Generalised IoU (Rezatofighi et al. 2019) is IoU less the share of the common hull that neither
    box covers, so that boxes apart are drawn together.
    """
    expect_floating("iou_loss", boxes)
    expect_shape("iou_loss", "targets", targets.shape, boxes.shape)
    if boxes.shape[-1] != 4:
        raise ShapeError(f"iou_loss: got boxes of shape {boxes.shape}; expected 4 corners last")
    weights = spread("iou_loss", weights, boxes.shape[:-1])
    expect_range("iou_loss", targets, None if weights is None else weights[..., None])
    solid = np.asarray((targets[..., 2:] > targets[..., :2]).all(axis=-1))
    if not (solid if weights is None else solid | (weights == 0)).all():
        raise TrainingError(
            "iou_loss: got a target without area; expected left < right and top < bottom"
        )
    # A box that does not count may be anything, but nothing may be divided by an area of 0.
    solid &= np.isfinite(targets).all(axis=-1)
    true = np.where(solid[..., None], targets, [0, 0, 1, 1]).astype(boxes.dtype).reshape(-1, 4)
    giou, _, slopes = generalised_iou(counted(boxes, weights).reshape(-1, 4), true)
    return weighted_mean(1 - giou.reshape(solid.shape), -slopes.reshape(boxes.shape), weights)


def generalised_iou(predicted: Array, true: Array) -> tuple[Array, Array, Array]:
    """Pairs (n, 4), (n, 4) -> GIoU (n,), IoU (n,), d GIoU / d predicted (n, 4)."""
    size, d_size = _extent(predicted)
    true_size, _ = _extent(true)
    low = np.maximum(predicted[:, :2], true[:, :2])
    high = np.minimum(predicted[:, 2:], true[:, 2:])
    inside, d_inside = _extent(np.concatenate((low, high), axis=1))
    # A corner of the intersection moves with the prediction only where the prediction sets it.
    sets = np.concatenate((predicted[:, :2] > true[:, :2], predicted[:, 2:] < true[:, 2:]), axis=1)
    d_inside = d_inside * sets
    low = np.minimum(predicted[:, :2], true[:, :2])
    high = np.maximum(predicted[:, 2:], true[:, 2:])
    hull, d_hull = _extent(np.concatenate((low, high), axis=1))
    d_hull = d_hull * ~sets
    union = size + true_size - inside
    d_union = d_size - d_inside
    iou = inside / union
    giou = iou - (hull - union) / hull
    d_iou = (d_inside - iou[:, None] * d_union) / union[:, None]
    d_fill = (d_union - (union / hull)[:, None] * d_hull) / hull[:, None]
    return giou, iou, d_iou + d_fill


def _extent(boxes: Array) -> tuple[Array, Array]:
    """Area (n,) and its gradient (n, 4); both zero where a side is not positive."""
    width = boxes[:, 2] - boxes[:, 0]
    height = boxes[:, 3] - boxes[:, 1]
    solid = (width > 0) & (height > 0)
    gradient = np.stack((-height, -width, height, width), axis=1)
    return np.where(solid, width * height, 0), gradient * solid[:, None]
