"""Train, choose thresholds, measure, and write the model with its card: `sweepnet train image`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

from cnn_core.fold import fold
from sweepnet_service.detectors.numbers import check_numbers
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report

from .augment.settings import OUTLINES
from .batches import material
from .card import card_of
from .config import TrainConfig
from .detector import ImageDetector
from .finishing import check_looks, decided, measured, written
from .fit import fit
from .layout import BOX, PLAIN, SHAPES
from .network import TOTAL_STRIDE_PX, without_species

__all__ = ["TrainConfig", "train"]

UNDECIDED = 0.5
MOST_LABELS = 256


def train(config: TrainConfig, progress: Report, stop: Callable[[], bool] = lambda: False) -> Path:
    """The path of the model file, `config.out`; its card lies beside it as Markdown.

    A training that was stopped goes on from `config.work_dir`; one that is finished is only
    measured and written again. Thresholds come from training
    pictures kept aside; the validation pictures, where there are any, are only measured.
    """
    bare = learnt(config, progress, stop)
    progress(Progress("choosing thresholds", config.steps, config.steps))
    detector = decided(bare, material(config))
    card = card_of(detector, config, measured(detector, config, progress))
    made = written(replace(detector, card=card), config.out)
    progress(Progress("done", config.steps, config.steps, 0.0, str(made)))
    return made


def learnt(
    config: TrainConfig, progress: Report, stop: Callable[[], bool] = lambda: False
) -> ImageDetector:
    """The detector as it comes from the training: no threshold chosen, nothing measured."""
    check(config)
    used = material(config)
    return ImageDetector(
        net=fold(without_species(fit(config, progress, stop), used.layout)),
        labels=used.labels,
        size_px=config.detect_size_px,
        more_sizes_px=config.detect_more_px,
        operating_points={},
        default_thresholds=dict.fromkeys(used.labels, UNDECIDED),
        card={},
        shape=used.layout.shape,
        point_names=used.layout.point_names,
        mirrored=config.detect_mirrored,
        fused=config.detect_fused,
        voters=config.detect_voters,
        flips=used.flips,
    )


def check(config: TrainConfig) -> None:
    """Raises InvalidInput for settings or data that cannot work, before any work is done."""
    check_numbers(config)
    for name in ("shares", "late_shares"):
        if sum(astuple(getattr(config, name))) <= 0:
            raise InvalidInput(f"settings.{name}", "got only zeros; expected one above 0")
    _check_phases(config)
    if config.doubtful > config.sure:
        raise InvalidInput(
            "settings.doubtful", f"got {config.doubtful}; expected at most sure, {config.sure}"
        )
    outline = config.augmentation.outline
    if outline not in OUTLINES:
        raise InvalidInput(
            "settings.augmentation.outline", f"got {outline!r}; expected one of {OUTLINES}"
        )
    if config.shape not in ("", *SHAPES):
        raise InvalidInput("settings.shape", f"got {config.shape!r}; expected one of {SHAPES}")
    if config.teacher is not None:
        ImageDetector.load(config.teacher)
    if config.hard_share and config.teacher is None:
        raise InvalidInput(
            "settings.hard_share", "got no teacher; expected one, which tells what is hard"
        )
    if config.start_from is not None and not config.start_from.exists():
        raise InvalidInput(
            "start_from", f"there is no {config.start_from}; expected a model, by its name or its "
            "file, or the work folder of an earlier training"
        )  # fmt: skip
    _check_used(config)


def _check_used(config: TrainConfig) -> None:
    """That the settings can be had with the objects that the listing holds."""
    used = material(config)
    if config.teacher is not None and used.layout != PLAIN:
        raise InvalidInput(
            "teacher", f"labels upright boxes of one kind; got {len(used.labels)} labels and the "
            f"shape {used.layout.shape!r}"
        )  # fmt: skip
    if config.close_share and used.layout.shape != BOX:
        raise InvalidInput(
            "settings.close_share", f"got {config.close_share}, and the shape "
            f"{used.layout.shape!r}; expected 0: upright boxes alone can be cut"
        )  # fmt: skip
    if len(used.labels) > MOST_LABELS:
        raise InvalidInput(
            config.objects, f"got {len(used.labels)} kinds of objects; expected at most "
            f"{MOST_LABELS}, or the name of one of them (--label)"
        )  # fmt: skip


def _check_phases(config: TrainConfig) -> None:
    """Sides that the strides of the network divide, each phase after the one before."""
    untils = [phase.until for phase in config.phases]
    check_looks(config.detect_size_px, config.detect_more_px, config.detect_voters)
    if any(phase.size_px % TOTAL_STRIDE_PX for phase in config.phases) or not untils:
        raise InvalidInput(
            "settings.phases",
            f"got sides {[phase.size_px for phase in config.phases]}; expected multiples of "
            f"{TOTAL_STRIDE_PX} pixels",
        )
    if untils != sorted(set(untils)) or untils[-1] != 1:
        raise InvalidInput(
            "settings.phases", f"got shares {untils}; expected rising ones, the last 1"
        )
