"""Our own detectors as one more engine: the deployed session, swept over its thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench.engine import Detection
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import streamed
from sweepnet_service.detectors.keyword.session import SpotOptions, SpotSession

THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class OwnDetector:
    """A detector of this project, under the name of its file and the first digits of its hash."""

    name: str
    detector: KeywordDetector
    words: tuple[str, ...]

    @classmethod
    def load(cls, path: Path, words: Sequence[str]) -> OwnDetector:
        """The detector in a model file. Raises NotFound or ModelUnreadable."""
        detector = KeywordDetector.load(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        known = tuple(label for label in detector.labels if label in words)
        return cls(f"{path.stem} {digest}", detector, known)

    @property
    def rate_hz(self) -> int:
        return self.detector.rate_hz

    @cached_property
    def settings(self) -> tuple[float, ...]:
        """A grid, and the thresholds that the file itself keeps for these words."""
        points = (self.detector.operating_points[word] for word in self.words)
        kept = {point.threshold for each in points for point in each}
        kept |= {self.detector.default_thresholds[word] for word in self.words}
        return tuple(sorted(kept.union(THRESHOLDS)))

    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        """Scored once; each threshold is replayed by the deployed decision."""
        scores = streamed(self.detector, samples)
        return [self._decided(scores, len(samples), threshold) for threshold in settings]

    def _decided(self, scores: Array, samples: int, threshold: float) -> list[Detection]:
        options = SpotOptions(thresholds=dict.fromkeys(self.words, threshold))
        session = SpotSession(self.detector, self.rate_hz, options)
        return [
            Detection(word, event.peak / self.rate_hz)
            for word in self.words
            for event in session.replay(word, scores[:, self.detector.labels.index(word)], samples)
        ]
