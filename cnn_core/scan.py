"""The sweep: one network over a whole signal or picture, the score of every window at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.geometry import Window, Windows
from cnn_core.layers import Layer
from cnn_core.stream import Stream


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores (N, *out, L) with the windows they came from; scores alone never travel."""

    scores: Array
    windows: Windows

    def span(self, *index: int) -> tuple[tuple[int, int], ...]:
        """The inputs `[first, past)` along each axis that the score at `index` saw."""
        return tuple(w.span(i) for w, i in zip(self.windows, index, strict=True))


def scan(net: Layer, x: Array, *, block: int = 8192) -> ScoreMap:
    """The network over a batch: signals (N, T, C) or pictures (N, H, W, C) of any size.

    Signals go through in blocks of `block` inputs, so that memory does not grow with their
    length; the scores are those of the whole.
    """
    if x.ndim not in (3, 4):
        raise ShapeError(f"scan: got shape {x.shape}; expected (N, T, C) or (N, H, W, C)")
    windows = net.windows or (Window(),) * (x.ndim - 2)
    if x.ndim == 4:
        return ScoreMap(net.forward(x), windows)
    stream = Stream(net)
    pieces = [stream.push(x[:, at : at + block]) for at in range(0, max(1, x.shape[1]), block)]
    return ScoreMap(np.concatenate(pieces, axis=1), windows)
