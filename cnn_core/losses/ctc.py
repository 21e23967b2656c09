"""Connectionist temporal classification (Graves et al., ICML 2006): sequences without alignment.

The loss is -log of the summed probability of all paths that spell the labels, where blanks and
repeats are dropped; the forward-backward sums run in log space over batch and states at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError, TrainingError
from cnn_core.losses.checks import expect_shape

NEVER = -1e30


def ctc(
    logits: Array, lengths: Integers, labels: Sequence[Integers], blank: int = 0
) -> tuple[Array, Array]:
    """Loss of each sequence (N,) and its gradient by the logits (N, T, C).

    `logits` is (N, T, C); only the first `lengths[n]` steps of sequence n count. A sequence too
    short for its labels has an infinite loss and a gradient of zero.
    """
    fine = np.float32 if logits.dtype == np.float32 else np.float64
    lengths = np.asarray(lengths)
    _check(logits, lengths, labels, blank)
    log_p = log_softmax(logits)
    states, size = interleave(labels, blank)
    emitted = np.take_along_axis(log_p, states[:, None, :], axis=2)
    emitted = np.where(np.arange(states.shape[1]) < size[:, None, None], emitted, NEVER)
    forward, backward = sweep_both(emitted, states, lengths, size, blank, fine)
    total = total_log_probability(forward, lengths, size)
    possible = total > NEVER / 2
    log_share = forward + backward - emitted - np.where(possible, total, 0)[:, None, None]
    counts = (np.arange(logits.shape[1]) < lengths[:, None]) & possible[:, None]
    share = np.exp(np.where(counts[:, :, None], np.minimum(log_share, 0), NEVER))
    gradient = np.exp(log_p) * counts[:, :, None] - scatter(share, states, logits.shape[2])
    return np.where(possible, -total, np.inf), gradient.astype(logits.dtype)


def _check(logits: Array, lengths: Integers, labels: Sequence[Integers], blank: int) -> None:
    if logits.ndim != 3 or lengths.shape != (len(logits),) or len(labels) != len(logits):
        raise ShapeError(
            f"ctc: got {len(logits)} sequences, lengths of shape {lengths.shape} and {len(labels)} "
            "label sequences; expected logits (N, T, C), a length and a label sequence for each"
        )
    expect_shape("ctc", "logits", logits.shape, logits.shape)
    steps, classes = logits.shape[1:]
    if lengths.min() < 1 or lengths.max() > steps:
        raise ShapeError(
            f"ctc: got lengths from {lengths.min()} to {lengths.max()}; expected 1 to {steps}"
        )
    for number, sequence in enumerate(map(np.asarray, labels)):
        strange = sequence[(sequence < 0) | (sequence >= classes) | (sequence == blank)]
        if len(strange):
            raise TrainingError(
                f"ctc: got label {strange[0]} in sequence {number}; "
                f"expected classes of {classes} other than the blank, {blank}"
            )


def greedy_decode(logits: Array, blank: int = 0) -> list[int]:
    """The labels of the best path of one sequence (T, C): repeats merged, blanks dropped."""
    best = np.argmax(logits, axis=-1)
    changed = np.diff(best, prepend=-1) != 0
    return [int(label) for label in best[changed] if label != blank]


def edit_distance(reference: Sequence[int], found: Sequence[int]) -> int:
    """Insertions, deletions and substitutions between two label sequences."""
    row = np.arange(len(found) + 1)
    columns = np.arange(len(found) + 1)
    other = np.asarray(found)
    for position, label in enumerate(reference, 1):
        change = np.empty_like(row)
        change[0] = position
        change[1:] = np.minimum(row[:-1] + (other != label), row[1:] + 1)
        row = np.minimum.accumulate(change - columns) + columns
    return int(row[-1])


def align(logits: Array, labels: Integers, blank: int = 0) -> Integers:
    """The best path that spells `labels`: for each label its first and last step, (L, 2)."""
    states, _ = interleave([labels], blank)
    emitted = np.take_along_axis(log_softmax(logits), states, axis=1)
    jumps = jump_cost(states, blank)[0]
    score = np.full(states.shape[1], NEVER)
    score[:2] = emitted[0, :2]
    choices = np.zeros(emitted.shape, np.int8)
    for step in range(1, len(emitted)):
        padded = np.concatenate([[NEVER, NEVER], score])
        options = np.stack([padded[2:], padded[1:-1], padded[:-2] + jumps])
        choices[step] = np.argmax(options, axis=0)
        score = np.max(options, axis=0) + emitted[step]
    path = trace(choices, int(len(score) - 2 + np.argmax(score[-2:])))
    spans = [np.flatnonzero(path == 2 * index + 1) for index in range(len(labels))]
    return np.array([[span[0], span[-1]] for span in spans], np.intp).reshape(-1, 2)


def trace(choices: Integers, last: int) -> Integers:
    """The states of the best path, walked back from `last`, (T,)."""
    path = np.empty(len(choices), np.intp)
    for step in range(len(choices) - 1, -1, -1):
        path[step] = last
        last -= int(choices[step, last])
    return path


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


def sweep_both(
    emitted: Array, states: Integers, lengths: Integers, size: Integers, blank: int, fine: type
) -> tuple[Array, Array]:
    """Log probabilities of the paths up to, and of those from, each step and state, (N, T, S).

    Both count the emission at the step itself. The paths from a state are those up to it in the
    sequence turned round, so one sweep over 2 N sequences gives both.
    """
    time = turn(lengths, emitted.shape[1])
    place = turn(size, emitted.shape[2])
    turned = emitted[np.arange(len(emitted))[:, None, None], time[:, :, None], place[:, None, :]]
    turned_states = np.take_along_axis(states, place, axis=1)
    jumps = jump_cost(np.concatenate([states, turned_states]), blank)
    both = sweep(np.concatenate([emitted, turned]), jumps, fine)
    forward, back = np.split(both, 2)
    backward = back[np.arange(len(back))[:, None, None], time[:, :, None], place[:, None, :]]
    return forward, backward


def turn(lengths: Integers, longest: int) -> Integers:
    """Indices (N, longest) that reverse the first `lengths[n]` places of row n, no others."""
    place = np.arange(longest)
    back = lengths[:, None] - 1 - place
    return np.where(back >= 0, back, place)


def sweep(emitted: Array, jumps: Array, fine: type) -> Array:
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


def final_states(size: Integers, states: int) -> Array:
    """True at the last two used states of each sequence, (N, S)."""
    place = np.arange(states)
    return np.asarray((place < size[:, None]) & (place >= size[:, None] - 2))


def total_log_probability(forward: Array, lengths: Integers, size: Integers) -> Array:
    """Log probability of each sequence's labels, (N,)."""
    last = forward[np.arange(len(forward)), lengths - 1]
    ends = np.where(final_states(size, forward.shape[2]), last, NEVER)
    peak = np.max(ends, axis=1)
    return np.asarray(peak + np.log(np.sum(np.exp(ends - peak[:, None]), axis=1)))


def scatter(share: Array, states: Integers, classes: int) -> Array:
    """The states' shares (N, T, S) added up by class, (N, T, C)."""
    spelt = np.equal(states[:, :, None], np.arange(classes)).astype(share.dtype)
    return np.asarray(share @ spelt)
