"""Structured log lines on stderr; never a file name, a picture or a sound."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings

import structlog


class _NotCancelled(logging.Filter):
    """grpc.aio logs a traceback for each call that is cancelled; clients may go when they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or not issubclass(kind, asyncio.CancelledError)


def configure_logs(level: str, form: str) -> None:
    """Lines of this level and above, as `json` or as `text`."""
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    # Pillow warns of what it then refuses, which the caller is told.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("grpc._cython.cygrpc").addFilter(_NotCancelled())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Looked up at each line: whoever replaces or closes sys.stderr shall not break calls.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
