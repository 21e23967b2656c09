"""One live stream of a keyword detector: samples of any rate in any chunks -> scores and events.

    samples -> soxr (16 kHz) -> frames (log-mel or PCEN) -> network -> scores -> aggregates, events

Every arrow keeps its own state, so that chunking changes nothing. Silence is put before the first
sample and after the last; times are in samples of the source, counted from its first.

A session holds the state of its stream; `SpotBatch.step` moves many of them on at once, and `push`
and `finish` are such a step of a session alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import soxr

from cnn_core.aggregate import Max, Mean, SoftmaxMean
from cnn_core.arrays import Array
from cnn_core.decide import EachLabel, Hysteresis, Peak
from cnn_core.errors import CoreError
from cnn_core.stream import Stream
from sweepnet_service.detectors.keyword.batch import Due, Piece, SpotBatch, nearest
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.explanation import Explainer, SpotExplanation
from sweepnet_service.detectors.keyword.mel import EnergyStream
from sweepnet_service.detectors.keyword.updates import (
    Aggregate,
    KeywordEvent,
    SpotUpdate,
    WindowScore,
)
from sweepnet_service.errors import FailedPrecondition, InvalidInput

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
LONGEST_HORIZON_S = 3_600
LOUDEST = 8.0
"""Louder samples are cut: full scale is 1."""
Folds = tuple[Max, Mean, SoftmaxMean]


@dataclass(frozen=True)
class SpotOptions:
    """What a caller may choose; `aggregate_over_s` None means over the whole stream.

    Labels without a threshold of their own get one for `false_alarms_per_hour`, None the model's.
    With `events_only` windows are not listed, and aggregates are told with events and at the end.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    false_alarms_per_hour: float | None = None
    aggregate_over_s: float | None = None
    softmax_temperature: float = 1.0
    features: bool = False
    explanations: bool = False
    events_only: bool = False


class SpotSession:
    """One mono channel of one stream; not to be shared by threads.

    `batch`: the sessions of the detector that are stepped with this one; without it none.
    """

    def __init__(
        self,
        detector: KeywordDetector,
        rate_hz: int,
        options: SpotOptions = SpotOptions(),
        batch: SpotBatch | None = None,
    ) -> None:
        check_rate(rate_hz)
        self.detector, self.rate_hz, self.options = detector, rate_hz, options
        self.batch = SpotBatch(detector) if batch is None else batch
        self.frames: EnergyStream | None = None
        self.net: Stream | None = None
        self._resampler = resampler(rate_hz, detector.rate_hz)
        self._explainer = Explainer(detector) if options.explanations else None
        self._decider = EachLabel(deciders(detector, options))
        self._decided = self._decider.init()
        self.thresholds = np.array([rule.threshold for rule in self._decider.rules])
        self.aggregates = aggregates(detector, options)
        self.totals = [aggregate.init(len(detector.labels)) for aggregate in self.aggregates]
        self.values: tuple[Aggregate, ...] = ()
        self.put_off: list[Array] = []
        """Scores that are not in the aggregates yet, where those are told with events only."""
        horizon, temperature = self.aggregates[0].horizon, options.softmax_temperature
        self.kind = (options.events_only, horizon, temperature)
        """Sessions with the same are told of the same."""
        self.read = self.windows = self._frames_seen = 0
        self._finished = False

    def push(self, samples: Array) -> SpotUpdate:
        """What the next samples (n,), n >= 0, of the source bring; floats in -1..1."""
        return self._alone(self.piece(samples))

    def finish(self) -> SpotUpdate:
        """What remains: the last windows, padded with silence, and events still open."""
        return self._alone(self.end)

    def piece(self, samples: Array) -> Piece:
        """The next samples (n,), to be stepped with the pieces of other sessions."""
        return Piece(self, samples)

    @property
    def end(self) -> Piece:
        """The piece that ends the stream."""
        return Piece(self, np.empty(0, np.float32), last=True)

    @property
    def undecided(self) -> bool:
        """Whether a score is above its threshold, or was just now: an event is not told yet."""
        return any(state.open for state in self._decided)

    @property
    def last_start(self) -> int:
        """Where the last window begins in the source; 0 while there is none."""
        if not self.windows:
            return 0
        return self._source(Fraction(self.detector.window.span(self.windows - 1)[0]))

    def replay(self, label: str, scores: Array, samples: int) -> list[KeywordEvent]:
        """The events of a finished stream of so many samples from one label's scores (t,)."""
        self.read = samples
        rule = self._decider.rules[self.detector.labels.index(label)]
        return [self._event(label, peak) for peak in rule.peaks(scores)]

    def take(self, samples: Array, last: bool) -> Array | None:
        """The samples at the detector's rate, silence behind the last; None if there is nothing."""
        if self._finished:
            raise FailedPrecondition("samples", "the stream is finished; open a new session")
        samples = checked(samples)
        self._finished = last
        self.read += len(samples)
        if last and self.read:
            silence = np.zeros(self.detector.padding_samples, np.float32)
            return np.concatenate((self._resample(samples, last), silence))
        return self._resample(samples) if len(samples) else None

    def unchanged(self) -> SpotUpdate:
        """What is told where nothing was heard."""
        empty = np.empty((0, self.detector.features.bands), np.float32)
        features = empty if self.options.features else None
        return SpotUpdate((), self.values, (), self.read, features)

    def update(
        self,
        windows: tuple[WindowScore, ...],
        values: tuple[Aggregate, ...],
        due: Due,
        loud: bool,
    ) -> SpotUpdate:
        """What is told of the windows that its share of a step completed; `loud`: one of their
        scores reaches its threshold.
        """
        self.values = values
        peaks = self._decide(due.scores, loud)
        self.windows += len(due.scores)
        if self.put_off and (peaks or self._finished):
            self.values = self.batch.caught_up(self)
        events = tuple(self._event(label, peak) for label, peak in peaks)
        explanations = self._explained(due.frames, due.scores, peaks)
        features = self._real(due.frames)
        return SpotUpdate(
            windows, self.values, events, self.read, features, explanations, len(due.scores)
        )

    def _alone(self, piece: Piece) -> SpotUpdate:
        (told,) = self.batch.step([piece])
        if isinstance(told, Exception):
            raise told
        return told

    def _resample(self, samples: Array, last: bool = False) -> Array:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _decide(self, scores: Array, loud: bool) -> list[tuple[str, Peak]]:
        """The peaks that ended, with their labels."""
        ended: list[tuple[int, Peak]] = []
        # Below their thresholds rules without an open peak only count.
        if loud or any(state.open for state in self._decided):
            now = tuple(replace(state, seen=self.windows) for state in self._decided)
            self._decided, ended = self._decider.step(now, scores)
        ended += self._decider.finish(self._decided) if self._finished else []
        return [(self.detector.labels[place], peak) for place, peak in ended]

    def _event(self, label: str, peak: Peak) -> KeywordEvent:
        first, _ = self.detector.window.span(peak.peak)
        place = self.detector.placements[label]
        start, middle, end = (
            self._source(first + Fraction(seconds) * self.detector.rate_hz)
            for seconds in (place.start_s, (place.start_s + place.end_s) / 2, place.end_s)
        )
        # A word may be placed in the silence behind the source: it has a sample of its own still.
        end = max(end, 1)
        return KeywordEvent(label, min(start, end - 1), end, min(middle, end - 1), peak.score)

    def _source(self, sample: Fraction) -> int:
        """A sample of the padded signal at the detector's rate as one of the source, within it."""
        position = (sample - self.detector.padding_samples) * self.rate_hz
        return min(max(0, int(nearest(position, self.detector.rate_hz))), self.read)

    def _explained(
        self, frames: Array, scores: Array, peaks: list[tuple[str, Peak]]
    ) -> tuple[SpotExplanation, ...]:
        """Why these peaks were told, and at the end the highest window where none was."""
        if self._explainer is None:
            return ()
        self._explainer.hear(frames, scores)
        told = [self._explainer.event(label, peak.peak, peak.score) for label, peak in peaks]
        found = [each for each in told if each is not None]
        found += self._explainer.rest() if self._finished else []
        self._explainer.forget()
        scale = self.rate_hz / self.detector.rate_hz
        return tuple(each.placed(scale, self.detector.padding_samples) for each in found)

    def _real(self, frames: Array) -> Array | None:
        """The frames that begin and end within the source."""
        if not self.options.features:
            return None
        before = self.detector.padding_samples // self.detector.features.hop_samples
        first = max(0, before - self._frames_seen)
        past = len(frames)
        if self._finished:
            samples = self.read * self.detector.rate_hz // self.rate_hz
            past = before + self.detector.features.count(samples) - self._frames_seen
        self._frames_seen += len(frames)
        return frames[first : max(first, past)]


def check_rate(rate_hz: int) -> None:
    """Raises InvalidInput for a rate that cannot be used."""
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise InvalidInput(
            "rate_hz",
            f"got {rate_hz}; expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} samples a second; "
            "below, the sounds that tell words apart are lost",
        )


def checked(samples: Array) -> Array:
    """The samples as float32 (n,). Raises InvalidInput for another shape or NaN."""
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1:
        raise InvalidInput("samples", f"got shape {samples.shape}; expected one channel, (n,)")
    if not len(samples) or np.abs(samples).max() <= LOUDEST:
        return samples
    if not np.isfinite(samples).all():
        raise InvalidInput("samples", "hold NaN or infinite values; expected -1 to 1")
    return np.clip(samples, -LOUDEST, LOUDEST)


def resampler(rate_hz: int, to_hz: int) -> soxr.ResampleStream | None:
    """A streaming resampler without delay in what it returns; None where none is needed."""
    if rate_hz == to_hz:
        return None
    return soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float32", quality="HQ")


def deciders(detector: KeywordDetector, options: SpotOptions) -> tuple[Hysteresis, ...]:
    """One decision a label. Raises InvalidInput for thresholds that cannot be."""
    unknown = set(options.thresholds) - set(detector.labels)
    if unknown:
        raise InvalidInput(
            "thresholds",
            f"got {sorted(unknown)}; the model knows {list(detector.labels)}",
        )
    used = detector.thresholds(options.thresholds, options.false_alarms_per_hour)
    return tuple(decider(detector, label, used[label]) for label in detector.labels)


def decider(detector: KeywordDetector, label: str, value: float) -> Hysteresis:
    """The decision for a label at a threshold."""
    if not 0 < value <= 1:
        raise InvalidInput(f"thresholds[{label}]", f"got {value}; expected above 0 and at most 1")
    decision = detector.decision
    return Hysteresis(
        threshold=value,
        release=value * decision.release,
        refractory=round(decision.refractory_s / detector.hop_s),
        longest=max(1, round(decision.longest_s / detector.hop_s)),
    )


def aggregates(detector: KeywordDetector, options: SpotOptions) -> Folds:
    """Maximum, mean and softmax over the horizon asked for. Raises InvalidInput."""
    over_s = options.aggregate_over_s
    if over_s is not None and not detector.hop_s <= over_s <= LONGEST_HORIZON_S:
        raise InvalidInput(
            "aggregate_over_s",
            f"got {over_s}; expected {detector.hop_s:g} to {LONGEST_HORIZON_S} seconds",
        )
    horizon = None if over_s is None else max(1, round(over_s / detector.hop_s))
    try:
        return Max(horizon), Mean(horizon), SoftmaxMean(options.softmax_temperature, horizon)
    except CoreError as error:
        raise InvalidInput("softmax_temperature", str(error)) from error
