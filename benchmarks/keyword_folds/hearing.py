"""What fold detectors make of test clips and of speakers whom they never heard, kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from cnn_core.arrays import Array
from cnn_core.fold import fold
from cnn_core.layers import Sequential
from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword.assembly import Calibrated
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording, Spoken
from sweepnet_service.detectors.keyword.detector import KeywordDetector, Placement
from sweepnet_service.detectors.keyword.evaluate import Heard, streamed
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.tuning import placement
from sweepnet_service.progress import Report, paced

KEPT = ("seconds", "counts", "values")
SLOPE = 0.5
"""Log odds are halved, so that single precision tells high scores apart; order stays."""
FINEST = 1e-12
"""How near to 0 and 1 scores are taken."""


def detector_of(net: Sequential, labels: Sequence[str]) -> KeywordDetector:
    """A network that ends in scores as a detector without thresholds of its own."""
    found = Calibrated.of(net, len(labels))
    scale = np.full(len(labels), SLOPE, np.float32)
    return KeywordDetector(
        labels=tuple(labels),
        features=LogMel(),
        net=fold(Calibrated(found.body, scale * found.scale, SLOPE * found.offset).net),
        placements={label: Placement(0.5, 1.0) for label in labels},
        operating_points=dict.fromkeys(labels, ()),
        default_thresholds=dict.fromkeys(labels, 0.5),
        card={},
    )


@dataclass(frozen=True)
class Scores:
    """What one detector made of recordings: (windows, labels) of each, one after the other."""

    labels: tuple[str, ...]
    recordings: Sequence[Recording]
    seconds: Array
    counts: Array
    values: Array

    def of(self, label: str) -> list[Heard]:
        """The scores of one label, recording by recording."""
        parts = np.split(self.values[:, self.labels.index(label)], np.cumsum(self.counts)[:-1])
        rows = zip(self.recordings, self.seconds.tolist(), parts, strict=True)
        return [Heard(recording, seconds, scores) for recording, seconds, scores in rows]


def hear(detector: KeywordDetector, spoken: Sequence[Spoken]) -> Scores:
    """The scores of recordings that are at hand."""
    scores = [streamed(detector, samples) for _, samples in spoken]
    return Scores(
        detector.labels,
        [recording for recording, _ in spoken],
        np.array([len(samples) / RATE_HZ for _, samples in spoken]),
        np.array([len(each) for each in scores]),
        np.concatenate(scores),
    )


def heard(
    detector: KeywordDetector,
    recordings: Sequence[Recording],
    spoken: Callable[[], Iterable[Spoken]],
    path: Path,
    report: Report,
) -> Scores:
    """The scores of recordings, of which `spoken` gives the samples in the same order; read from
    `path` where they are kept.
    """
    if not path.exists():
        told = paced(f"hearing {path.stem}", len(recordings), report)
        parts = []
        for done, (_, samples) in enumerate(spoken(), 1):
            parts.append((len(samples) / RATE_HZ, streamed(detector, samples)))
            told(done)
        kept = BytesIO()
        np.savez(
            kept,
            seconds=[seconds for seconds, _ in parts],
            counts=[len(scores) for _, scores in parts],
            values=np.concatenate([scores for _, scores in parts]),
        )
        write_whole(path, kept.getvalue())
    kept_arrays = np.load(path)
    return Scores(detector.labels, recordings, *(kept_arrays[name] for name in KEPT))


def mean_scores(parts: Sequence[Scores]) -> Scores:
    """What the mean of networks, of their log odds, makes of the recordings that each has heard."""
    odds = [logit(np.clip(each.values, FINEST, 1 - FINEST, dtype=np.float64)) for each in parts]
    return replace(parts[0], values=expit(np.mean(odds, axis=0)).astype(np.float32))


def placed(detector: KeywordDetector, clips: Mapping[str, list[Heard]]) -> KeywordDetector:
    """The detector with each word's place in its window, from training clips."""
    places = {label: placement(detector, heard) for label, heard in clips.items()}
    return replace(detector, placements={**detector.placements, **places})
