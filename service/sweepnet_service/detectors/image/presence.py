"""Learning from pictures of which only is known what they hold: scores by the whole picture.

The map's log odds are gathered into one answer a label by their softmax-weighted mean, and its
cross-entropy is pulled back to every place (multiple-instance learning, as `cnn_core.weak`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

from cnn_core.arrays import Array

from .augment.view import Sample


@dataclass(frozen=True, eq=False)
class Present:
    """(N, labels): 1 where the picture holds the label, and whether that is known."""

    there: Array
    known: Array


def present_of(samples: Sequence[Sample], labels: int) -> Present:
    """What each sample holds; of what was cut off nearly whole nothing is known."""
    there = np.zeros((len(samples), labels), np.float32)
    known = np.ones_like(there)
    for row, sample in enumerate(samples):
        there[row, sample.objects.labels] = 1
        if len(sample.ignored):
            known[row] = there[row]
    return Present(there, known)


def gathered(logits: Array) -> Array:
    """Log odds (..., places, labels) -> (..., labels): the mean, weighted by exp(log odds)."""
    return np.asarray((softmax(logits, axis=-2) * logits).sum(axis=-2))


def presence_loss(outputs: Array, present: Present) -> tuple[float, Array]:
    """Outputs (N, H, W, labels + more) -> mean cross-entropy, its gradient of the same shape."""
    count, labels = present.there.shape
    logits = outputs[..., :labels].reshape(count, -1, labels)
    share = softmax(logits, axis=1)
    answers = (share * logits).sum(axis=1)
    weight = present.known / max(float(present.known.sum()), 1.0)
    entropy = np.logaddexp(0, answers) - present.there * answers
    d_answers = weight * (expit(answers) - present.there)
    slope = share * (1 + logits - answers[:, None]) * d_answers[:, None]
    gradient = np.zeros_like(outputs)
    gradient[..., :labels] = slope.reshape(*outputs.shape[:-1], labels)
    return float(np.sum(weight * entropy)), gradient
