"""The states that spell a label sequence, and the sums over all paths through them.

States are blank, l1, blank, l2, ... blank; a path stays, goes on by one, or leaves out the blank
between two different labels. Sums run in log space over the batch and all states at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError, TrainingError

NEVER = -1e30
"""The logarithm of what cannot be: finite, so that sums stay numbers."""


def known_labels(
    where: str, labels: Sequence[Integers], classes: int, blank: int
) -> list[Integers]:
    """The label sequences as arrays; refuses what is no class of `classes`, and the blank."""
    if not 0 <= blank < classes:
        raise TrainingError(f"{where}: got blank {blank}; expected 0 to {classes - 1}")
    sequences = [np.asarray(sequence) for sequence in labels]
    for number, sequence in enumerate(sequences):
        if sequence.ndim != 1 or (len(sequence) and sequence.dtype.kind not in "iu"):
            raise ShapeError(
                f"{where}: got labels of type {sequence.dtype} and shape {sequence.shape} in "
                f"sequence {number}; expected whole numbers in a row"
            )
        strange = sequence[(sequence < 0) | (sequence >= classes) | (sequence == blank)]
        if len(strange):
            raise TrainingError(
                f"{where}: got label {strange[0]} in sequence {number}; "
                f"expected classes of {classes} other than the blank, {blank}"
            )
    return sequences


def log_softmax(logits: Array) -> Array:
    """Logarithms of the softmax over the last axis, in float64."""
    shifted_logits = logits - np.max(logits, axis=-1, keepdims=True)
    total = np.log(np.sum(np.exp(shifted_logits), axis=-1, keepdims=True))
    return np.asarray(shifted_logits - total, np.float64)


def interleave(labels: Sequence[Integers], blank: int) -> tuple[Integers, Integers]:
    """States blank, l1, blank, l2, ... blank: (N, S), and how many are used, (N,)."""
    size = np.array([2 * len(sequence) + 1 for sequence in labels])
    states = np.full((len(labels), int(size.max())), blank, np.intp)
    for row, sequence in zip(states, labels, strict=True):
        row[1 : 2 * len(sequence) : 2] = sequence
    return states, size


def jump_cost(states: Integers, blank: int) -> Array:
    """0 where a path may come from two states before (another label), else NEVER: (N, S)."""
    before = np.concatenate([np.full((len(states), 2), blank), states], axis=1)[:, :-2]
    allowed = (states != blank) & (states != before)
    allowed[:, :2] = False
    return np.where(allowed, 0.0, NEVER)


def forward_backward(
    emitted: Array, states: Integers, lengths: Integers, size: Integers, blank: int, fine: type
) -> tuple[Array, Array]:
    """Log probabilities of the paths up to, and of those from, each step and state, (N, T, S).

    Both count the emission at the step itself. The paths from a state are those up to it in the
    sequence turned round, so one sweep over 2 N sequences gives both.
    """
    time = _turn(lengths, emitted.shape[1])
    place = _turn(size, emitted.shape[2])
    turned = emitted[np.arange(len(emitted))[:, None, None], time[:, :, None], place[:, None, :]]
    turned_states = np.take_along_axis(states, place, axis=1)
    jumps = jump_cost(np.concatenate([states, turned_states]), blank)
    both = _sweep(np.concatenate([emitted, turned]), jumps, fine)
    forward, back = np.split(both, 2)
    backward = back[np.arange(len(back))[:, None, None], time[:, :, None], place[:, None, :]]
    return forward, backward


def total_log_probability(forward: Array, lengths: Integers, size: Integers) -> Array:
    """Log probability of each sequence's labels, (N,)."""
    last = forward[np.arange(len(forward)), lengths - 1]
    ends = np.where(_final_states(size, forward.shape[2]), last, NEVER)
    peak = np.max(ends, axis=1)
    return np.asarray(peak + np.log(np.sum(np.exp(ends - peak[:, None]), axis=1)))


def _turn(lengths: Integers, longest: int) -> Integers:
    """Indices (N, longest) that reverse the first `lengths[n]` places of row n, no others."""
    place = np.arange(longest)
    back = lengths[:, None] - 1 - place
    return np.where(back >= 0, back, place)


def _sweep(emitted: Array, jumps: Array, fine: type) -> Array:
    """Log probability of all paths that stand in state s after step t, (N, T, S).

    Sums run in float64; what each step adds to the larger term, in the precision `fine`.
    """
    reached = np.full((emitted.shape[1], len(emitted), emitted.shape[2] + 2), NEVER)
    reached[0, :, 2:4] = emitted[:, 0, :2]
    by_step = np.ascontiguousarray(np.swapaxes(emitted, 0, 1))
    options = np.empty((3, *jumps.shape))
    terms: Array = np.empty(options.shape, fine)
    for step in range(1, len(reached)):
        before = reached[step - 1]
        options[0], options[1] = before[:, 2:], before[:, 1:-1]
        np.add(before[:, :-2], jumps, out=options[2])
        peak = np.maximum(np.maximum(options[0], options[1]), options[2])
        np.exp(np.subtract(options, peak, out=terms, casting="same_kind"), out=terms)
        total = np.log(terms[0] + terms[1] + terms[2])
        np.add(total, peak, out=reached[step, :, 2:])
        reached[step, :, 2:] += by_step[step]
    return np.swapaxes(reached[:, :, 2:], 0, 1)


def _final_states(size: Integers, states: int) -> Array:
    """True at the last two used states of each sequence, (N, S)."""
    place = np.arange(states)
    return np.asarray((place < size[:, None]) & (place >= size[:, None] - 2))
