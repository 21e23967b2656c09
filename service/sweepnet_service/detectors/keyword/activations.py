"""What the frozen trunk says: features -> activations (rows, steps, channels), float16.

A head learns from these alone, so that the trunk runs once and not at every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.layers import Layer
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.spectral import Spectral

SEGMENT_STEPS = 43
ROW_FRAMES = 3_000
BATCH_FRAMES = 12_000
SHORT_PAUSE, LONG_PAUSE = 20, 100


def segments_round_words(
    trunk: Layer, bank: Bank, spectral: Spectral, filling: Bank | None, rng: np.random.Generator
) -> Array:
    """One segment for each recording of `bank`, its word in the middle: (n, 43, channels).

    In a third of them what lies outside the word is replaced by other speech from `filling`.
    """
    known = np.flatnonzero(np.isfinite(bank.words[:, 0]))
    length = (SEGMENT_STEPS - 1) * int(trunk.windows[0].step) + int(trunk.windows[0].size)
    rows = [around_word(bank, int(index), length, spectral, filling, rng) for index in known]
    return through_trunk(trunk, rows, spectral, rng)


def around_word(
    bank: Bank,
    index: int,
    length: int,
    spectral: Spectral,
    filling: Bank | None,
    rng: np.random.Generator,
) -> Array:
    """`length` frames with the middle of the recording's word in the middle."""
    values = bank[index]
    start, end = bank.words[index]
    first = round((start + end) / 2 - length / 2)
    row = np.full((length, spectral.features.bands), spectral.features.silence, np.float32)
    if filling is not None and rng.random() < 1 / 3:
        row[:] = some_speech(filling, length, rng)
        margin = int(rng.integers(2, 9))
        low, high = max(0, int(start) - margin), min(len(values), int(end) + margin)
    else:
        low, high = 0, len(values)
    low, high = max(low, first), min(high, first + length)
    row[low - first : high - first] = values[low:high]
    return row


def some_speech(bank: Bank, frames: int, rng: np.random.Generator) -> Array:
    """Consecutive frames from anywhere in a bank."""
    start = int(rng.integers(0, max(1, len(bank.frames) - frames)))
    part = np.asarray(bank.frames[start : start + frames], np.float32)
    return np.resize(part, (frames, part.shape[1]))


def streams(
    trunk: Layer,
    bank: Bank,
    chosen: Sequence[int] | Integers,
    spectral: Spectral,
    rng: np.random.Generator,
) -> Array:
    """The chosen recordings one after the other, in equal rows: (rows, steps, channels)."""
    bands, silence = spectral.features.bands, spectral.features.silence
    parts = [np.full((LONG_PAUSE, bands), silence, np.float16)]
    for index in chosen:
        values = bank[int(index)]
        # Short clips stand alone as the keyword does, so that silence round them tells nothing.
        pause = LONG_PAUSE if len(values) < 2 * LONG_PAUSE else SHORT_PAUSE
        parts += [values, np.full((pause, bands), silence, np.float16)]
    joined = np.concatenate(parts)
    rows = max(1, -(-len(joined) // ROW_FRAMES))
    whole = np.resize(joined, (rows * ROW_FRAMES, spectral.features.bands))
    return through_trunk(trunk, whole.reshape(rows, ROW_FRAMES, -1), spectral, rng)


def quiet(trunk: Layer, spectral: Spectral, rng: np.random.Generator) -> Array:
    """Silence, to which `spectral` adds hiss, and its own noise, through the trunk: 8 rows each."""
    rows = np.full((8, ROW_FRAMES, spectral.features.bands), spectral.features.silence)
    noise = np.resize(spectral.noise, rows.shape)
    return through_trunk(trunk, np.concatenate([rows, noise]), spectral, rng)


def through_trunk(
    trunk: Layer, rows: Iterable[Array] | Array, spectral: Spectral, rng: np.random.Generator
) -> Array:
    """Rows of equal length, changed by `spectral`, through the trunk; float16."""
    everything = list(rows)
    if not everything:
        return np.empty((0, SEGMENT_STEPS, 1), np.float16)
    count = max(1, BATCH_FRAMES // len(everything[0]))
    batches = [
        np.stack(everything[first : first + count]).astype(np.float32)
        for first in range(0, len(everything), count)
    ]
    outputs = [trunk.forward(spectral(batch, rng)).astype(np.float16) for batch in batches]
    return np.concatenate(outputs)
