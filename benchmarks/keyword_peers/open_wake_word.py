"""openWakeWord (by pyopen-wakeword) as an engine of `sweepnet bench`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench import Detection, crossings, frames, pcm16

FRAME = 1280
REFRACTORY = 25
"""Frames of 80 ms: 2 s, as Wyoming's server of this engine has it."""
SILENCE = bytes(2 * FRAME)
STATE = ("new_audio_samples", "audio", "new_mels", "mels", "new_embeddings", "embeddings")


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
        # A new engine hears 8 s of silence before its first frame: done once, as it takes long.
        for _ in self._heard(SILENCE):
            pass
        self._fresh = [state_of(part) for part in self._parts()]

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
        for part, state in zip(self._parts(), self._fresh, strict=True):
            vars(part).update(copy.deepcopy(state))
        scores: dict[str, list[float]] = {word: [] for word in self.words}
        for frame in frames(pcm16(samples), FRAME):
            best = dict.fromkeys(self.words, 0.0)
            for word, score in self._heard(frame.tobytes()):
                best[word] = max(best[word], score)
            for word in self.words:
                scores[word].append(best[word])
        return scores

    def _parts(self) -> list[object]:
        return [self._features, *self._nets.values()]

    def _heard(self, pcm: bytes) -> Iterator[tuple[str, float]]:
        for embedding in self._features.process_streaming(pcm):
            for word, net in self._nets.items():
                for score in net.process_streaming(embedding):
                    yield word, score


def state_of(part: object) -> dict[str, object]:
    """All that a part remembers of what it heard."""
    return {name: copy.deepcopy(value) for name, value in vars(part).items() if name in STATE}
