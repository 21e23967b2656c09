"""One live stream of a keyword detector: samples of any rate in any chunks -> scores and events.

    samples -> soxr (16 kHz) -> frames (log-mel or PCEN) -> network -> scores -> aggregates, events

Every arrow keeps its own state, so that chunking changes nothing. Silence is put before the first
sample and after the last; times are in samples of the source, counted from its first.

`hearing` and `finishing` leave the network to the caller, who may step many sessions at once;
`push` and `finish` are the same for a session alone.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias, TypeVar, cast

import numpy as np
import soxr

from cnn_core.aggregate import Aggregate as Running
from cnn_core.aggregate import Max, Mean, SoftmaxMean
from cnn_core.arrays import Array
from cnn_core.decide import EachLabel, Hysteresis, Peak
from cnn_core.errors import CoreError
from cnn_core.stream import Stream, StreamBatch, open_stream
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.explanation import Explainer, SpotExplanation
from sweepnet_service.errors import FailedPrecondition, InvalidInput

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
LONGEST_HORIZON_S = 3_600
T = TypeVar("T")
Hearing: TypeAlias = Generator[tuple[Stream, Array], Array, T]
"""Yields a stream of the network with its next frames (t, bands), is sent the scores (t', labels)
that they complete, and returns what came of it."""


@dataclass(frozen=True)
class SpotOptions:
    """What a caller may choose; `aggregate_over_s` None means over the whole stream.

    Labels without a threshold of their own get one for `false_alarms_per_hour`, None the model's.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    false_alarms_per_hour: float | None = None
    aggregate_over_s: float | None = None
    softmax_temperature: float = 1.0
    features: bool = False
    explanations: bool = False


@dataclass(frozen=True)
class WindowScore:
    """Probabilities, in the order of the labels, for source samples [start, end)."""

    start: int
    end: int
    scores: tuple[float, ...]
    warming: bool


@dataclass(frozen=True)
class Aggregate:
    """One label's scores over the horizon."""

    label: str
    maximum: float
    mean: float
    softmax: float


@dataclass(frozen=True)
class KeywordEvent:
    """A word that was heard: its extent [start, end) and middle `peak` in source samples."""

    label: str
    start: int
    end: int
    peak: int
    score: float


@dataclass(frozen=True)
class SpotUpdate:
    """What new samples brought; `features` are new frames (t, bands) if asked for.

    So are `explanations`: of events, and at the end of the highest window where a label had none.
    """

    windows: tuple[WindowScore, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    events: tuple[KeywordEvent, ...] = ()
    read_until: int = 0
    features: Array | None = None
    explanations: tuple[SpotExplanation, ...] = ()


class SpotSession:
    """One mono channel of one stream; not to be shared by threads.

    `batch`: the streams of the detector's network that are stepped with this one.
    """

    def __init__(
        self,
        detector: KeywordDetector,
        rate_hz: int,
        options: SpotOptions = SpotOptions(),
        batch: StreamBatch | None = None,
    ) -> None:
        check_rate(rate_hz)
        self.detector, self.rate_hz, self.options = detector, rate_hz, options
        self._batch = batch
        self._resampler = resampler(rate_hz, detector.rate_hz)
        self._frames = detector.features.stream()
        self._explainer = Explainer(detector) if options.explanations else None
        self._decider = EachLabel(deciders(detector, options))
        self._decided = self._decider.init()
        self._aggregates = aggregates(detector, options)
        self._totals = [aggregate.init(len(detector.labels)) for aggregate in self._aggregates]
        self._values: tuple[Aggregate, ...] = ()
        self._read = self._windows = self._frames_seen = 0
        self._finished = False

    @cached_property
    def _net(self) -> Stream:
        """Opened when first needed: `replay` decides about scores without it."""
        return open_stream(self.detector.net) if self._batch is None else self._batch.open()

    def push(self, samples: Array) -> SpotUpdate:
        """What the next samples (n,), n >= 0, of the source bring; floats in -1..1."""
        return alone(self.hearing(samples))

    def finish(self) -> SpotUpdate:
        """What remains: the last windows, padded with silence, and events still open."""
        return alone(self.finishing())

    def hearing(self, samples: Array) -> Hearing[SpotUpdate]:
        """`push`, its network left to the caller."""
        if self._finished:
            raise FailedPrecondition("samples", "the stream is finished; open a new session")
        samples = checked(samples)
        if not len(samples):
            return self._update((), (), self._no_features())
        silence = np.zeros(0 if self._read else self.detector.padding_samples, np.float32)
        self._read += len(samples)
        return (yield from self._hear(np.concatenate([silence, self._resample(samples)])))

    def finishing(self) -> Hearing[SpotUpdate]:
        """`finish`, its network left to the caller."""
        if self._finished:
            raise FailedPrecondition("finish", "the stream is finished already")
        self._finished = True
        if self._read == 0:
            return self._update((), (), self._no_features())
        rest = self._resample(np.empty(0, np.float32), last=True)
        silence = np.zeros(self.detector.padding_samples, np.float32)
        return (yield from self._hear(np.concatenate([rest, silence])))

    def replay(self, label: str, scores: Array, samples: int) -> list[KeywordEvent]:
        """The events of a finished stream of so many samples from one label's scores (t,)."""
        self._read = samples
        rule = self._decider.rules[self.detector.labels.index(label)]
        return [self._event(label, peak) for peak in rule.peaks(scores)]

    def _resample(self, samples: Array, last: bool = False) -> Array:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _hear(self, samples: Array) -> Hearing[SpotUpdate]:
        """From samples at the detector's rate to an update."""
        frames = self._frames.push(samples)
        scores = yield self._net, frames
        first = self._windows
        self._windows += len(scores)
        windows = tuple(self._window(first + i, row) for i, row in enumerate(scores))
        if len(scores):
            self._values = self._aggregate(scores)
        peaks = self._decide(scores)
        events = tuple(self._event(label, peak) for label, peak in peaks)
        explanations = self._explained(frames, scores, peaks)
        return self._update(windows, events, self._real(frames), explanations)

    def _update(
        self,
        windows: tuple[WindowScore, ...],
        events: tuple[KeywordEvent, ...],
        features: Array | None,
        explanations: tuple[SpotExplanation, ...] = (),
    ) -> SpotUpdate:
        return SpotUpdate(windows, self._values, events, self._read, features, explanations)

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

    def _window(self, index: int, scores: Array) -> WindowScore:
        first, past = self.detector.window.span(index)
        return WindowScore(
            start=self._source(first),
            end=self._source(past),
            scores=tuple(scores.tolist()),
            warming=first < self.detector.padding_samples,
        )

    def _source(self, sample: int | Fraction) -> int:
        """A sample of the padded signal at the detector's rate as one of the source, within it."""
        position = (sample - self.detector.padding_samples) * self.rate_hz
        return min(max(0, nearest(position, self.detector.rate_hz)), self._read)

    def _aggregate(self, scores: Array) -> tuple[Aggregate, ...]:
        last = []
        for place, aggregate in enumerate(self._aggregates):
            self._totals[place], values = aggregate.step(self._totals[place], scores)
            last.append(values[-1])
        return tuple(
            Aggregate(label, *map(float, values))
            for label, *values in zip(self.detector.labels, *last, strict=True)
        )

    def _decide(self, scores: Array) -> list[tuple[str, Peak]]:
        """The peaks that ended, with their labels."""
        self._decided, ended = self._decider.step(self._decided, scores)
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

    def _real(self, frames: Array) -> Array | None:
        """The frames that begin and end within the source."""
        if not self.options.features:
            return None
        before = self.detector.padding_samples // self.detector.features.hop_samples
        first = max(0, before - self._frames_seen)
        past = len(frames)
        if self._finished:
            samples = self._read * self.detector.rate_hz // self.rate_hz
            past = before + self.detector.features.count(samples) - self._frames_seen
        self._frames_seen += len(frames)
        return frames[first : max(first, past)]

    def _no_features(self) -> Array | None:
        empty = np.empty((0, self.detector.features.bands), np.float32)
        return empty if self.options.features else None


def alone(hearing: Hearing[T]) -> T:
    """What comes of it when its network is stepped by itself."""
    try:
        stream, frames = next(hearing)
        while True:
            stream, frames = hearing.send(stream.step(frames).scores)
    except StopIteration as end:
        return cast("T", end.value)


def nearest(number: int | Fraction, divisor: int) -> int:
    """`number / divisor` as `round` rounds it, halves to the even; whole numbers without fractions,
    as this is asked for twice a window."""
    if not isinstance(number, int):
        return round(number / divisor)
    whole, rest = divmod(2 * number + divisor, 2 * divisor)
    return whole - (rest == 0 and whole % 2)


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
    if not np.isfinite(samples).all():
        raise InvalidInput("samples", "hold NaN or infinite values; expected -1 to 1")
    return np.clip(samples, -8, 8)


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


def aggregates(detector: KeywordDetector, options: SpotOptions) -> tuple[Running, Running, Running]:
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


__all__ = [
    "Aggregate",
    "Hearing",
    "KeywordEvent",
    "SpotOptions",
    "SpotSession",
    "SpotUpdate",
    "WindowScore",
    "alone",
]
