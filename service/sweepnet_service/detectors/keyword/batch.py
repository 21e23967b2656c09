"""Streams of one detector scored together: a step is a few calls of NumPy, however many they are.

    samples -> frames -> scores -> windows, aggregates, decisions -> an update for each
               one transform      one network step       arrays of all streams

What is left to each stream alone is what is rare: another sample rate, a word that is being heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.errors import CoreError
from cnn_core.geometry import Window
from cnn_core.stream import Stream, StreamBatch
from sweepnet_service.detectors.keyword.mel import EnergyStream
from sweepnet_service.detectors.keyword.updates import Aggregate, SpotUpdate, WindowScore

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.detector import KeywordDetector
    from sweepnet_service.detectors.keyword.session import SpotSession

Told: TypeAlias = "SpotUpdate | Exception"
MOST_PUT_OFF = 32
"""Pieces whose scores wait to be aggregated, where nobody is told of that."""
NO_NUMBERS = (
    "scores: the network gives NaN or infinite ones for this audio; expected finite numbers. "
    "Its weights are damaged or far too large: train the detector again"
)


class Piece(NamedTuple):
    """What one session hears in a step: samples (n,) of its source, and whether it ends there."""

    session: SpotSession
    samples: Array
    last: bool = False


@dataclass(frozen=True)
class Start:
    """Where every stream stands once it has heard the silence before its first sample."""

    frames: EnergyStream
    net: Stream
    scores: Array


@dataclass(eq=False)
class Due:
    """A session's share of a step, as it goes from samples to scores."""

    session: SpotSession
    signal: Array
    last: bool
    early: Array | None = None
    """Scores that the silence before the signal had completed."""
    net: Stream = field(init=False)
    frames: Array = field(init=False)
    scores: Array = field(init=False)
    told: Told | None = None


class SpotBatch:
    """The sessions of one detector that are stepped together; not to be shared by threads.

    To rounding, what a session is told does not depend on who shares its steps.
    """

    def __init__(self, detector: KeywordDetector) -> None:
        self.detector = detector
        self._net = StreamBatch(detector.net)
        self._start: Start | None = None

    def step(self, pieces: Sequence[Piece]) -> list[Told]:
        """What each piece brings, or why it cannot be; no session may have two of them.

        One that cannot be ends its own session: the others are told what they are told without it.
        """
        taken = [_taken(piece) for piece in pieces]
        due = [each for each in taken if isinstance(each, Due)]
        if due:
            self._hear(due)
            self._score(due)
            self._tell([each for each in due if each.told is None])
        told = [each.told if isinstance(each, Due) else each for each in taken]
        return [each or RuntimeError("a piece without an update") for each in told]

    def _hear(self, due: Sequence[Due]) -> None:
        """Gives each its frames."""
        for each in due:
            if each.session.net is None:
                self._open(each)
            assert each.session.net is not None
            each.net = each.session.net
        streams, signals, last = zip(
            *((each.session.frames, each.signal, each.last) for each in due), strict=True
        )
        frames, counts = self.detector.features.push(streams, signals, last)
        ends = np.cumsum(counts).tolist()
        for each, end, count in zip(due, ends, counts, strict=True):
            each.frames = frames[end - count : end]

    def _open(self, due: Due) -> None:
        """The silence before the first sample is heard once for all, but by those who are told of
        frames: they hear it themselves."""
        session = due.session
        if session.options.features or session.options.explanations:
            session.frames, session.net = self.detector.features.stream(), self._net.open()
            due.signal = np.concatenate((self._silence, due.signal))
            return
        if self._start is None:
            self._start = self._started()
        session.frames = copy(self._start.frames)
        session.net, due.early = self._start.net.fork(), self._start.scores

    def _started(self) -> Start:
        features = self.detector.features
        frames, net = features.stream(self.detector.net.windows[0]), self._net.open()
        heard, _ = features.push([frames], [self._silence], [False])
        return Start(frames, net, net.step(heard).scores)

    @property
    def _silence(self) -> Array:
        return np.zeros(self.detector.padding_samples, np.float32)

    def _score(self, due: Sequence[Due]) -> None:
        """Gives each its scores, or the error that is its own.

        A refused step has moved no stream, so what it was refused for is sought by halves.
        """
        try:
            heard = self._net.step({each.net: each.frames for each in due})
        except CoreError as error:
            if len(due) == 1:
                due[0].told = error
                return
            middle = len(due) // 2
            self._score(due[:middle])
            self._score(due[middle:])
            return
        for each in due:
            each.scores = heard[each.net].scores
            if each.early is not None and len(each.early):
                each.scores = np.concatenate((each.early, each.scores))

    def _tell(self, due: Iterable[Due]) -> None:
        """Gives each its update: those with as many scores and the same aggregates at once."""
        alike: dict[object, list[Due]] = {}
        for each in due:
            session = each.session
            # With a horizon totals are the windows within it, which at the beginning are fewer.
            key = (len(each.scores), session.kind, len(session.totals[0]))
            alike.setdefault(key, []).append(each)
        for group in alike.values():
            self._tell_alike(group)

    def _tell_alike(self, due: Sequence[Due]) -> None:
        scores = stacked([each.scores for each in due])
        finite: Flags = np.isfinite(scores.reshape(len(due), -1)).min(axis=1, initial=True)
        if not finite.all():
            for each, fine in zip(due, finite.tolist(), strict=True):
                each.told = None if fine else CoreError(NO_NUMBERS)
            due, scores = [each for each in due if each.told is None], scores[finite]
            if not due:
                return
        sessions = [each.session for each in due]
        if sessions[0].options.events_only:
            windows, aggregates = self._counted(due)
        else:
            windows = self._windows(sessions, scores)
            aggregates = self._aggregated(sessions, scores)
        above: Flags = np.greater_equal(scores, stacked([s.thresholds for s in sessions])[:, None])
        loud = above.reshape(len(due), -1).max(axis=1, initial=False).tolist()
        for each, own, values, heard in zip(due, windows, aggregates, loud, strict=True):
            try:
                each.told = each.session.update(own, values, each, heard)
            except Exception as error:  # what is told of one stream is no matter of the others
                each.told = error

    def _counted(
        self, due: Sequence[Due]
    ) -> tuple[list[tuple[WindowScore, ...]], list[tuple[Aggregate, ...]]]:
        """No windows, and the aggregates as they were: scores join them many at a time."""
        for each in due:
            session = each.session
            session.put_off.append(each.scores)
            if len(session.put_off) >= MOST_PUT_OFF:
                session.values = self.caught_up(session)
        return [()] * len(due), [each.session.values for each in due]

    def caught_up(self, session: SpotSession) -> tuple[Aggregate, ...]:
        """A session's aggregates with the scores that were put off."""
        scores, session.put_off = np.concatenate(session.put_off), []
        return self._aggregated([session], scores[None])[0]

    def _windows(
        self, sessions: Sequence[SpotSession], scores: Array
    ) -> list[tuple[WindowScore, ...]]:
        """The windows of scores (N, t, L), in samples of each source."""
        if not scores.shape[1]:
            return [()] * len(sessions)
        numbers = np.array([s.windows for s in sessions])[:, None] + np.arange(scores.shape[1])
        rates = np.array([s.rate_hz for s in sessions])[:, None]
        read = np.array([s.read for s in sessions])[:, None]
        padding, rate_hz = self.detector.padding_samples, self.detector.rate_hz
        first, past = spans(self.detector.window, numbers)
        starts, ends = (
            np.clip(nearest((at - padding) * rates, rate_hz), 0, read) for at in (first, past)
        )
        columns = (starts, ends, scores, first < padding)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [
            tuple(map(WindowScore._make, zip(begin, end, map(tuple, own), warming, strict=True)))
            for begin, end, own, warming in rows
        ]

    def _aggregated(
        self, sessions: Sequence[SpotSession], scores: Array
    ) -> list[tuple[Aggregate, ...]]:
        """What each session's windows so far amount to; scores (N, t, L) come last."""
        if not scores.shape[1]:
            return [session.values for session in sessions]
        last = []
        for place, aggregate in enumerate(sessions[0].aggregates):
            states = stacked([session.totals[place] for session in sessions])
            states, values = aggregate.step_all(states, scores)
            last.append(values[:, -1].tolist())
            for session, state in zip(sessions, states, strict=True):
                session.totals[place] = state.copy()  # a view would keep all others alive
        return [
            tuple(map(Aggregate, self.detector.labels, *values))
            for values in zip(*last, strict=True)
        ]


def _taken(piece: Piece) -> Due | Told:
    """The piece at the detector's rate; where there is nothing to score, what is told of it."""
    try:
        signal = piece.session.take(piece.samples, piece.last)
    except Exception as error:  # whatever it is, it is this session's own
        return error
    if signal is None:
        return piece.session.unchanged()
    return Due(piece.session, signal, piece.last)


def stacked(arrays: Sequence[Array]) -> Array:
    """`np.stack`, which takes longer the more there are: it looks at each of them in Python."""
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)


def spans(window: Window, numbers: Integers) -> tuple[Integers, Integers]:
    """`window.span` of each number."""
    # Places may be fractions, where a network upsamples: they are counted in parts of an input.
    places = (window.start, window.size, window.step, window.slack)
    part = lcm(*(place.denominator for place in places))
    start, size, step, slack = (int(place * part) for place in places)
    own = start + step * numbers
    return -((slack - own) // part), (own + size) // part


def nearest(number: Any, divisor: int) -> Any:
    """`number / divisor` as `round` rounds it, halves to the even; whole numbers, one or an array
    of them, without fractions.
    """
    if isinstance(number, Fraction):
        return round(number / divisor)
    whole, rest = divmod(2 * number + divisor, 2 * divisor)
    return whole - ((rest == 0) & (whole % 2 == 1))
