"""What a picture of a recording needs, gathered while its updates come: in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

from sweepnet import ChannelUpdate, SpotOpened, SpotUpdate

from .thinned import Thinned, louder


class Hearing:
    """Of each channel a spectrogram, as the first detector sees it, and every label's scores."""

    def __init__(self, opened: SpotOpened) -> None:
        self.opened = opened
        self.spectra = {channel: Spectrum() for channel in opened.channels}
        self.curves = {
            (channel, detector.name, label): Curve(detector.hop_s, detector.window_s)
            for channel in opened.channels
            for detector in opened.detectors
            for label in detector.labels
        }

    def hear(self, update: SpotUpdate) -> None:
        """News of the recording."""
        for channel in update.channels:
            self._hear(channel)

    def _hear(self, told: ChannelUpdate) -> None:
        for window in told.windows:
            for label, score in window.scores.items():
                self.curves[told.channel, told.detector, label].add(window.end_s, score)
        if told.features is not None and told.detector == self.opened.detectors[0].name:
            self.spectra[told.channel].add(told.features.hop_s, told.features.rows)


class Spectrum:
    """Frames by time, thinned."""

    def __init__(self) -> None:
        self.frames: Thinned[Sequence[float]] = Thinned(louder)
        self.hop_s = 0.0

    def add(self, hop_s: float, rows: Sequence[Sequence[float]]) -> None:
        """The next frames."""
        self.hop_s = hop_s
        for row in rows:
            self.frames.add(row)

    @property
    def length_s(self) -> float:
        """What the frames kept cover."""
        return len(self.frames.values) * self.frames.every * self.hop_s


class Curve:
    """Scores by the middles of their windows, thinned."""

    def __init__(self, hop_s: float, window_s: float) -> None:
        self.scores: Thinned[float] = Thinned(max)
        self._hop_s, self._window_s = hop_s, window_s
        self._first_s: float | None = None

    def add(self, end_s: float, score: float) -> None:
        """The next window's. Told windows are cut at the recording's ends; the first one's end
        is its own."""
        if self._first_s is None:
            self._first_s = end_s - self._window_s / 2
        self.scores.add(score)

    @property
    def middles_s(self) -> list[float]:
        """Where the scores kept lie."""
        step_s = self._hop_s * self.scores.every
        first_s = (self._first_s or 0.0) + (step_s - self._hop_s) / 2
        return [first_s + step_s * place for place in range(len(self.scores.values))]
