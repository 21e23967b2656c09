"""openWakeWord (by pyopen-wakeword) as an engine of `sweepnet bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench import Detection, crossings, frames, pcm16

FRAME = 1280
REFRACTORY = 25
"""Frames of 80 ms: 2 s, as Wyoming's server of this engine has it."""
SILENCE = bytes(2 * FRAME)


class OpenWakeWordEngine:
    """The built-in words that are one word, swept over thresholds of the scores."""

    name = f"openWakeWord {version('pyopen-wakeword')}"
    rate_hz = 16_000
    settings = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

    def __init__(self, words: Sequence[str]) -> None:
        known = {model.value: model for model in Model}
        self.words = [word for word in words if word in known]
        self._features = OpenWakeWordFeatures.from_builtin()
        self._nets = {word: OpenWakeWord.from_builtin(known[word]) for word in self.words}

    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        scores = self._scores(samples)
        return [
            [
                Detection(word, (place + 1) * FRAME / self.rate_hz)
                for word in self.words
                for place in crossings(scores[word], setting, REFRACTORY)
            ]
            for setting in settings
        ]

    def _scores(self, samples: Array) -> dict[str, list[float]]:
        """The highest score of each frame."""
        self._features.reset()
        for net in self._nets.values():
            net.reset()
        scores: dict[str, list[float]] = {word: [] for word in self.words}
        # A reset engine hears 8 s of silence before its first frame; their scores are no frame's.
        for _ in self._heard(SILENCE):
            pass
        for frame in frames(pcm16(samples), FRAME):
            best = dict.fromkeys(self.words, 0.0)
            for word, score in self._heard(frame.tobytes()):
                best[word] = max(best[word], score)
            for word in self.words:
                scores[word].append(best[word])
        return scores

    def _heard(self, pcm: bytes) -> Iterator[tuple[str, float]]:
        for embedding in self._features.process_streaming(pcm):
            for word, net in self._nets.items():
                for score in net.process_streaming(embedding):
                    yield word, score
