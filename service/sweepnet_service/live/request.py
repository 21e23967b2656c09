"""What a client wants of a stream of audio, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sweepnet_service.errors import InvalidInput, shown
from sweepnet_service.pcm import Encoding

Density = Literal["windows", "aggregates", "events"]
MOST_CHANNELS = 64
LONGEST_INTERVAL_S = 60
LAST_SAMPLE = 1 << 62


@dataclass(frozen=True)
class SpotRequest:
    """What a client wants of a stream; rate and channels are 0 where a file's header names them.

    `labels` empty: all. `capture_ns`: when sample `start_sample` was captured, since 1970.
    """

    detectors: tuple[str, ...] = ()
    encoding: Encoding = "LINEAR16"
    rate_hz: int = 0
    channel_count: int = 0
    channels: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    false_alarms_per_hour: float | None = None
    aggregate_over_s: float | None = None
    softmax_temperature: float = 1.0
    features: bool = False
    explanations: bool = False
    density: Density = "windows"
    reply_interval_s: float = 0.0
    start_sample: int = 0
    capture_ns: int | None = None

    def __post_init__(self) -> None:
        require(
            0 <= self.channel_count <= MOST_CHANNELS,
            "audio_format.channel_count",
            self.channel_count,
            f"1..{MOST_CHANNELS}",
        )
        require(
            0 <= self.start_sample < LAST_SAMPLE, "start_sample", self.start_sample, "0..2^62 - 1"
        )
        require(
            self.softmax_temperature > 0,
            "aggregation.softmax_temperature",
            self.softmax_temperature,
            "> 0",
        )
        horizon = self.aggregate_over_s
        require(horizon is None or horizon > 0, "aggregation.aggregate_over_s", horizon, ">= 0")
        rate = self.false_alarms_per_hour
        require(rate is None or rate > 0, "false_alarms_per_hour", rate, "> 0")
        interval = self.reply_interval_s
        require(
            0 <= interval <= LONGEST_INTERVAL_S,
            "reply_interval_s",
            interval,
            f"0..{LONGEST_INTERVAL_S}",
        )
        for label, threshold in self.thresholds.items():
            require(0 <= threshold <= 1, f"thresholds[{shown(label)}]", threshold, "0..1")


def require(holds: bool, where: str, got: object, expected: str) -> None:
    """Raises InvalidInput unless it holds."""
    if not holds:
        raise InvalidInput(where, f"got {got}; expected {expected}")


def check_labels(
    given: Collection[str], labels: Collection[str], where: str = "thresholds"
) -> None:
    """Raises InvalidInput if one is given that nobody has."""
    unknown = sorted(set(given) - set(labels))
    if unknown:
        raise InvalidInput(
            where, f"no label named {shown(unknown[0])}; labels: {', '.join(sorted(labels))}"
        )


def checked_channels(channels: tuple[int, ...], channel_count: int) -> tuple[int, ...]:
    """The channels themselves, all where none is named; InvalidInput for those there are not."""
    wrong = [channel for channel in channels if not 0 <= channel < channel_count]
    if wrong or len(set(channels)) < len(channels):
        raise InvalidInput(
            "channels",
            f"got {list(channels)}; expected different numbers from 0 to {channel_count - 1}, "
            f"for the audio has {channel_count} channel(s)",
        )
    return channels or tuple(range(channel_count))
