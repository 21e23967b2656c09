"""From a trained network to a detector: calibration, thresholds, the word's place in the window.

Thresholds for rates that the validation speech is too short to show are read off an exponential
fitted to the tail of its highest peaks (peaks over threshold; Pickands 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from cnn_core.arrays import Array
from cnn_core.layers import Conv1d, Layer, MaxPool, Sequential, Sigmoid, Sum, WordPath
from sweepnet_service.detectors.keyword.dataset import relative_word
from sweepnet_service.detectors.keyword.detector import (
    KeywordDetector,
    OperatingPoint,
    Placement,
)
from sweepnet_service.detectors.keyword.evaluate import Heard, hours

RATES = (0.5, 1.0, 2.0, 5.0)
DEFAULT_RATE = 1.0
TAIL = 25
BEST_OF = 3
ENOUGH_HOURS = 0.3
MISSES = (0.3, 0.2, 0.1, 0.05)
DEFAULT_MISS = 0.1


@dataclass(frozen=True)
class Pieces:
    """The parts of a keyword network; `spellings` empty: no word path."""

    trunk: Sequential
    phones: Conv1d
    heads: tuple[Sequential, ...]
    spellings: tuple[tuple[int, ...], ...] = ()
    path_weight: float = 2.0
    path_steps: int = 31
    floor: float = -8.0


def assemble(pieces: Pieces, scale: float = 1.0, offset: float = 0.0) -> Sequential:
    """One network: features -> sigmoid(scale * (mean of heads + weight * path) + offset).

    The best of three windows in a row counts, so that a word is one event and not two.
    """
    share = 1 / len(pieces.heads)
    branches: tuple[Layer, ...] = tuple(
        Sequential((*head.layers, affine(share, 0.0))) for head in pieces.heads
    )
    if pieces.spellings:
        path = WordPath(pieces.spellings, pieces.path_steps, pieces.floor)
        branches += (Sequential((pieces.phones, path, affine(pieces.path_weight, 0.0))),)
    best = MaxPool.create(BEST_OF, stride=1)
    return Sequential((*pieces.trunk.layers, Sum(branches), best, affine(scale, offset), Sigmoid()))


def taken_apart(net: Layer) -> tuple[Sequential, Conv1d] | None:
    """The phone trunk and its output layer in a network of `assemble`; None in another one."""
    layers = net.layers if isinstance(net, Sequential) else ()
    for place, layer in enumerate(layers):
        branches = layer.branches if isinstance(layer, Sum) else ()
        for branch in branches:
            parts = branch.layers if isinstance(branch, Sequential) else ()
            if len(parts) > 1 and isinstance(parts[0], Conv1d) and isinstance(parts[1], WordPath):
                return Sequential(layers[:place]), parts[0]
    return None


def affine(scale: float, offset: float) -> Conv1d:
    """x -> scale * x + offset, one channel."""
    layer = Conv1d.create(np.random.default_rng(0), 1, 1, kernel=1)
    weight = np.full(layer.weight.shape, scale, np.float32)
    return replace(layer, weight=weight, bias=np.full(1, offset, np.float32))


def with_calibration(net: Sequential, scale: float, offset: float) -> Sequential:
    """The network with other numbers in its last affine layer."""
    *before, _, sigmoid = net.layers
    return Sequential((*before, affine(scale, offset), sigmoid))


def logits(heard: Sequence[Heard]) -> list[Array]:
    """Each recording's scores as logits, before any calibration."""
    return [logit(np.clip(each.scores.astype(np.float64), 1e-12, 1 - 1e-7)) for each in heard]


def peaks(values: Sequence[Array], apart: int) -> Array:
    """The local maxima, at least `apart` windows from a higher one, highest first."""
    found = [peak for part in values for peak in separate(part, apart)]
    return np.sort(np.array(found))[::-1]


def separate(values: Array, apart: int) -> list[float]:
    """Maxima of one recording, each the highest within `apart` windows of itself."""
    kept: list[int] = []
    for index in np.argsort(-values)[:400]:
        if all(abs(int(index) - other) > apart for other in kept):
            kept.append(int(index))
    return [float(values[index]) for index in kept]


def threshold_logit(high: Array, of_hours: float, rate: float) -> float:
    """The logit that noise peaks, sorted from the highest, exceed `rate` times an hour."""
    tail = high[: min(TAIL + 1, len(high))]
    if len(tail) < 3:
        return 0.0
    base, count = float(tail[-1]), len(tail) - 1
    spread = max(float(np.mean(tail[:-1] - base)), 1e-3)
    return base + spread * float(np.log(max(count / (rate * of_hours), 1e-3)))


def calibration(positive: Array, negative: Array, threshold: float) -> tuple[float, float]:
    """Scale and offset of the logit: the threshold becomes 0.5, the slope fits the peaks."""

    def loss(parameters: Array) -> float:
        scale = float(np.exp(parameters[0]))
        hit = np.log1p(np.exp(-scale * (positive - threshold)))
        wrong = np.log1p(np.exp(scale * (negative - threshold)))
        return float(np.mean(hit) + np.mean(wrong))

    best = minimize(loss, np.zeros(1), method="Nelder-Mead")
    scale = float(np.clip(np.exp(best.x[0]), 0.1, 5.0))
    return scale, -scale * threshold


def placement(detector: KeywordDetector, heard: Sequence[Heard], apart_s: float = 1.0) -> Placement:
    """The word's median place after the start of the best window, over recordings that say it."""
    starts, ends = [], []
    for each in heard:
        word = relative_word(each.recording)
        if word is None or not len(each.scores):
            continue
        best = int(np.argmax(each.scores))
        first = (detector.window.span(best)[0] - detector.padding_samples) / detector.rate_hz
        if word[0] - apart_s < first + detector.window_s / 2 < word[1] + apart_s:
            starts.append(word[0] - first)
            ends.append(word[1] - first)
    if not starts:
        middle = detector.window_s / 2
        return Placement(middle - 0.25, middle + 0.25)
    return Placement(float(np.median(starts)), float(np.median(ends)))


def tuned(
    detector: KeywordDetector,
    label: str,
    words: Sequence[Heard],
    speech: Sequence[Heard],
    placed: Sequence[Heard],
) -> KeywordDetector:
    """The detector with calibrated scores and thresholds from `words` and `speech` it never saw.

    The word's place in the window comes from the recordings `placed`.
    """
    apart = round(1.0 / detector.hop_s)
    high = peaks(logits(speech), apart)
    best = np.array([float(np.max(values)) for values in logits(words)])
    enough = hours(speech) >= ENOUGH_HOURS or not len(best)
    choose = by_rate if enough else by_misses
    cuts, default = choose(best, high, hours(speech))
    scale, offset = calibration(best, high, default)
    points = tuple(
        OperatingPoint(
            threshold=float(expit(scale * cut + offset)),
            false_alarms_per_hour=rate,
            miss_rate=float(np.mean(best < cut)) if len(best) else 0.0,
        )
        for rate, cut in cuts
    )
    assert isinstance(detector.net, Sequential)
    return replace(
        detector,
        net=with_calibration(detector.net, scale, offset),
        operating_points={label: points},
        default_thresholds={label: 0.5},
        placements={label: placement(detector, placed)},
    )


def by_rate(best: Array, high: Array, of_hours: float) -> tuple[list[tuple[float, float]], float]:
    """(rate, cut) for each rate of false alarms an hour, and the cut of the default rate."""
    cuts = [(rate, threshold_logit(high, of_hours, rate)) for rate in RATES]
    return cuts, dict(cuts)[DEFAULT_RATE]


def by_misses(best: Array, high: Array, of_hours: float) -> tuple[list[tuple[float, float]], float]:
    """(measured rate, cut) for shares of missed words, where there is too little other speech to
    tell a rate from. The default cut parts words from other peaks, or misses a tenth where that
    is stricter: the other speech at hand is seldom as varied as what will be heard.
    """
    kept = [float(np.quantile(best, miss)) for miss in MISSES]
    cuts = sorted((float(np.sum(high >= cut)) / max(of_hours, 1e-9), cut) for cut in kept)
    tried = np.sort(np.concatenate([best, high]))
    wrong = [np.mean(best < cut) + np.mean(high >= cut) for cut in tried]
    least = np.flatnonzero(np.array(wrong) <= min(wrong) + 1e-12)
    return cuts, max(float(np.mean(tried[least])), float(np.quantile(best, DEFAULT_MISS)))


def untuned(
    net: Sequential, label: str, features: Any, card: dict[str, Any] | None = None
) -> KeywordDetector:
    """A detector whose thresholds are still to be chosen."""
    return KeywordDetector(
        labels=(label,),
        features=features,
        net=net,
        placements={label: Placement(0.5, 1.0)},
        operating_points={label: ()},
        default_thresholds={label: 0.5},
        card=card or {},
    )
