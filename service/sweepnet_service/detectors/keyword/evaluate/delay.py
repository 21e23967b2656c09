"""How long after a word's end its event is told, as a stream that goes on would have told it."""

from __future__ import annotations

import math

from sweepnet_service.detectors.keyword.dataset import RATE_HZ, relative_word
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard

CHUNK_S = 0.03
"""A live stream's chunk."""


def delay_s(
    detector: KeywordDetector, label: str, heard: Heard, threshold: float, chunk_s: float = CHUNK_S
) -> float | None:
    """Seconds of audio from the word's end until its event was told; None where it was missed, or
    where the recording does not say when the word ends.

    The event comes with the first window that no longer belongs to its peak; the stream must have
    been read to that window's end, in whole chunks. After the recording the stream is silent.
    """
    word = relative_word(heard.recording)
    window = Decider(detector, label, threshold).told_at(heard)
    if word is None or window is None:
        return None
    _, past = detector.window.span(window)
    chunk = round(chunk_s * RATE_HZ)
    read_until = math.ceil((past - detector.padding_samples) / chunk) * chunk
    return read_until / RATE_HZ - word[1]
