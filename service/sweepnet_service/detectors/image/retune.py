"""A trained model that looks at pictures otherwise, its thresholds chosen anew: -> a model file.

The network's weights stay bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report

from .batches import Material, material
from .card import looking
from .config import TrainConfig
from .detector import ImageDetector
from .finishing import check_looks, decided, measured, written

SETTINGS = ("objects", "negatives", "aside_share", "leave_out_sources", "leave_out_species")
"""What of a training says which of its pictures it kept aside."""


@dataclass(frozen=True)
class RetuneConfig:
    """Which model, and how it is to look at pictures (see `ImageDetector`): what is None stays.
    Thresholds are chosen on those training pictures of `data` that the training kept aside."""

    model: Path
    out: Path
    data: Path
    size_px: int | None = None
    more_px: tuple[int, ...] | None = None
    mirrored: bool | None = None
    fused: bool | None = None
    voters: int | None = None


def retune(config: RetuneConfig, progress: Report) -> Path:
    """Writes the model to `out`, its card beside it, and returns the path. Raises InvalidInput."""
    kept = ImageDetector.load(config.model)
    detector = looking_anew(kept, config)
    trained = trained_as(kept, config)
    used = used_by(detector, trained)
    progress(Progress("choosing thresholds", 0, 2))
    detector = decided(detector, used)
    card = {**kept.card, **looking(detector, used, measured(detector, trained, progress))}
    progress(Progress("done", 2, 2, 0.0, str(config.out)))
    return written(replace(detector, card=card), config.out)


def looking_anew(detector: ImageDetector, config: RetuneConfig) -> ImageDetector:
    """The detector with the looks that are asked for. Raises InvalidInput for none that can be."""
    asked = {
        "size_px": config.size_px,
        "more_sizes_px": config.more_px,
        "mirrored": config.mirrored,
        "fused": config.fused,
        "voters": config.voters,
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    made = replace(detector, **given)
    check_looks(made.size_px, made.more_sizes_px, made.voters)
    return made


def trained_as(detector: ImageDetector, config: RetuneConfig) -> TrainConfig:
    """What the detector's card says of its training, for the pictures of `data`."""
    told = detector.card.get("training") or {}
    known: dict[str, Any] = {
        name: tuple(told[name]) if isinstance(told[name], list) else told[name]
        for name in SETTINGS
        if name in told
    }
    bare = TrainConfig(config.data, config.out.parent, config.out, shape=detector.shape)
    one = detector.labels[0] if len(detector.labels) == 1 else ""
    return replace(bare, label=one, **known)


def used_by(detector: ImageDetector, trained: TrainConfig) -> Material:
    """The training's pictures. Raises InvalidInput where those kept aside hold nothing to choose
    thresholds by."""
    used = material(trained)
    if used.labels != detector.labels:
        raise InvalidInput(
            "data", f"has objects named {', '.join(used.labels)}; expected those of the model: "
            f"{', '.join(detector.labels)}"
        )  # fmt: skip
    if not any(len(entry.boxes) for entry in used.aside):
        raise InvalidInput(
            "data", f"has {len(used.learn)} training pictures, of which the training kept none "
            "with an object aside; expected some, to choose thresholds on"
        )  # fmt: skip
    return used
