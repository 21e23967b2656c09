"""Whether the numbers of a training's settings can work: checked before any work is done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from sweepnet_service.errors import InvalidInput

COUNTS = {
    *("heads", "trunk_copies", "epochs", "batch_frames", "channels", "steps", "rounds"),
    *("batch_positive", "batch_negative", "hard_pool", "pictures", "batch", "pyramid"),
    *("checkpoint_every", "widths", "size_px", "detect_size_px", "each", "others", "keep_every"),
    *("shards", "detect_more_px", "widest"),
}
ABOVE_ZERO = {
    *("rate", "clip", "gradient_limit", "until", "scale_ratio", "stretch_ratio", "cut_out_side"),
    *("zoom_side", "zoom_limits", "gain", "trunk_rate", "head_rate"),
}
UP_TO_ONE = {
    *("warmup", "until", "late_from", "mosaic_until", "zoom_side", "mosaic_split"),
    *("least_visible", "complete", "incomplete", "negative", "among"),
    *("sure", "doubtful", "cut_out_side"),
}
BELOW_ONE = {"dropout", "aside_share", "average_decay"}


@dataclass(frozen=True)
class Bounds:
    """What a number may be: at least `low` (above it if `open_low`), at most or below `high`."""

    low: float = 0.0
    open_low: bool = False
    high: float = math.inf
    open_high: bool = False

    def hold(self, value: float) -> bool:
        """Whether the number is finite and within."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        least = f"a number {'above' if self.open_low else 'of at least'} {self.low:g}"
        if not math.isfinite(self.high):
            return least
        return f"{least} and {'below' if self.open_high else 'at most'} {self.high:g}"


def bounds_of(name: str) -> Bounds:
    """The bounds of a setting, by its own name."""
    if name in COUNTS:
        return Bounds(1.0)
    if name in BELOW_ONE:
        return Bounds(high=1.0, open_high=True)
    share = name in UP_TO_ONE or name.endswith("_share")
    return Bounds(open_low=name in ABOVE_ZERO, high=1.0 if share else math.inf)


def check_numbers(config: Any) -> None:
    """Raises InvalidInput that names the first number of a record, or below, that cannot be."""
    for place, name, value in _numbers(config):
        bounds = bounds_of(name)
        if not bounds.hold(value):
            raise InvalidInput(f"settings.{place}", f"got {value!r}; expected {bounds}")


def _numbers(record: Any, before: str = "") -> Iterator[tuple[str, str, float]]:
    """(place, own name, number) of every number in a record, those below it included."""
    for field in fields(record):
        place, content = before + field.name, getattr(record, field.name)
        for value in content if isinstance(content, tuple) else (content,):
            if is_dataclass(value):
                yield from _numbers(value, f"{place}.")
            elif isinstance(value, int | float):
                yield place, field.name, value
