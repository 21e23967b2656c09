"""From a network that has learnt to a model file: sizes that can be, thresholds, the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnn_core.modelfile import write_whole
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report as Tell

from .batches import Material
from .card import markdown
from .config import TrainConfig
from .dataset import is_listed
from .detector import LARGEST_INPUT_PX, ImageDetector
from .evaluate import Report, choose_thresholds, evaluate
from .network import TOTAL_STRIDE_PX
from .voting import MOST_VOTERS


def check_looks(size_px: int, more_px: Sequence[int], voters: int) -> None:
    """Raises InvalidInput for what no detector can look by: sides of the input, voters."""
    sides = (size_px, *more_px)
    if any(not 0 < side <= LARGEST_INPUT_PX or side % TOTAL_STRIDE_PX for side in sides):
        raise InvalidInput(
            "settings.detect_size_px",
            f"got {size_px} and {list(more_px)}; expected multiples of {TOTAL_STRIDE_PX} pixels, "
            f"up to {LARGEST_INPUT_PX}",
        )
    if not 1 <= voters <= MOST_VOTERS:
        raise InvalidInput("settings.detect_voters", f"got {voters}; expected 1 to {MOST_VOTERS}")


def decided(detector: ImageDetector, used: Material) -> ImageDetector:
    """The detector with the thresholds that the pictures kept aside tell."""
    chosen = choose_thresholds(detector, used.aside, used.few_false)
    return replace(
        detector,
        operating_points={label: points for label, (_, points) in chosen.items()},
        default_thresholds={label: threshold for label, (threshold, _) in chosen.items()},
    )


def measured(detector: ImageDetector, config: TrainConfig, progress: Tell) -> Report | None:
    """The figures on the validation pictures of a training, None where it has none."""
    if not is_listed(config.data, config.objects, "val"):
        return None
    return evaluate(
        detector,
        config.data,
        objects=config.objects,
        negatives=config.negatives,
        progress=progress,
    )


def written(detector: ImageDetector, out: Path) -> Path:
    """The path of the model file; its card lies beside it as Markdown."""
    detector.save(out)
    write_whole(out.with_suffix(".md"), markdown(out.stem, detector.card).encode())
    return out
