"""What a score was made from: the frames of its window, and how much each of them mattered.

Two views that need not agree. The gradient tells, to first order, what each cell of the spectrum
adds to the score beside silence; hiding a piece of time tells how far the score falls without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cnn_core.arrays import Array
from cnn_core.explain import gradient_map, occlusion_map, shortest
from cnn_core.layers import Layer, Sequential, Sigmoid
from sweepnet_service.detectors.keyword.detector import KeywordDetector

MOST_EXPLAINED = 8
"""Of one channel under one detector: an explanation costs about as much as forty windows."""
HIDDEN_S = 0.15
SHARE = 0.9


@dataclass(frozen=True, eq=False)
class SpotExplanation:
    """One score of a label and what it looked at; places in samples, of the source in the end.

    [start, end) is the window: it may reach into the silence before the first sample and behind
    the last. [effective_start, effective_end) is where it mainly looks: the shortest piece with
    nine tenths of the squared gradient. `features` (t, bands) are the window's frames, the first
    one at `start`, `hop` samples apart; `contributions` (t, bands) is what each cell adds to the
    log odds beside silence; `falls` (t,) how far the score falls with 0.15 s round a frame silent.
    """

    label: str
    score: float
    start: float
    end: float
    effective_start: float
    effective_end: float
    hop: float
    features: Array
    contributions: Array
    falls: Array

    def placed(self, scale: float, shift: float) -> SpotExplanation:
        """The same with every place moved: scale * (place - shift)."""
        places = ("start", "end", "effective_start", "effective_end")
        moved = {name: scale * (getattr(self, name) - shift) for name in places}
        return replace(self, hop=scale * self.hop, **moved)


@dataclass(frozen=True, eq=False)
class Looked:
    """The frames (t, bands) that a window saw."""

    window: int
    score: float
    frames: Array


class Explainer:
    """The last frames of a stream, for as long as an event may ask for one of their windows.

    For each label it keeps the window with the highest score too: where nothing was found, that
    is the one to explain.
    """

    def __init__(self, detector: KeywordDetector) -> None:
        self._detector = detector
        self._window = detector.net.windows[0]
        open_windows = round(detector.decision.longest_s / detector.hop_s) + 2
        self._kept = open_windows * int(self._window.step) + int(self._window.size)
        self._frames = np.empty((0, detector.features.bands), np.float32)
        self._first = self._windows = 0
        self._best: dict[str, Looked] = {}
        self._found: set[str] = set()
        self._left = MOST_EXPLAINED

    def hear(self, frames: Array, scores: Array) -> None:
        """New frames (t, bands), and the scores (t', labels) that they completed."""
        self._frames = np.concatenate((self._frames, frames))
        for place, label in enumerate(self._detector.labels if len(scores) else ()):
            top = int(scores[:, place].argmax())
            best = self._best.get(label)
            if best is None or scores[top, place] > best.score:
                score = float(scores[top, place])
                self._best[label] = self._looked(self._windows + top, score)
        self._windows += len(scores)

    def forget(self) -> None:
        """Let go of frames that no event can ask for any more."""
        surplus = max(0, len(self._frames) - self._kept)
        self._frames, self._first = self._frames[surplus:].copy(), self._first + surplus

    def event(self, label: str, window: int, score: float) -> SpotExplanation | None:
        """Why an event was told; None once enough of them are explained."""
        self._found.add(label)
        if self._left == 0:
            return None
        self._left -= 1
        return explained(self._detector, label, self._looked(window, score))

    def rest(self) -> list[SpotExplanation]:
        """For each label of which there was no event, its highest window."""
        missing = {label: best for label, best in self._best.items() if label not in self._found}
        return [explained(self._detector, label, best) for label, best in missing.items()]

    def _looked(self, window: int, score: float) -> Looked:
        first, past = (at - self._first for at in self._window.span(window))
        return Looked(window, score, self._frames[first:past].copy())


def explained(detector: KeywordDetector, label: str, looked: Looked) -> SpotExplanation:
    """The explanation of one window; places in samples of the padded signal."""
    place, x = detector.labels.index(label), looked.frames[None]
    hop, silence = detector.features.hop_samples, detector.features.silence
    slopes = gradient_map(log_odds(detector.net), x, place, (0,))
    energy = np.square(slopes[0], dtype=np.float64).sum(axis=1)
    start, end = detector.window.span(looked.window)
    first, past = shortest(energy, SHARE)
    return SpotExplanation(
        label=label,
        score=looked.score,
        start=float(start),
        end=float(end),
        effective_start=float(start + first * hop),
        effective_end=float(start + (past - 1) * hop + detector.features.width_samples),
        hop=float(hop),
        features=looked.frames,
        contributions=(slopes * (x - silence))[0],
        falls=falls(detector, x, place),
    )


def falls(detector: KeywordDetector, x: Array, place: int) -> Array:
    """How far the score falls with a piece of time round each frame silenced, (t,)."""
    width = min(x.shape[1], max(1, round(HIDDEN_S / detector.features.hop_s)))
    stride = max(1, width // 3)
    fallen = occlusion_map(detector.net, x, place, width, stride, detector.features.silence)[0]
    middles = np.arange(len(fallen)) * stride + (width - 1) / 2
    return np.asarray(np.interp(np.arange(x.shape[1]), middles, fallen), np.float32)


def log_odds(net: Layer) -> Layer:
    """The network without its last sigmoid, whose slope vanishes where the score is sure."""
    if isinstance(net, Sequential) and isinstance(net.layers[-1], Sigmoid):
        return Sequential(net.layers[:-1])
    return net
