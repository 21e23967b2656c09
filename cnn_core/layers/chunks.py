"""What streaming passes from layer to layer: new places of many streams, each at its own place.

A stream's state is a tree of tails: for each layer the last inputs that windows to come still
need, always equally many, zeros before the stream's first sample. So states of several streams
are one array a layer, a row each, and join, leave or move by its number. How far a stream has
come is one number; where its next window begins is geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import StreamError
from cnn_core.geometry import Window

Count = int | Integers
"""One number for all streams, or one for each."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """`count` new places of `x` (N, n, C) for each stream, which has had `before` already.

    New places stand first; where a stream has fewer than n, filler follows them. `rows`: where
    each stream's tails lie.
    """

    x: Array
    before: Count
    count: Count
    rows: Integers


def valid_window(layer: object, windows: tuple[Window, ...]) -> Window:
    """The one window of a layer that can run in steps: valid, or causal (padded only in front)."""
    if len(windows) != 1:
        raise StreamError(f"{layer}: got {len(windows)} axes; only 1-D signals stream")
    window = windows[0]
    if window.step != int(window.step) or not 0 <= -window.start < window.size:
        raise StreamError(
            f"{layer}: its window {window} upsamples, or pads more than it sees; "
            "streaming needs valid or causal windows"
        )
    return window


def agreed(counts: Count) -> Count:
    """One number where all streams agree: then their windows begin at one place."""
    if isinstance(counts, int) or not len(counts) or (counts != counts[0]).any():
        return counts
    return int(counts[0])


def completed(window: Window, length: Count) -> Count:
    """How many windows the first `length` inputs of a stream complete."""
    step = int(window.step)
    windows = (length + (step - int(window.start) - int(window.size))) // step
    return max(0, windows) if isinstance(windows, int) else np.maximum(windows, 0)


def further(window: Window, chunk: Chunk) -> tuple[Count, Count]:
    """How many windows the streams had completed, and how many the chunk completes."""
    done = agreed(completed(window, chunk.before))
    if window.step == 1 and isinstance(done, int) and done:
        return done, chunk.count  # behind the first window every input completes another
    return done, completed(window, chunk.before + chunk.count) - done


def least(counts: Sequence[Count]) -> Count:
    """The smallest of several counts, stream by stream, and never below 0."""
    plain = [count for count in counts if isinstance(count, int)]
    if len(plain) == len(counts):
        return max(0, min(plain))
    return np.maximum(reduce(np.minimum, counts), 0)


def waiting(windows: Sequence[Window], drops: Sequence[int]) -> tuple[int, ...]:
    """How many outputs each branch may be ahead of the slowest, once it has dropped its first."""
    step = windows[0].step
    ends = [w.start + w.size for w in windows]
    slowest = max(end + drop * step for end, drop in zip(ends, drops, strict=True))
    return tuple(
        max(0, ceil((slowest - end + w.slack) / step) - drop)
        for w, end, drop in zip(windows, ends, drops, strict=True)
    )


def most(windows: Sequence[Window], length: int) -> int:
    """How many windows so many new inputs complete at most."""
    return ceil(length / windows[0].step) if windows else length


def largest(count: Count) -> int:
    return count if isinstance(count, int) else int(count.max(initial=0))


def cut(seen: Array, offset: Count, length: int) -> Array:
    """`length` places of each stream from its own offset: (N, length, C); a view if all agree."""
    offset = agreed(offset)
    if isinstance(offset, int):
        return seen[:, offset : offset + length]
    streams, room, channels = seen.shape
    places = (offset[:, None] + np.arange(length)).clip(0, max(0, room - 1))
    places += room * np.arange(streams)[:, None]
    # One index is faster than two.
    own: Array = seen.reshape(streams * room, channels).take(places, axis=0)
    return own
