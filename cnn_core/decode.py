"""What outputs trained with `losses.ctc` say: labels, and where each one is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.losses.lattice import NEVER, interleave, jump_cost, known_labels, log_softmax


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
    """The best path that spells `labels`: for each label its first and last step, (L, 2).

    Raises ShapeError where the sequence (T, C) is too short for its labels.
    """
    labels = _checked(logits, labels, blank)
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
    path = _trace(choices, int(len(score) - 2 + np.argmax(score[-2:])))
    spans = [np.flatnonzero(path == 2 * index + 1) for index in range(len(labels))]
    return np.array([[span[0], span[-1]] for span in spans], np.intp).reshape(-1, 2)


def _checked(logits: Array, labels: Integers, blank: int) -> Integers:
    """The labels, where there are steps enough: one each, and a blank between equal ones."""
    if logits.ndim != 2:
        raise ShapeError(f"align: got logits of shape {logits.shape}; expected (T, C)")
    (labels,) = known_labels("align", [labels], logits.shape[1], blank)
    due = max(1, len(labels) + int((labels[1:] == labels[:-1]).sum()))
    if len(logits) < due:
        raise ShapeError(
            f"align: got {len(logits)} steps for {len(labels)} labels; expected at least {due}"
        )
    return labels


def _trace(choices: Integers, last: int) -> Integers:
    """The states of the best path, walked back from `last`, (T,)."""
    path = np.empty(len(choices), np.intp)
    for step in range(len(choices) - 1, -1, -1):
        path[step] = last
        last -= int(choices[step, last])
    return path
