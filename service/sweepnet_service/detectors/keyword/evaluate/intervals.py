"""How sure a figure is: exact intervals of rates and shares, bootstrap of shares over groups.

Recordings of one speaker or session err together, so groups are drawn, not clips.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import betaincinv, gammaincinv

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

Clip = TypeVar("Clip", bound=Hashable)
CONFIDENCE = 0.95
DRAWS = 4000
FEWEST_GROUPS = 5
"""Draws from fewer tell how these voices differ, not how others would."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; of a share, 0 to 1 where nothing is known."""

    value: float
    low: float
    high: float


def clopper_pearson(count: int, of: int) -> Estimate:
    """A share with its exact 95 % interval (Clopper and Pearson 1934); 0 to 1 of none."""
    if not of:
        return Estimate(0.0, 0.0, 1.0)
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return Estimate(count / of, low, high)


def poisson_rate(count: int, of_hours: float) -> Estimate:
    """Events an hour, with the exact interval (Garwood 1936). Raises InvalidInput for no time."""
    if not of_hours > 0 or count < 0:
        raise InvalidInput(
            "hours", f"got {count} events in {of_hours} h; expected a count in a time above 0"
        )
    tail = (1 - CONFIDENCE) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    high = float(gammaincinv(count + 1, 1 - tail))
    return Estimate(count / of_hours, low / of_hours, high / of_hours)


def mean_over_groups(
    values: Sequence[float], groups: Sequence[Hashable], seed: int = 0
) -> Estimate:
    """The mean of values in 0..1, one a clip, with a bootstrap interval over the clips' groups.

    Where all values are 0, or all 1, no draw differs: the interval is then the exact one of as
    many coins as there are groups (Clopper and Pearson 1934). Fewer than five groups tell nothing
    of others: between 0 and 1. No values: 0, likewise.
    """
    if not values:
        return Estimate(0.0, 0.0, 1.0)
    sums, counts = per_group(np.array(values, np.float64), groups)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < FEWEST_GROUPS:
        return Estimate(mean, 0.0, 1.0)
    tail = (1 - CONFIDENCE) / 2
    if mean in (0.0, 1.0):
        room = 1 - tail ** (1 / len(sums))
        return Estimate(mean, mean * (1 - room), mean + (1 - mean) * room)
    low, high = np.quantile(drawn_means(sums, counts, seed), (tail, 1 - tail))
    return Estimate(mean, float(low), float(high))


def paired_difference(
    misses_a: Mapping[Clip, float],
    misses_b: Mapping[Clip, float],
    group_of: Callable[[Clip], Hashable],
    seed: int = 0,
) -> tuple[float, float, float]:
    """(mean of a - mean of b, low, high) of 95 %, by a paired bootstrap over groups of clips.

    Raises InvalidInput unless both cover the same clips, in two groups or more.
    """
    if misses_a.keys() != misses_b.keys():
        apart = len(misses_a.keys() ^ misses_b.keys())
        raise InvalidInput("misses", f"{apart} clips are in one system's only; expected the same")
    clips = list(misses_a)
    differences = np.array([misses_a[clip] - misses_b[clip] for clip in clips], np.float64)
    sums, counts = per_group(differences, [group_of(clip) for clip in clips])
    if len(sums) < 2:
        raise InvalidInput("misses", f"got {len(sums)} groups of clips; expected two or more")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn_means(sums, counts, seed), (tail, 1 - tail))
    return float(differences.mean()), float(low), float(high)


def per_group(values: Array, groups: Sequence[Hashable]) -> tuple[Array, Array]:
    """(sums, counts) of the values of each group, (groups,)."""
    places: dict[Hashable, int] = {}
    place = [places.setdefault(group, len(places)) for group in groups]
    counts = np.bincount(place).astype(np.float64)
    return np.asarray(np.bincount(place, weights=values)), counts


def drawn_means(sums: Array, counts: Array, seed: int) -> Array:
    """Means over groups drawn with replacement, (DRAWS,)."""
    rng = np.random.default_rng(seed)
    often = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
    return np.asarray((often @ sums) / (often @ counts))
