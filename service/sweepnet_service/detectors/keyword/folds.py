"""Speaker folds: every voice of the continuous speech in one of five parts of about equal hours.

A detector that learnt from four parts is measured on the fifth, so that five detectors together
are measured on all of it, each on voices that it never heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sweepnet_service.detectors.keyword.dataset import Recording

FOLDS = 5
UNNAMED = frozenset({"picovoice-sti", "ami"})
"""Corpora that do not name their speakers: each is one group."""
PREFIXES = {"so762_": "so", "librispeech_": "ls"}


def voice(recording: Recording) -> str:
    """Who speaks, by one name over all manifests; the corpus where it names nobody."""
    if recording.corpus in UNNAMED:
        return recording.corpus
    for long, short in PREFIXES.items():
        if recording.speaker.startswith(long):
            return short + recording.speaker.removeprefix(long)
    return recording.speaker


def speaker_folds(recordings: Iterable[Recording], count: int = FOLDS) -> Mapping[str, int]:
    """The fold of each voice, 0..count-1: the longest first, each into the emptiest fold."""
    seconds: dict[str, float] = defaultdict(float)
    for recording in recordings:
        assert recording.end_s is not None
        seconds[voice(recording)] += recording.end_s - recording.start_s
    filled = [0.0] * count
    placed = {}
    for name, length in sorted(seconds.items(), key=lambda item: (-item[1], item[0])):
        fold = filled.index(min(filled))
        placed[name] = fold
        filled[fold] += length
    return placed
