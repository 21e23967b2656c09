"""Options as a caller gives them: each known by name, each of a kind that can be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from numbers import Integral, Real
from typing import Any

from sweepnet.errors import InvalidInput
from sweepnet.results import Area

LARGEST = 2**31 - 1


def checked(options: Mapping[str, Any], kind: type) -> None:
    """Raises TypeError for an option that `kind` does not have, InvalidInput for its value."""
    known = kind.__annotations__
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"there is no option {name!r}; expected {', '.join(known)}")
        check(name, value)


def check(name: str, value: object) -> None:
    """Raises InvalidInput for a value that the option of this name cannot have."""
    allowed, expected = EXPECTED[name]
    if not allowed(value):
        raise InvalidInput(f"{name}: got {value!r}; expected {expected}")


def _whole(value: Any) -> bool:
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= LARGEST
    )


def _long(value: Any) -> bool:
    return isinstance(value, Integral) and 0 <= int(value) < 2**63


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _rate(value: Any) -> bool:
    return _number(value) and value > 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _word(value: Any) -> bool:
    return isinstance(value, str)


def _zoned(value: Any) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _time_limit(value: Any) -> bool:
    return value is None or _number(value)


def _all(value: Any, allowed: Callable[[Any], bool]) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(allowed, value))


def _thresholds(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_word(k) and _number(v) for k, v in value.items())


def _area(value: Any) -> bool:
    return isinstance(value, Area) and all(map(_number, vars(value).values()))


_SECONDS = (_number, "seconds, a number")
_YES_NO = (_flag, "True or False")
EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "detectors": (lambda value: _all(value, _word), "a list of names, such as ['welcome']"),
    "labels": (lambda value: _all(value, _word), "a list of labels, such as ['welcome']"),
    "channels": (lambda value: _all(value, _whole), "a list of channels, such as [0]"),
    "thresholds": (_thresholds, "a score for each label, such as {'welcome': 0.7}"),
    "false_alarms_per_hour": (_rate, "false alarms of a label in an hour, a number above 0"),
    "aggregate_over_s": _SECONDS,
    "softmax_temperature": (_number, "a number"),
    "features": _YES_NO,
    "explanations": _YES_NO,
    "reply_interval_s": _SECONDS,
    "capture_time": (_zoned, "a datetime with a time zone"),
    "region": (_area, "an Area, in pixels"),
    "replies": (_word, "'windows', 'aggregates' or 'events'"),
    "timeout_s": (_time_limit, "seconds, a number, or None"),
    "encoding": (_word, "one of LINEAR16, FLOAT32, MULAW, ALAW, CONTAINER"),
    "rate_hz": (_whole, "samples per second, a whole number"),
    "channel_count": (_whole, "a whole number of channels"),
    "start_sample": (_long, "the number of a sample, from 0"),
    "overlap_iou": (_number, "a number, 0..1"),
    "max_boxes": (_whole, "a whole number of boxes"),
    "score_map": _YES_NO,
    "tile": _YES_NO,
}
