"""A detector's network as an ONNX model, with what a program around it has to do in its metadata.

The model holds the network only. What comes before it (features, pixels) and after it (thresholds,
boxes, events) is told in the metadata: one JSON document an entry.
"""

from __future__ import annotations

import json
from functools import singledispatch
from pathlib import Path
from typing import Any

from cnn_core import onnx_export
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.detector import input_settings
from sweepnet_service.detectors.image.layout import PRESENCE, Layout
from sweepnet_service.detectors.image.network import TOTAL_STRIDE_PX
from sweepnet_service.detectors.keyword import KeywordDetector

KEYWORD_INPUT = (
    "Mel frames, float32 (batch, frames, bands). Mono samples from -1 to 1 at rate_hz; frame "
    "i is samples [i * hop_samples, i * hop_samples + width_samples), times the periodic Hann "
    "window; the power |rfft(frame, fft_samples)|^2; triangles of height 1 over bands + 2 points "
    "evenly spaced in mel = 2595 * log10(1 + hertz / 700) from low_hz to high_hz; "
)
KEYWORD_OUTPUT = (
    "Scores from 0 to 1, float32 (batch, windows, labels). Window i is frames [i * step_frames, "
    "i * step_frames + size_frames); a label is heard where its score reaches the threshold. Put "
    "padding_samples of silence before and after a recording, so that a word at its edge is scored."
)
IMAGE_INPUT = (
    "Pixels, float32 (batch, rows, columns, 3), red green blue, (value - mean) / scale of values 0 "
    "to 255. Rows and columns are multiples of total_stride_px; pictures are fitted into a square "
    "of size_px with the border value around them."
)
IMAGE_OUTPUT = (
    "Float32 (batch, rows / stride_px, columns / stride_px, channels): for each label a score's "
    "logit (score = 1 / (1 + exp(-logit))), then left, top, right, bottom. Cell (i, j) lies at y = "
    "(i + 0.5) * stride_px, x = (j + 0.5) * stride_px; its box reaches side_unit_px * exp(value) "
    "from there, the value kept within -log_side_limit and log_side_limit. Keep the boxes whose "
    "score reaches the label's threshold, and of overlapping ones the best."
)
IMAGE_POINTS = (
    " Then x and y of each of the points, in half sides of that box from its middle: corners of a "
    "turned box, or the key points of point_names."
)
IMAGE_LOOKS = (
    "The detector looks at each of sizes_px. Mirrored: at the mirror image of each square too; its "
    "answers turned back (columns, left and right, x of points), the mean of both counts. Of boxes "
    "of several sizes that overlap the best stays; fused: their mean, weighted by score. With more "
    "than one voter, at each size: a box is the mean of all that overlap it by 0.6, weighted by "
    "score; its score the mean of the best of these, one for each 16 x 16 px of it, at most "
    "as many as there are voters; presence the mean of as many best places."
)
PRESENCE_OUTPUT = (
    "Float32 (batch, rows / stride_px, columns / stride_px, labels): logits by place. A picture's "
    "logit is their mean over it, weighted by exp(logit)."
)


def save(detector: KeywordDetector | ImageDetector, path: Path) -> None:
    """Write the network of a detector; the file appears whole or not at all."""
    shape = (*(None for _ in detector.input_shape[:-1]), detector.input_shape[-1])
    entries = {**_common(detector), **_described(detector)}
    metadata = {key: json.dumps(value) for key, value in entries.items()}
    onnx_export.save(path, detector.net, shape, metadata)


def _common(detector: KeywordDetector | ImageDetector) -> dict[str, Any]:
    points = detector.operating_points.items()
    return {
        "labels": detector.labels,
        "default_thresholds": detector.default_thresholds,
        "operating_points": {label: [vars(point) for point in each] for label, each in points},
    }


@singledispatch
def _described(detector: object) -> dict[str, Any]:
    raise TypeError(f"no ONNX description for {type(detector).__name__}")


@_described.register
def _(detector: KeywordDetector) -> dict[str, Any]:
    window = detector.net.windows[0]
    return {
        "kind": "keyword",
        "input": {
            "about": KEYWORD_INPUT + detector.features.formula,
            **detector.features.describe(),
        },
        "output": {
            "about": KEYWORD_OUTPUT,
            "size_frames": int(window.size),
            "step_frames": int(window.step),
            "window_s": detector.window_s,
            "hop_s": detector.hop_s,
            "padding_samples": detector.padding_samples,
            "placements": {label: vars(each) for label, each in detector.placements.items()},
            "decision": vars(detector.decision),
        },
    }


@_described.register
def _(detector: ImageDetector) -> dict[str, Any]:
    settings = input_settings(detector.size_px)
    after = ("stride_px", "side_unit_px", "log_side_limit")
    before = {key: value for key, value in settings.items() if key not in after}
    return {
        "kind": "image",
        "input": {"about": IMAGE_INPUT, "total_stride_px": TOTAL_STRIDE_PX, **before},
        "looks": {
            "about": IMAGE_LOOKS,
            "sizes_px": detector.sizes_px,
            "mirrored": detector.mirrored,
            "fused": detector.fused,
            "voters": detector.voters,
        },
        "output": {
            "about": _about(detector.layout),
            "shape": detector.shape,
            "point_names": detector.point_names,
            **{key: settings[key] for key in after},
        },
    }


def _about(layout: Layout) -> str:
    if layout.shape == PRESENCE:
        return PRESENCE_OUTPUT
    return IMAGE_OUTPUT + (IMAGE_POINTS if layout.points else "")
