"""A phone network as a detector: its labels are phones, a score a softmax over them and silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cnn_core.layers import Conv1d, Sequential, Softmax
from sweepnet_service.detectors.keyword.detector import (
    PHONE_KIND,
    Decision,
    KeywordDetector,
    Placement,
)
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.phones import BLANK, PHONES

THRESHOLD = 0.5
SHORTEST_S, LONGEST_S = 0.03, 0.5
PHONE_S = 0.08


def phone_detector(
    net: Sequential, features: FrontEnd, card: dict[str, Any] | None = None
) -> KeywordDetector:
    """The detector of a network (N, T, bands) -> logits (N, T', 1 + phones), blank first.

    Its scores are not calibrated; a phone is told where it is likelier than all else together.
    """
    made = KeywordDetector(
        labels=PHONES,
        features=features,
        net=Sequential((*net.layers, Softmax(), spoken())),
        placements=dict.fromkeys(PHONES, Placement(0.0, 0.0)),
        operating_points=dict.fromkeys(PHONES, ()),
        default_thresholds=dict.fromkeys(PHONES, THRESHOLD),
        card=card or {},
        decision=Decision(refractory_s=SHORTEST_S, longest_s=LONGEST_S),
        kind=PHONE_KIND,
    )
    middle = made.window_s / 2
    place = Placement(middle - PHONE_S / 2, middle + PHONE_S / 2)
    return replace(made, placements=dict.fromkeys(PHONES, place))


def spoken() -> Conv1d:
    """(N, T, 1 + phones) -> (N, T, phones): all but the blank."""
    layer = Conv1d.create(np.random.default_rng(0), 1 + len(PHONES), len(PHONES), kernel=1)
    kept = np.delete(np.eye(1 + len(PHONES), dtype=np.float32), BLANK, axis=1)
    return replace(layer, weight=kept[None], bias=np.zeros(len(PHONES), np.float32))
