"""Figures as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from sweepnet_service.detectors.keyword.evaluate.figures import Figures, Kind
from sweepnet_service.detectors.keyword.evaluate.groups import group_of


def to_dict(figures: Figures) -> dict[str, Any]:
    """All but the recordings' audio; `delay_s` has the median and the 90th percentile."""
    delays = figures.delays_s
    return {
        "label": figures.label,
        "cautions": list(figures.cautions),
        "thresholds": list(figures.thresholds),
        "asked_false_alarms_per_hour": figures.asked_rate,
        "misses": {
            each.name: {
                "words": len(each.misses),
                "groups": each.groups,
                "miss_rate": asdict(each.miss_rate),
                "of_each_detector": list(each.of_each),
            }
            for each in figures.conditions
        },
        "speech": kind_dict(figures.speech),
        "kinds": {kind.name: kind_dict(kind) for kind in figures.kinds},
        "shares": [asdict(share) for share in figures.shares],
        "curve": [asdict(point) for point in figures.curve],
        "delay_s": dict(
            zip(("median", "percentile_90"), np.quantile(delays, (0.5, 0.9)).tolist(), strict=True)
        )
        if delays
        else None,
        "reliability": asdict(figures.reliability) if figures.reliability else None,
        "missed": [
            {"clip": each.recording.source, "group": group_of(each.recording)}
            | {"condition": each.condition, "share": each.share, "score": each.score}
            for each in figures.missed
        ],
        "false_alarms": [
            {"recording": each.recording.source, "said": each.recording.text, "kind": each.kind}
            | {"start_s": each.start_s, "end_s": each.end_s, "score": each.score}
            for each in figures.alarms
        ],
    }


def kind_dict(kind: Kind) -> dict[str, Any]:
    """Hours and count; the rate where there is one."""
    rate = asdict(kind.rate) if kind.rate else None
    return {"hours": kind.hours, "false_alarms": kind.alarms, "false_alarms_per_hour": rate}
