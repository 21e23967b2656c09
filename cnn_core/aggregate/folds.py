"""The aggregates that fold windows one by one, from the maximum to the noisy or."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_expit

from cnn_core.aggregate.aggregate import Folded
from cnn_core.arrays import Array
from cnn_core.errors import CoreError


@dataclass(frozen=True)
class Max(Folded):
    """The largest score; its gradient goes to the (first) window that has it."""

    join: ClassVar[np.ufunc] = np.maximum
    nothing: ClassVar[float] = -np.inf
    horizon: int | None = None

    def _lift(self, scores: Array) -> Array:
        return scores[None]

    def _value(self, totals: Array) -> Array:
        return np.asarray(totals[0])

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        best = there & (scores == values)
        return np.asarray(best & (best.cumsum(axis=1) == 1), scores.dtype)


@dataclass(frozen=True)
class Mean(Folded):
    """The mean score."""

    join: ClassVar[np.ufunc] = np.add
    nothing: ClassVar[float] = 0.0
    horizon: int | None = None

    def _lift(self, scores: Array) -> Array:
        return np.stack((scores, np.ones_like(scores)))

    def _value(self, totals: Array) -> Array:
        mean: Array = totals[0] / totals[1]
        return mean

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        return np.broadcast_to(1 / there.sum(axis=1, keepdims=True), scores.shape)


@dataclass(frozen=True)
class SoftmaxMean(Folded):
    """The mean weighted by exp(score / temperature): cold near the maximum, hot near the mean.

    The weights are kept as logarithms, so scores may have any size.
    """

    join: ClassVar[np.ufunc] = np.logaddexp
    nothing: ClassVar[float] = -np.inf
    temperature: float = 1.0
    horizon: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.01 <= self.temperature < np.inf:
            raise CoreError(
                f"softmax temperature: got {self.temperature}; expected a number >= 0.01"
            )

    def _lift(self, scores: Array) -> Array:
        heat = scores / self.temperature
        return np.stack(
            (heat, heat + _log(np.maximum(scores, 0)), heat + _log(-np.minimum(scores, 0)))
        )

    def _value(self, totals: Array) -> Array:
        weight, above, below = totals
        mean: Array = np.exp(above - weight) - np.exp(below - weight)
        return mean

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        return softmax(scores / self.temperature, there) * (
            1 + (scores - values) / self.temperature
        )


@dataclass(frozen=True)
class LogSumExp(Folded):
    """temperature * log(mean of exp(score / temperature)): between the mean and the maximum.

    (Pinheiro and Collobert 2015, with r = 1 / temperature.) `normalised=False` takes the sum in
    place of the mean: above the maximum, and the more so the more windows are high.
    """

    join: ClassVar[np.ufunc] = np.logaddexp
    nothing: ClassVar[float] = -np.inf
    temperature: float = 1.0
    horizon: int | None = None
    normalised: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1e-6 <= self.temperature < np.inf:
            raise CoreError(
                f"log-sum-exp temperature: got {self.temperature}; expected a number >= 1e-6"
            )

    def _lift(self, scores: Array) -> Array:
        heat = scores / self.temperature
        return np.stack((heat, np.zeros_like(heat))) if self.normalised else heat[None]

    def _value(self, totals: Array) -> Array:
        count = totals[1] if self.normalised else 0.0
        smooth: Array = self.temperature * (totals[0] - count)
        return smooth

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        return softmax(scores / self.temperature, there)


@dataclass(frozen=True)
class PNorm(Folded):
    """(mean of abs(score)^p)^(1/p), p >= 1: the mean-normalised p-norm of the lectures."""

    join: ClassVar[np.ufunc] = np.logaddexp
    nothing: ClassVar[float] = -np.inf
    p: float = 2.0
    horizon: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.p < np.inf:
            raise CoreError(
                f"p-norm: got p = {self.p}; expected a number >= 1 (`Max` is the limit)"
            )

    def _lift(self, scores: Array) -> Array:
        power = self.p * _log(np.abs(scores))
        return np.stack((power, np.zeros_like(power)))

    def _value(self, totals: Array) -> Array:
        norm: Array = np.exp((totals[0] - totals[1]) / self.p)
        return norm

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        # At a norm of 0 every direction is a subgradient; 0 is one of them.
        share = np.where(values > 0, np.abs(scores) / values, 0) ** (self.p - 1)
        signed = np.where(values > 0, np.sign(scores) * share, 0)
        return np.asarray(signed / there.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class NoisyOr(Folded):
    """1 - product of (1 - score), scores in 0..1: at least one window holds it (Pearl 1988).

    `logits=True`: scores and value are log odds, as losses want them; exact where probabilities
    have run out of digits.
    """

    join: ClassVar[np.ufunc] = np.logaddexp
    nothing: ClassVar[float] = -np.inf
    horizon: int | None = None
    logits: bool = False

    # The terms are log t, t = -log(1 - score), which add up: logarithms keep what is tiny.

    def _lift(self, scores: Array) -> Array:
        return (_log_softplus(scores) if self.logits else _log(self._doubts(scores)))[None]

    def _value(self, totals: Array) -> Array:
        t = np.exp(totals[0])
        return t + _log_any(totals[0]) if self.logits else np.asarray(-np.expm1(-t))

    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        if self.logits:
            terms = np.where(there, _log_softplus(scores), self.nothing)
            total = self.join.reduce(terms, axis=1, keepdims=True, initial=self.nothing)
            return np.asarray(np.exp(log_expit(scores) - _log_any(total)))
        certain = there & (scores == 1)
        doubts = np.where(there & ~certain, self._doubts(scores), 0)
        others = doubts.sum(axis=1, keepdims=True) - doubts
        alone = certain.sum(axis=1, keepdims=True) - certain == 0
        return np.where(alone, np.exp(-others), 0)

    def _doubts(self, scores: Array) -> Array:
        """-log(1 - score); raises CoreError for what is no probability."""
        low, high = np.min(scores, initial=0), np.max(scores, initial=1)
        if low < 0 or high > 1:
            wrong = low if low < 0 else high
            raise CoreError(
                f"noisy or: got the score {wrong:g}; expected 0..1, or logits=True for log odds"
            )
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log1p(-scores))


NEGLIGIBLE = -40.0
"""The logarithm below which log(1 + t) and 1 - exp(-t) are t to all digits."""


def _log_softplus(values: Array) -> Array:
    """log(log(1 + e^s)); s itself where e^s is negligible beside 1."""
    return np.where(
        values < NEGLIGIBLE, values, np.log(np.logaddexp(0, np.maximum(values, NEGLIGIBLE)))
    )


def _log_any(log_t: Array) -> Array:
    """log(1 - exp(-t)): the logarithm of the probability that any window holds it."""
    t = np.exp(np.maximum(log_t, NEGLIGIBLE))
    return np.where(log_t < NEGLIGIBLE, log_t, np.log(-np.expm1(-t)))


def softmax(values: Array, there: Array) -> Array:
    """exp(values) over the windows that are there, adding up to 1: (N, P, L)."""
    masked = np.where(there, values, -np.inf)
    weights = np.exp(masked - np.max(masked, axis=1, keepdims=True, initial=-1e300))
    share: Array = weights / weights.sum(axis=1, keepdims=True)
    return share


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))
