"""Results as plain records and rows: what `--json`, archives and tables hold.

    result -> record (what one file came to, ready for JSON) -> rows of "labels" or of "finds"

Times in seconds from the recording's first sample, boxes in pixels of the original picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

from sweepnet.errors import InvalidInput
from sweepnet.results import Box, Detections, Event, Scored, SpotResult

Record = Mapping[str, Any]
Rows = Literal["labels", "finds"]

COLUMNS: Mapping[Rows, Mapping[str, type]] = {
    "labels": {
        **{"source": str, "label": str, "score": float, "count": int},
        **{"duration_s": float, "width_px": int, "height_px": int, "error": str},
    },
    "finds": {
        **{"source": str, "label": str, "detector": str, "score": float},
        **{"channel": int, "start_s": float, "end_s": float},
        **{"x_min_px": float, "y_min_px": float, "x_max_px": float, "y_max_px": float},
        "error": str,
    },
}
"""The columns of each kind of row in their order; what a row does not have is missing."""


def record(scored: Scored) -> dict[str, Any]:
    """One of many: its source, and its result or its error."""
    if scored.result is None:
        return {"source": scored.source, "error": scored.error}
    return {"source": scored.source, **of_result(scored.result)}


def of_result(result: SpotResult | Detections) -> dict[str, Any]:
    """A result without its source."""
    return spot_record(result) if isinstance(result, SpotResult) else detect_record(result)


def spot_record(result: SpotResult) -> dict[str, Any]:
    """Length, the highest score of each label, and the words in order of time."""
    return {
        "duration_s": result.duration_s,
        "scores": dict(result.scores),
        "events": [event_record(event) for event in result.events],
    }


def event_record(event: Event) -> dict[str, Any]:
    """A word."""
    return {
        "label": event.label,
        "detector": event.detector,
        "start_s": event.start_s,
        "end_s": event.end_s,
        "channel": event.channel,
        "score": event.score,
    }


def detect_record(result: Detections) -> dict[str, Any]:
    """Size, the score of each label that it is there, and the boxes, best first."""
    return {
        "width_px": result.width_px,
        "height_px": result.height_px,
        "scores": dict(result.scores),
        "boxes": [_box_record(box) for box in result.boxes],
    }


def _box_record(box: Box) -> dict[str, Any]:
    record: dict[str, Any] = {
        "label": box.label,
        "detector": box.detector,
        "score": box.score,
        "x_min_px": box.x_min_px,
        "y_min_px": box.y_min_px,
        "x_max_px": box.x_max_px,
        "y_max_px": box.y_max_px,
        "corners_px": [list(corner) for corner in box.corners_px],
    }
    if box.key_points_px:
        record["key_points_px"] = {name: list(at) for name, at in box.key_points_px.items()}
    return record


def rows(told: Record, kind: Rows) -> Iterator[dict[str, Any]]:
    """A record's rows: one for each label, or one for each word or box found.

    A file that failed has a single row, with its error.
    """
    if "error" in told:
        yield {"source": told["source"], "error": told["error"]}
        return
    yield from _ROWS[checked(kind)](told)


def checked(kind: str) -> Rows:
    """The kind of rows; InvalidInput where there is none of the name."""
    if kind not in COLUMNS:
        raise InvalidInput(f"rows: got {kind!r}; expected one of {', '.join(get_args(Rows))}")
    return kind  # type: ignore[return-value]  # a key of COLUMNS is one


def _finds(told: Record) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told.get("events", told.get("boxes", []))
    return found


def _label_rows(told: Record) -> Iterator[dict[str, Any]]:
    measures = {
        name: told[name] for name in ("duration_s", "width_px", "height_px") if name in told
    }
    for label, score in told["scores"].items():
        count = sum(find["label"] == label for find in _finds(told))
        yield {"source": told["source"], "label": label, "score": score, "count": count, **measures}


def _find_rows(told: Record) -> Iterator[dict[str, Any]]:
    for find in _finds(told):
        kept = {name: find[name] for name in COLUMNS["finds"] if name in find}
        yield {"source": told["source"], **kept}


_ROWS: Mapping[Rows, Callable[[Record], Iterator[dict[str, Any]]]] = {
    "labels": _label_rows,
    "finds": _find_rows,
}
