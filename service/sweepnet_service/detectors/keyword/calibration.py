"""Scores as probabilities: Platt scaling to a stated prior, and how far the result can be trusted.

A score is the probability that its peak holds the word where words and other peaks are equally
likely (`PRIOR`). So its log odds are the log likelihood ratio: for another prior p add
log(p / (1 - p)) to them (Brümmer and du Preez, Computer Speech and Language 20, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from cnn_core.arrays import Array, Integers

PRIOR = 0.5
BINS = 10
PARTS = 5
SCALES = (1e-3, 10.0)


@dataclass(frozen=True)
class Bin:
    """Scores of one tenth of 0..1: their mean, the share of words among them, both at the prior,
    and how many words and other peaks they are.
    """

    score: float
    share: float
    words: int
    others: int


@dataclass(frozen=True)
class Reliability:
    """How calibrated scores are: 0 for perfect `error`, the expected calibration error (Naeini,
    Cooper and Hauskrecht 2015), and what is left to learn after hearing the score, in `bits`
    (1 where scores tell nothing; Brümmer and du Preez's Cllr).
    """

    error: float
    bits: float
    bins: tuple[Bin, ...]


def platt(words: Array, others: Array) -> tuple[float, float]:
    """Scale and offset of the log odds of peaks (n,) with the word and (m,) without it.

    Logistic regression against targets (n + 1) / (n + 2) and 1 / (m + 2), each class as heavy as
    the prior says (Platt, Probabilistic Outputs for Support Vector Machines, 1999). The order of
    scores is kept. Both classes need a peak at least.
    """
    values = np.concatenate([words, others])
    middle, spread = float(np.mean(values)), max(float(np.std(values)), 1e-3)
    standard = (values - middle) / spread
    count = np.array([len(words), len(others)])
    targets = np.repeat([(count[0] + 1) / (count[0] + 2), 1 / (count[1] + 2)], count)
    weights = np.repeat(np.array([PRIOR, 1 - PRIOR]) / count, count)

    def loss(parameters: Array) -> tuple[float, Array]:
        odds = parameters[0] * standard + parameters[1]
        surprise = np.logaddexp(0, odds) - targets * odds
        slope = weights * (expit(odds) - targets)
        return float(weights @ surprise), np.array([slope @ standard, np.sum(slope)])

    bounds = [(SCALES[0] * spread, SCALES[1] * spread), (None, None)]
    best = minimize(loss, (1.0, 0.0), jac=True, method="L-BFGS-B", bounds=bounds)
    scale = float(best.x[0]) / spread
    return scale, float(best.x[1]) - scale * middle


def reliability(words: Array, others: Array) -> Reliability:
    """How reliable scores 0..1 are: of peaks (n,) with the word and (m,) without, at the prior."""
    scores = np.concatenate([words, others])
    spoken = np.repeat([True, False], [len(words), len(others)])
    weights = np.where(spoken, PRIOR / len(words), (1 - PRIOR) / len(others))
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    kept = [places == place for place in range(BINS) if np.any(places == place)]
    bins = tuple(_bin(scores[each], spoken[each], weights[each]) for each in kept)
    heavy = [float(np.sum(weights[each])) for each in kept]
    error = sum(w * abs(each.score - each.share) for w, each in zip(heavy, bins, strict=True))
    told = np.clip(np.where(spoken, scores, 1 - scores), 1e-12, 1)
    return Reliability(float(error), float(-weights @ np.log2(told)), bins)


def _bin(scores: Array, spoken: Array, weights: Array) -> Bin:
    return Bin(
        score=float(np.average(scores, weights=weights)),
        share=float(np.average(spoken, weights=weights)),
        words=int(np.sum(spoken)),
        others=int(np.sum(spoken == 0)),
    )


def cross_validated(
    words: Array, word_voices: Sequence[str], others: Array, other_voices: Sequence[str]
) -> Reliability | None:
    """How reliable scores are that were scaled on four fifths of the voices, over all fifths.

    Log odds in, of peaks with the word and without. None where voices are too few to tell.
    """
    part = {voice: k % PARTS for k, voice in enumerate(sorted({*word_voices, *other_voices}))}
    sides = [(words, _parts(part, word_voices)), (others, _parts(part, other_voices))]
    scored: list[list[Array]] = [[], []]
    for number in range(PARTS):
        known = [values[parts != number] for values, parts in sides]
        if all(map(len, known)):
            scale, offset = platt(*known)
            for told, (values, parts) in zip(scored, sides, strict=True):
                told.append(expit(scale * values[parts == number] + offset))
    joined = [np.concatenate(told) if told else np.empty(0) for told in scored]
    return reliability(*joined) if all(map(len, joined)) else None


def _parts(part: dict[str, int], voices: Sequence[str]) -> Integers:
    return np.array([part[voice] for voice in voices], np.intp)
