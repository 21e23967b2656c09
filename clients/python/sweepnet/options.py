"""What may be chosen per call, as keyword arguments: each option is described here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypedDict

from sweepnet.results import Area

Encoding = Literal["LINEAR16", "FLOAT32", "MULAW", "ALAW", "CONTAINER"]
Replies = Literal["windows", "aggregates", "events"]


class SpotOptions(TypedDict, total=False):
    """Options of `spot` and `stream`."""

    detectors: Sequence[str]
    """Names such as "detectors/welcome" or "welcome"; all keyword detectors by default."""
    labels: Sequence[str]
    """Only these are scored and told; all that the detectors know by default."""
    channels: Sequence[int]
    """Channels to score, from 0; all by default."""
    thresholds: Mapping[str, float]
    """Scores from which a label makes an event; the detectors' own by default."""
    false_alarms_per_hour: float
    """Thresholds by the false alarms that each label may tell in an hour of other speech, above 0;
    labels in `thresholds` keep theirs. A model's operating points say which rates it knows."""
    aggregate_over_s: float
    """Horizon of the running aggregates; everything since the start by default."""
    softmax_temperature: float
    """Temperature of the softmax-weighted mean; 1 by default."""
    features: bool
    """Whether the log-mel features come too."""
    explanations: bool
    """Whether it is told what scores were made from."""
    replies: Replies
    """What is told of: every window ("windows"), running aggregates, or events only."""
    reply_interval_s: float
    """Seconds of audio between replies at least; events come at once. By default each chunk is
    answered by what it brought."""
    encoding: Encoding
    """What the bytes hold: by default samples of 16 bits, little-endian, in a stream, and in a
    recording an audio file whose header names rate and channels ("CONTAINER")."""
    rate_hz: int
    """Samples per second and channel of raw samples; 16000 by default."""
    channel_count: int
    """Interleaved channels of raw samples; 1 by default."""
    timeout_s: float
    """Seconds that the whole call may take; no limit by default."""


class StreamOptions(SpotOptions, total=False):
    """Options of `stream`."""

    start_sample: int
    """The number of the first sample, where a stream goes on after a lost connection."""
    capture_time: datetime
    """When the first sample was captured, with its time zone; events then tell when they began."""


class DetectOptions(TypedDict, total=False):
    """Options of `detect`."""

    detectors: Sequence[str]
    """Names such as "detectors/flower" or "flower"; all image detectors by default."""
    thresholds: Mapping[str, float]
    """Scores from which a box is reported; the detectors' own by default."""
    overlap_iou: float
    """Boxes that overlap a better one by more are dropped; 0.5 by default."""
    max_boxes: int
    """Most boxes reported; 100 by default."""
    region: Area
    """Look only here, in pixels of the picture after its EXIF turn; everywhere by default."""
    tile: bool
    """Look twice, four times, ... as finely too, up to the picture's own pixels: for small objects
    in large pictures. It takes as much longer as the picture is larger than what the detector
    takes in."""
    score_map: bool
    """Whether the map of scores by place comes too."""
    explanations: bool
    """Whether it is told what scores were made from."""
    timeout_s: float
    """Seconds that the call may take; no limit by default."""
