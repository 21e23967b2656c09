"""Options as a caller gives them: each known by name, each of a kind that can be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from numbers import Integral, Real
from typing import Any

from sweepnet.errors import InvalidInput
from sweepnet.results import Area

LARGEST = 2**31 - 1
LONGEST_S = 1e9


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


def patience(value: object) -> None:
    """Raises InvalidInput for what is no time to wait for a server."""
    if not (_number(value) and value >= 0):  # type: ignore[operator]  # a number
        raise InvalidInput(f"patience_s: got {value!r}; expected seconds, a number from 0")


def whole(name: str, value: object, largest: int = LARGEST) -> None:
    """Raises InvalidInput for what is no whole number from 0 to the largest."""
    if not _whole(value, largest):
        raise InvalidInput(f"{name}: got {value!r}; expected a whole number, 0..{largest}")


def name(value: object) -> None:
    """Raises InvalidInput for what is no name of anything on a server."""
    if not _word(value):
        raise InvalidInput(f"name: got {value!r}; expected text, such as 'welcome'")


def _whole(value: Any, largest: int = LARGEST) -> bool:
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= largest
    )


def _some(value: Any) -> bool:
    return _whole(value) and value > 0


def _long(value: Any) -> bool:
    return isinstance(value, Integral) and 0 <= int(value) < 2**63


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _above_0(value: Any) -> bool:
    return _number(value) and value > 0


def _share(value: Any) -> bool:
    return _above_0(value) and value <= 1


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _word(value: Any) -> bool:
    # Half a character, as in a file's name that is not UTF-8, cannot be sent.
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _zoned(value: Any) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _time_limit(value: Any) -> bool:
    return value is None or (_above_0(value) and value <= LONGEST_S)


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
    "false_alarms_per_hour": (_above_0, "false alarms of a label in an hour, a number above 0"),
    "aggregate_over_s": _SECONDS,
    "softmax_temperature": (_above_0, "a number above 0"),
    "features": _YES_NO,
    "explanations": _YES_NO,
    "reply_interval_s": _SECONDS,
    "capture_time": (_zoned, "a datetime with a time zone"),
    "region": (_area, "an Area, in pixels"),
    "replies": (_word, "'windows', 'aggregates' or 'events'"),
    "timeout_s": (_time_limit, "seconds above 0, or None for no limit"),
    "encoding": (_word, "one of LINEAR16, FLOAT32, MULAW, ALAW, CONTAINER"),
    "rate_hz": (_whole, "samples per second, a whole number"),
    "channel_count": (_whole, "a whole number of channels"),
    "start_sample": (_long, "the number of a sample, from 0"),
    "overlap_iou": (_share, "a number above 0, at most 1"),
    "max_boxes": (_some, "a whole number of boxes, from 1"),
    "score_map": _YES_NO,
    "tile": _YES_NO,
}
