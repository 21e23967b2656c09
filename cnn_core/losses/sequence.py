"""Connectionist temporal classification (Graves et al., ICML 2006): sequences without alignment.

The loss is -log of the summed probability of all paths that spell the labels, where blanks and
repeats are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.losses.checks import expect_floating, expect_shape
from cnn_core.losses.lattice import (
    NEVER,
    forward_backward,
    interleave,
    known_labels,
    log_softmax,
    total_log_probability,
)


def ctc_loss(
    logits: Array, targets: tuple[Integers, Sequence[Integers]], *, blank: int = 0
) -> tuple[float, Array]:
    """Mean of `ctc` over a batch, as `fit` takes it: targets are (lengths, labels).

    Sequences too short for their labels do not count; examples whose `batch` gives such targets
    are a class of one's own.
    """
    values, slopes = ctc(logits, *targets, blank=blank)
    possible = np.isfinite(values)
    count = max(1, int(possible.sum()))
    return float(values[possible].sum()) / count, slopes / np.asarray(count, slopes.dtype)


def ctc(
    logits: Array, lengths: Integers, labels: Sequence[Integers], blank: int = 0
) -> tuple[Array, Array]:
    """Loss of each sequence (N,) and its gradient by the logits (N, T, C).

    `logits` is (N, T, C); only the first `lengths[n]` steps of sequence n count. A sequence too
    short for its labels has an infinite loss and a gradient of zero.
    """
    fine = np.float32 if logits.dtype == np.float32 else np.float64
    lengths = np.asarray(lengths)
    _check(logits, lengths, labels)
    labels = known_labels("ctc", labels, logits.shape[2], blank)
    log_p = log_softmax(logits)
    states, size = interleave(labels, blank)
    emitted = np.take_along_axis(log_p, states[:, None, :], axis=2)
    emitted = np.where(np.arange(states.shape[1]) < size[:, None, None], emitted, NEVER)
    forward, backward = forward_backward(emitted, states, lengths, size, blank, fine)
    total = total_log_probability(forward, lengths, size)
    possible = total > NEVER / 2
    log_share = forward + backward - emitted - np.where(possible, total, 0)[:, None, None]
    counts = (np.arange(logits.shape[1]) < lengths[:, None]) & possible[:, None]
    share = np.exp(np.where(counts[:, :, None], np.minimum(log_share, 0), NEVER))
    gradient = np.exp(log_p) * counts[:, :, None] - _by_class(share, states, logits.shape[2])
    return np.where(possible, -total, np.inf), gradient.astype(logits.dtype)


def _check(logits: Array, lengths: Integers, labels: Sequence[Integers]) -> None:
    if logits.ndim != 3 or lengths.shape != (len(logits),) or len(labels) != len(logits):
        raise ShapeError(
            f"ctc: got {len(logits)} sequences, lengths of shape {lengths.shape} and {len(labels)} "
            "label sequences; expected logits (N, T, C), a length and a label sequence for each"
        )
    expect_floating("ctc", logits)
    expect_shape("ctc", "logits", logits.shape, logits.shape)
    if lengths.dtype.kind not in "iu" or lengths.min() < 1 or lengths.max() > logits.shape[1]:
        raise ShapeError(
            f"ctc: got lengths from {lengths.min()} to {lengths.max()}; "
            f"expected 1 to {logits.shape[1]}, whole numbers"
        )


def _by_class(share: Array, states: Integers, classes: int) -> Array:
    """The states' shares (N, T, S) added up by class, (N, T, C)."""
    spelt = np.equal(states[:, :, None], np.arange(classes)).astype(share.dtype)
    return np.asarray(share @ spelt)
