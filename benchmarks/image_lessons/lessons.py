"""Trainings that are kept: what was learnt and measured once is not again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sweepnet_service.commands.meter import metered
from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.config import Phase, Shares, TrainConfig
from sweepnet_service.detectors.image.train import learnt


@dataclass(frozen=True)
class Budget:
    """What every training of a comparison gets: so many augmented pictures of this side."""

    pictures: int
    size_px: int
    start_from: Path | None = None


def base(data: Path, work: Path, name: str, budget: Budget) -> TrainConfig:
    """A training of this name, kept in `work`."""
    return TrainConfig(
        data=data,
        work_dir=work / name,
        out=work / name / f"{name}.safetensors",
        pictures=budget.pictures,
        phases=(Phase(1.0, budget.size_px),),
        detect_size_px=budget.size_px,
        start_from=budget.start_from,
        rate=1.5e-3 if budget.start_from else 2e-3,
    )


def complete_alone(config: TrainConfig) -> TrainConfig:
    """The same, learning from the completely labelled photos and the negatives only: with few
    pictures incomplete ones cost more than they bring."""
    shares = Shares(0.65, 0.0, 0.35)
    return replace(config, shares=shares, late_shares=shares)


def made(config: TrainConfig) -> ImageDetector:
    """The detector that it makes: from its file, or trained now, from where it was stopped."""
    if not config.out.exists():
        print(f"training {config.out.stem}", flush=True)
        with metered() as report:
            learnt(config, report).save(config.out)
    return ImageDetector.load(config.out)
