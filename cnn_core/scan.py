"""The sweep: one network over a whole signal or picture, the score of every window at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from cnn_core.dense_scan import dense
from cnn_core.errors import ShapeError
from cnn_core.finite import check_finite
from cnn_core.geometry import Window, Windows
from cnn_core.layers import Layer
from cnn_core.layers.patches import per_axis
from cnn_core.tiles import tiling

BLOCK = 8192
"""Inputs of a signal that are computed together; pictures go whole unless tiles are asked for."""

Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Scores (N, *out, L) with the windows they came from; scores alone never travel.

    `uncovered` counts, along each axis, the inputs at the end that no window covers: all of them
    where the signal is shorter than one window.
    """

    scores: Array
    windows: Windows
    uncovered: tuple[int, ...] = ()

    def span(self, *index: int) -> tuple[tuple[int, int], ...]:
        """The inputs `[first, past)` along each axis that the score at `index` saw."""
        return tuple(w.span(i) for w, i in zip(self.windows, index, strict=True))


def scan(
    net: Layer,
    x: Array,
    *,
    stride: int | tuple[int, ...] | None = None,
    tile: int | tuple[int, ...] | None = None,
    prepare: Callable[[Array], Array] | None = None,
    progress: Progress | None = None,
) -> ScoreMap:
    """The score of every window of a batch: signals (N, T, C), pictures (N, H, W, C), any size.

    `stride` asks for windows that many inputs apart, down to 1, whatever the network's own
    stride (`dense` says how). With `tile` inputs a side the memory is that of one tile with its
    halo and of the scores; `x` may then lie on disk, and `prepare` turn each cut of it (pixels,
    say) into numbers. Raises ShapeError, GeometryError, and NotFiniteError by position.
    """
    x = x if hasattr(x, "shape") else np.asarray(x)
    if x.ndim not in (3, 4, 5):
        raise ShapeError(
            f"scan: got shape {x.shape}; expected (N, T, C), (N, H, W, C) or (N, D, H, W, C)"
        )
    lengths = x.shape[1:-1]
    if stride is not None:
        net = dense(net, per_axis(stride, len(lengths), "scan: stride"))
    whole = (BLOCK,) if x.ndim == 3 else tuple(max(1, n) for n in lengths)
    sizes = whole if tile is None else per_axis(tile, len(lengths), "scan: tile")
    scores, cuts = _Scores(net, x.shape), tiling(net, lengths, sizes)
    for done, cut in enumerate(cuts, start=1):
        piece = x[(slice(None), *cut.inputs)]
        piece = np.ascontiguousarray(prepare(piece) if prepare else piece)
        check_finite("scan", piece, (0, *(s.start for s in cut.inputs)))
        scores.put(cut.outputs, net.forward(piece)[(slice(None), *cut.inner)])
        if progress:
            progress(done, len(cuts))
    windows = net.windows or (Window(),) * len(lengths)
    uncovered = map(Window.behind, windows, net.lengths(lengths), lengths)
    return ScoreMap(scores.whole(), windows, tuple(uncovered))


class _Scores:
    """Pieces put together in memory of their own; the first tells the type."""

    def __init__(self, net: Layer, shape: tuple[int, ...]) -> None:
        self._shape = net.output_shape(shape)
        self._scores: Array | None = None

    def put(self, place: tuple[slice, ...], piece: Array) -> None:
        if self._scores is None:
            self._scores = np.empty(self._shape, piece.dtype)
        self._scores[(slice(None), *place)] = piece

    def whole(self) -> Array:
        return np.zeros(self._shape, np.float32) if self._scores is None else self._scores
