"""Keyword engines side by side on the same recordings: any engine by one small adapter."""

from __future__ import annotations

from sweepnet_service.detectors.keyword.bench.engine import (
    Detection,
    Engine,
    crossings,
    down_to_silence,
    frames,
    knowing,
    load_engine,
    pcm16,
)
from sweepnet_service.detectors.keyword.bench.own import OwnDetector
from sweepnet_service.detectors.keyword.bench.rows import Figures, Row, read_rows, write_rows

__all__ = [
    "Detection",
    "Engine",
    "Figures",
    "OwnDetector",
    "Row",
    "crossings",
    "down_to_silence",
    "frames",
    "knowing",
    "load_engine",
    "pcm16",
    "read_rows",
    "write_rows",
]
