"""Pronunciations of a word that no dictionary has: read off its recordings by the phone trunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array
from cnn_core.decode import greedy_decode
from cnn_core.layers import Layer
from cnn_core.layers.wordpath import best_score
from sweepnet_service.detectors.keyword.assembly import path_steps
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Spoken, relative_word
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.trunk import pad

FEWEST_PHONES, MOST_SPELLINGS = 3, 3
MARGIN_S, FLOOR = 0.1, -8.0
GAIN = 0.05
"""A further spelling has to raise the mean score of the recordings by so much."""

Spelling = tuple[int, ...]


def word_logits(net: Layer, front: FrontEnd, spoken: Spoken) -> Array:
    """What the phone network says of a recording's word and a little round it, (T, 1 + phones)."""
    recording, samples = spoken
    start_s, end_s = relative_word(recording) or (0.0, len(samples) / RATE_HZ)
    first, past = round((start_s - MARGIN_S) * RATE_HZ), round((end_s + MARGIN_S) * RATE_HZ)
    logits: Array = net.forward(pad([front.frames(samples[max(0, first) : past])], front))[0]
    return logits


def spellings_in(logits: Sequence[Array]) -> tuple[Spelling, ...]:
    """Up to three of the recordings' own spellings that together fit the others best; none where
    no recording gives three phones.

    One is taken after the other; a recording has no say about the spelling that it gave.
    """
    own = [tuple(greedy_decode(each)) for each in logits]
    candidates = sorted({word for word in own if len(word) >= FEWEST_PHONES})
    if not candidates:
        return ()
    scores = np.array([[fitting(each, word) for each in logits] for word in candidates])
    itself = np.array([[mine == word for mine in own] for word in candidates])
    scores[itself & (np.sum(itself, axis=1) < 2)[:, None]] = FLOOR
    best = np.full(len(own), FLOOR)
    chosen: list[int] = []
    while len(chosen) < min(MOST_SPELLINGS, len(candidates)):
        gains = np.mean(np.maximum(scores, best) - best, axis=1)
        found = int(np.argmax(gains))
        if chosen and gains[found] < GAIN:
            break
        chosen.append(found)
        best = np.maximum(best, scores[found])
    return tuple(candidates[index] for index in chosen)


def fitting(logits: Array, word: Spelling) -> float:
    """The best path score of a word anywhere in a recording."""
    size = min(path_steps([word]), len(logits))
    costs = (logits - logits.max(axis=1, keepdims=True)).T[:, :, None].astype(np.float64)
    return float(np.maximum(best_score(costs, word, size), FLOOR).max())
