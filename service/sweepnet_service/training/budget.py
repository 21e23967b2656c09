"""Minutes of one core -> steps of a training: measured once, before the first step, and kept.

A training that is begun again after a crash takes the kept number: measured anew it would be
another one, and so would the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_core.modelfile import write_whole
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.image.config import TrainConfig as ImageConfig
    from sweepnet_service.detectors.keyword.config import TrainConfig as KeywordConfig

KEPT = "budget.json"
FEWEST_STEPS = 20
WARM, TIMED = 1, 4
TRUNK_CHANNELS = 160
PICTURES = 32


def with_budget(
    kind: str, config: Any, minutes: float, place: Path, report: Report
) -> tuple[Any, int]:
    """(the configuration with its steps, their number): both as they are where `minutes` is 0.

    Raises InvalidInput for a training whose steps cannot be told beforehand.
    """
    check_budget(config, minutes)
    if not minutes:
        return config, 0
    steps = _kept(place, minutes)
    if steps is None:
        report(Progress("budget", 0, 1))
        measure = image_step_s if kind == "image" else head_step_s
        steps = max(FEWEST_STEPS, int(60 * minutes / measure(config)))
        write_whole(place / KEPT, json.dumps({"minutes": minutes, "steps": steps}).encode())
    report(Progress("budget", 1, 1, None, f"{minutes:g} min are {steps} steps"))
    return (_of_image if kind == "image" else _of_keyword)(config, steps), steps


def check_budget(config: Any, minutes: float) -> None:
    """Raises InvalidInput for a training whose steps cannot be told beforehand."""
    if minutes and (getattr(config, "tune_trunk", False) or getattr(config, "train_trunk", False)):
        raise InvalidInput(
            "budget_minutes",
            "is for heads on a trunk as it is; with tune_trunk or train_trunk set their steps "
            "(tune_settings.steps, trunk_settings.epochs)",
        )


def _kept(place: Path, minutes: float) -> int | None:
    try:
        kept = json.loads((place / KEPT).read_text())
        return int(kept["steps"]) if kept["minutes"] == minutes else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_image(config: ImageConfig, steps: int) -> ImageConfig:
    return replace(config, pictures=steps * config.batch)


def _of_keyword(config: KeywordConfig, steps: int) -> KeywordConfig:
    """The steps of all heads of all words, in rounds."""
    heads = config.heads * len(config.keywords) * config.head_settings.rounds
    each = max(1, round(steps / heads))
    return replace(config, head_settings=replace(config.head_settings, steps=each))


def head_step_s(config: KeywordConfig) -> float:
    """Seconds that a step of a head takes here, on noise of the usual shape."""
    from sweepnet_service.detectors.keyword import head
    from sweepnet_service.detectors.keyword.activations import SEGMENT_STEPS

    rng, settings = np.random.default_rng(0), config.head_settings
    segments = rng.standard_normal((64, SEGMENT_STEPS, TRUNK_CHANNELS)).astype(np.float32)
    rows = rng.standard_normal((8, 200, TRUNK_CHANNELS)).astype(np.float32)
    examples = head.Examples([(1.0, segments)], [rows])
    state = head.begun(examples, settings)

    def step() -> None:
        nonlocal state
        state, _ = head.advanced(state, examples, settings)

    return timed(step)


def image_step_s(config: ImageConfig) -> float:
    """Seconds that a step takes here, on the first pictures, each phase by its share."""
    from sweepnet_service.detectors.image import fit
    from sweepnet_service.detectors.image.batches import material, pool

    used = material(config)
    photos = pool(used.learn[:PICTURES], config.species, layout=used.layout)
    whole, began = 0.0, 0.0
    for phase in config.phases:
        state = fit.begin(config, photos)
        inside = replace(config, phases=(replace(phase, until=1.0),))

        def step(state: Any = state, inside: Any = inside) -> None:
            fit.advance(inside, photos, state)

        whole += timed(step) * (phase.until - began)
        began = phase.until
    return whole


def timed(step: Callable[[], None]) -> float:
    """Seconds of processor time that a step takes, the median of a few."""
    taken = []
    for _ in range(WARM + TIMED):
        began_s = time.process_time()
        step()
        taken.append(time.process_time() - began_s)
    return max(float(np.median(taken[WARM:])), 1e-6)
