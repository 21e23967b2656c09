"""Words nearly heard: the scores of a session decided anew at a lower threshold, with their audio.

samples -> the last seconds, 16 bit
scores  -> the deployed decision, its thresholds lowered -> peaks near a threshold -> a clip each
"""

from __future__ import annotations

import io
import uuid
import wave
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cnn_core.arrays import Array
from cnn_core.decide import EachLabel, Peak
from sweepnet_service.captures.capture import Sighting
from sweepnet_service.captures.keeper import Keeper
from sweepnet_service.captures.near import is_near, lowered
from sweepnet_service.store.names import reference

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import KeywordDetector, SpotUpdate
    from sweepnet_service.live.request import SpotRequest

CONTEXT_S = 0.7
"""Audio kept before and after a word: enough to tell it by ear."""
SPARE_S = 0.5
FULL_SCALE = 32_767


@dataclass(frozen=True)
class Watch:
    """What is nearly heard in one stream goes to the keeper; its clips form a group."""

    keeper: Keeper
    group: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def beside(
        self, name: str, detector: KeywordDetector, stream: SpotRequest, wanted: Collection[str]
    ) -> NearlyHeard | None:
        """What listens beside a session of the stream; None for phones, which are no words."""
        if detector.kind != "keyword":
            return None
        used = detector.thresholds(
            {label: x for label, x in stream.thresholds.items() if label in detector.labels},
            stream.false_alarms_per_hour,
        )
        return NearlyHeard(
            self.keeper,
            reference(name, "detector").name,
            detector,
            stream.rate_hz,
            used,
            frozenset(wanted),
            self.group,
        )


class NearlyHeard:
    """Beside one session: told of its samples and of its scores, it offers what is near.

    `thresholds` are those in force, `wanted` the labels that are asked for. Every session keeps the
    last seconds of its audio for it, 32 kB a second at 16 kHz.
    """

    def __init__(
        self,
        keeper: Keeper,
        name: str,
        detector: KeywordDetector,
        rate_hz: int,
        thresholds: dict[str, float],
        wanted: Collection[str],
        group: str,
    ) -> None:
        from sweepnet_service.detectors.keyword.session import decider

        self._keeper, self._name, self._detector = keeper, name, detector
        self._rate_hz, self._thresholds, self._wanted = rate_hz, thresholds, wanted
        self._group = group
        low = lowered(thresholds, keeper.margin)
        self._rule = EachLabel(
            tuple(decider(detector, label, low[label]) for label in detector.labels)
        )
        self._state = self._rule.init()
        longest_s = detector.window_s + detector.decision.longest_s + 2 * CONTEXT_S + SPARE_S
        self._longest = round(longest_s * rate_hz)
        self._pieces: deque[Array] = deque()
        self._count = self._kept = 0

    def heard(self, samples: Array) -> None:
        """The next samples (n,) of the source, before they are scored."""
        while self._pieces and self._kept - len(self._pieces[0]) >= self._longest:
            self._kept -= len(self._pieces.popleft())
        bounded = np.clip(np.nan_to_num(samples), -1, 1)
        self._pieces.append(np.asarray(np.rint(bounded * FULL_SCALE), "<i2"))
        self._kept += len(samples)
        self._count += len(samples)

    def told(self, update: SpotUpdate, last: bool = False, kept: bool = True) -> None:
        """What the session told of them; `last`: the session has ended. `kept`: whether what is
        near is offered.
        """
        if not update.windows and not last:
            return
        rows = [window.scores for window in update.windows]
        scores = np.array(rows, np.float32).reshape(-1, len(self._detector.labels))
        self._state, peaks = self._rule.step(self._state, scores)
        for place, peak in [*peaks, *(self._rule.finish(self._state) if last else ())]:
            if kept:
                self._offer(self._detector.labels[place], peak)

    def _offer(self, label: str, peak: Peak) -> None:
        threshold = self._thresholds[label]
        if label not in self._wanted or not is_near(peak.score, threshold, self._keeper.margin):
            return
        start, end = self._extent(label, peak)
        first = max(0, self._count - self._kept, start - round(CONTEXT_S * self._rate_hz))
        past = min(self._count, end + round(CONTEXT_S * self._rate_hz))
        if not first <= start < end <= past:
            return
        sighting = Sighting(
            "keyword",
            self._name,
            label,
            peak.score,
            threshold,
            self._group,
            word_s=((start - first) / self._rate_hz, (end - first) / self._rate_hz),
        )
        clip = self._samples(first, past)
        self._keeper.offer(sighting, partial(wav_of, clip, self._rate_hz))

    def _extent(self, label: str, peak: Peak) -> tuple[int, int]:
        """Where the word lies, in samples of the source, within what was heard."""
        detector, place = self._detector, self._detector.placements[label]
        window, _ = detector.window.span(peak.peak)
        begin_s = float(window - detector.padding_samples) / detector.rate_hz
        start, end = (
            min(max(0, round((begin_s + seconds) * self._rate_hz)), self._count)
            for seconds in (place.start_s, place.end_s)
        )
        return start, end

    def _samples(self, first: int, past: int) -> Array:
        begun = self._count - self._kept
        return np.concatenate(list(self._pieces))[first - begun : past - begun]


def wav_of(samples: Array, rate_hz: int) -> bytes:
    """A WAV file of one channel of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(samples.tobytes())
    return file.getvalue()
