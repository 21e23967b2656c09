"""What the client returns: frozen records, times in seconds beside samples, boxes in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["keyword", "image"]


@dataclass(frozen=True)
class Span:
    """[start, end) of a stream: samples since its zero at `rate_hz`."""

    start_sample: int
    end_sample: int
    rate_hz: int

    @property
    def start_s(self) -> float:
        """Seconds since the stream's zero."""
        return self.start_sample / self.rate_hz

    @property
    def end_s(self) -> float:
        """Seconds since the stream's zero."""
        return self.end_sample / self.rate_hz


@dataclass(frozen=True)
class WindowScore(Span):
    """Scores 0..1 by label that the window holds it; `warming`: part of it is no real audio.

    The highest score of a second is the probability of the word, at equal odds beforehand.
    """

    scores: Mapping[str, float]
    warming: bool = False


@dataclass(frozen=True)
class Event(Span):
    """A word that was heard, and where: the span is the word's own extent.

    `score` is the probability of it where the word is as likely as not beforehand.
    """

    label: str
    score: float
    peak_sample: int
    channel: int = 0
    detector: str = ""
    start_time: datetime | None = None
    """When it began, where the stream's `capture_time` was given."""

    @property
    def peak_s(self) -> float:
        """The middle of the word, seconds since the stream's zero."""
        return self.peak_sample / self.rate_hz


@dataclass(frozen=True)
class Aggregate:
    """The scores of one label over the horizon."""

    label: str
    maximum: float
    mean: float
    softmax: float


@dataclass(frozen=True)
class Features:
    """Log-mel frames: `rows[t][band]`, the lowest band first."""

    start_s: float
    hop_s: float
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SpotExplanation(Span):
    """One score and what it was made from; the span is its window, silence outside included.

    `features` are the window's frames; `contributions[t][band]` is what each value adds to the log
    odds beside silence, `falls[t]` how far the score falls with 0.15 s round a frame silenced.
    """

    label: str
    score: float
    effective_start_s: float
    effective_end_s: float
    """The piece of the window where it mainly looks: nine tenths of the squared gradient."""
    features: Features
    contributions: tuple[tuple[float, ...], ...]
    falls: tuple[float, ...]


@dataclass(frozen=True)
class ChannelUpdate:
    """News of one channel under one detector."""

    channel: int
    detector: str
    windows: tuple[WindowScore, ...]
    aggregates: tuple[Aggregate, ...]
    events: tuple[Event, ...]
    read_until: int
    features: Features | None = None
    explanations: tuple[SpotExplanation, ...] = ()
    went_over: OpenedDetector | None = None
    """Another version of the detector, which has taken over: its windows and events are the later
    ones of these and all that follow."""


@dataclass(frozen=True)
class SpotUpdate:
    """News of a stream; all audio before sample `read_until` has been used."""

    read_until: int
    read_until_s: float
    channels: tuple[ChannelUpdate, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """Events of all channels and detectors."""
        return tuple(event for channel in self.channels for event in channel.events)

    @property
    def windows(self) -> tuple[WindowScore, ...]:
        """Window scores of all channels and detectors."""
        return tuple(window for channel in self.channels for window in channel.windows)


@dataclass(frozen=True)
class OpenedDetector:
    """A detector as a stream uses it."""

    name: str
    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    window_s: float
    hop_s: float
    band_centres_hz: tuple[float, ...] = ()
    """Of the features' bands, the lowest first."""


@dataclass(frozen=True)
class SpotOpened:
    """What a stream scores."""

    rate_hz: int
    channel_count: int
    channels: tuple[int, ...]
    detectors: tuple[OpenedDetector, ...]

    def labels_of(self, detector: str) -> tuple[str, ...]:
        """The labels of a detector in use."""
        return next(each.labels for each in self.detectors if each.name == detector)


@dataclass(frozen=True)
class ChannelSummary:
    """One channel under one detector from the first sample to the last."""

    channel: int
    detector: str
    aggregates: tuple[Aggregate, ...]
    events: tuple[Event, ...]
    window_count: int
    duration_s: float = 0.0
    """Of this channel, gaps included; channels that come each by themselves may differ."""


@dataclass(frozen=True)
class SpotSummary:
    """A stream from the first sample to the last."""

    duration_s: float
    channels: tuple[ChannelSummary, ...]


@dataclass(frozen=True)
class SpotResult:
    """A recording's answer: per label the highest score of any channel, and all events in order."""

    duration_s: float
    scores: Mapping[str, float]
    events: tuple[Event, ...]
    opened: SpotOpened
    channels: tuple[ChannelSummary, ...]
    updates: tuple[ChannelUpdate, ...] = ()
    """Windows, features and explanations, where they were asked for."""


@dataclass(frozen=True)
class Box:
    """An object found, in pixels of the picture after its EXIF turn; origin top left."""

    label: str
    score: float
    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float
    corners_px: tuple[tuple[float, float], ...]
    """(x, y), clockwise from top left; of a turned box the edges just hold them."""
    detector: str = ""
    key_points_px: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    """(x, y) by name, of a detector that tells key points; they may lie outside."""


@dataclass(frozen=True)
class ScoreMap:
    """Scores of every position looked at; `scores` runs over rows, columns, labels."""

    detector: str
    row_count: int
    column_count: int
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    step_x_px: float
    step_y_px: float
    start_x_px: float
    start_y_px: float


@dataclass(frozen=True)
class Area:
    """A rectangle in pixels of the picture."""

    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float


@dataclass(frozen=True)
class PictureExplanation:
    """The score of one place and what it was made from.

    `receptive_field` is all that it could see, `effective_field` where it mainly looks (nine tenths
    of the squared gradient along each axis); `relevance`, 1 for the strongest, is how strongly
    the score hangs on each cell of the picture.
    """

    label: str
    score: float
    receptive_field: Area
    effective_field: Area
    relevance: ScoreMap
    detector: str = ""


@dataclass(frozen=True)
class Detections:
    """A picture's answer: per label a score 0..1 that it is there, and boxes, best first."""

    width_px: int
    height_px: int
    scores: Mapping[str, float]
    boxes: tuple[Box, ...]
    score_maps: tuple[ScoreMap, ...] = ()
    explanations: tuple[PictureExplanation, ...] = ()
    """Of the best boxes of each detector, or of its highest place; where they were asked for."""

    @property
    def score_map(self) -> ScoreMap | None:
        """The first detector's score map, None unless it was asked for."""
        return self.score_maps[0] if self.score_maps else None


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with what was measured at it; the rate of a kind that does not apply is None.

    `measured_hours` stand behind false alarms per hour, 0 where the model does not say. In them
    less than one was to be expected of an `extrapolated` rate: it was not counted, but read off
    the tail of the scores.
    """

    label: str
    threshold: float
    miss_rate: float
    false_alarms_per_hour: float | None = None
    false_boxes_per_picture: float | None = None
    measured_hours: float = 0.0
    extrapolated: bool = False


@dataclass(frozen=True)
class NetworkLayer:
    """A layer: shapes are (batch, swept axes, channels); `path` counts layers and branches from 0.

    `receptive_field` and `stride` count inputs of the network, an axis each; empty once all places
    are joined.
    """

    path: str
    layer: str
    output_shape: tuple[int, ...]
    parameter_count: int
    multiply_add_count: int
    receptive_field: tuple[int, ...]
    stride: tuple[float, ...]

    @property
    def depth(self) -> int:
        """How many joined layers it is within."""
        return (self.path.count(".") + 1) // 2


@dataclass(frozen=True)
class Network:
    """A network layer by layer, for one window or one picture of shape `input_shape`."""

    input_shape: tuple[int, ...]
    layers: tuple[NetworkLayer, ...]

    @property
    def parameter_count(self) -> int:
        """Weights in all."""
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def multiply_add_count(self) -> int:
        """Multiplications by weights for one input, each with its addition."""
        return sum(layer.multiply_add_count for layer in self.layers)


@dataclass(frozen=True)
class Model:
    """A detector that the server holds; its network is told where one model is asked for.

    `version` is the name of the version that it is, "" for a file that stands by itself.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    default_thresholds: Mapping[str, float]
    operating_points: tuple[OperatingPoint, ...]
    card: Mapping[str, Any]
    size_bytes: int
    format_version: int
    rate_hz: int
    window_s: float
    hop_s: float
    error: str = ""
    network: Network | None = None
    version: str = ""


@dataclass(frozen=True)
class Training:
    """A training as it was when asked; `model` is there once it has succeeded."""

    name: str
    state: str
    stage: str
    progress: float
    seconds_left: float | None
    message: str
    model_name: str
    model: Model | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Scored:
    """One of many: its result, or why there is none."""

    source: str
    result: SpotResult | Detections | None = None
    error: str = ""
