"""A network over a signal that arrives in chunks, with the scores of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.geometry import Window
from cnn_core.layers import Layer


class Stream:
    """One or several signals of equal length fed together: a thin shell around `Layer.step`.

    `state` is plain data (tails and counts for each layer): it can be copied, kept and put back.
    """

    def __init__(self, net: Layer) -> None:
        self.net = net
        self.state: Any = net.init()
        self.read = 0
        """Inputs seen so far."""
        self.written = 0
        """Scores given so far; the next one is score number `written` of the whole signal."""

    @property
    def window(self) -> Window:
        """What score `i` sees: inputs `window.span(i)` since the stream's beginning."""
        return self.net.windows[0] if self.net.windows else Window()

    def push(self, x: Array) -> Array:
        """The scores (N, t', L) that the inputs (N, t, C), t >= 0, complete."""
        if x.ndim != 3:
            raise ShapeError(f"Stream.push: got shape {x.shape}; expected (batch, time, channels)")
        self.state, y = self.net.step(self.state, np.ascontiguousarray(x))
        self.read += x.shape[1]
        self.written += y.shape[1]
        return y

    def reset(self) -> None:
        """As new: nothing seen, nothing given."""
        self.state, self.read, self.written = self.net.init(), 0, 0
