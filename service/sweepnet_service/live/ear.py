"""One session of a detector on a channel, and its place in time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from cnn_core.arrays import Array
from sweepnet_service.live.replies import only, shifted
from sweepnet_service.live.request import SpotRequest

if TYPE_CHECKING:
    from sweepnet_service.captures.hearing import NearlyHeard
    from sweepnet_service.detectors.keyword import (
        KeywordDetector,
        SpotBatch,
        SpotSession,
        SpotUpdate,
    )
    from sweepnet_service.detectors.keyword.batch import Piece

WARM = 2
"""Windows' lengths after which a session hears what it would have heard from the beginning."""


class Ear:
    """A session that began at sample `zero` of its channel, `skip` samples behind the first that it
    is given. What it tells is moved there; what it is unsure of goes to `beside`, where that is
    kept.
    """

    def __init__(
        self,
        detector: KeywordDetector,
        stream: SpotRequest,
        batch: SpotBatch,
        zero: int,
        beside: NearlyHeard | None = None,
        skip: int = 0,
    ) -> None:
        self.detector, self.batch, self._rate_hz = detector, batch, stream.rate_hz
        events_only = stream.density == "events" and beside is None
        self.session = open_session(detector, stream, batch, events_only)
        self.zero, self._beside = zero, beside
        self.hop_samples = detector.features.hop_s * stream.rate_hz
        self._step_samples = detector.hop_s * stream.rate_hz
        self._frames, self._skip = 0, skip

    @property
    def past(self) -> int:
        """The sample behind the last one that was heard."""
        return self.zero + self.session.read

    @property
    def warm(self) -> bool:
        """Whether its scores are those of a session that has heard everything."""
        return self.session.read >= WARM * self.detector.window_s * self._rate_hz

    def until_next_window(self) -> int:
        """Samples to come before the next of its windows begins."""
        heard = self.past - self.zero
        return round(ceil(heard / self._step_samples) * self._step_samples) - heard

    def level_with(self, other: Ear) -> bool:
        """Whether both have told of the same windows, so that one can go on for the other."""
        apart = abs(self._last_start - other._last_start)
        return self._step_samples != other._step_samples or 2 * apart < self._step_samples

    @property
    def _last_start(self) -> int:
        """Where the last window that was told of begins."""
        return self.zero + self.session.last_start

    def piece(self, samples: Array) -> Piece:
        """The next float32 (n,) samples."""
        samples, self._skip = samples[self._skip :], max(0, self._skip - len(samples))
        if self._beside is not None:
            self._beside.heard(samples)
        return self.session.piece(samples)

    def told(
        self, update: SpotUpdate, wanted: Sequence[str], last: bool, aloud: bool = True
    ) -> tuple[SpotUpdate, float]:
        """The update in the channel's time, of the labels wanted; where its features begin.

        Where it is not told aloud, what is nearly heard is another ear's to keep.
        """
        if self._beside is not None:
            self._beside.told(update, last, aloud)
        start = self.zero + self._frames * self.hop_samples
        self._frames += 0 if update.features is None else len(update.features)
        return only(shifted(update, self.zero), self.detector.labels, tuple(wanted)), start


def open_session(
    detector: KeywordDetector,
    stream: SpotRequest,
    batch: SpotBatch | None = None,
    events_only: bool = False,
) -> SpotSession:
    """A session of a detector with the settings of a stream."""
    from sweepnet_service.detectors.keyword import SpotOptions, SpotSession

    own = {label: x for label, x in stream.thresholds.items() if label in detector.labels}
    options = SpotOptions(
        thresholds=own,
        false_alarms_per_hour=stream.false_alarms_per_hour,
        aggregate_over_s=stream.aggregate_over_s,
        softmax_temperature=stream.softmax_temperature,
        features=stream.features,
        explanations=stream.explanations,
        events_only=events_only,
    )
    return SpotSession(detector, stream.rate_hz, options, batch)
