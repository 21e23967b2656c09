"""What Prometheus is told: how many, how long, how full; never who, what file or which word.

Counters are the process's: servers in one process share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, start_http_server

from sweepnet_service.errors import FailedPrecondition, SweepnetError

REGISTRY = CollectorRegistry()
SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
LONG_S = (0.01, 0.1, 1, 10, 60, 600, 3600)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

CALLS = Counter("sweepnet_calls", "Calls that ended.", ("method", "code"), registry=REGISTRY)
CALL_S = Histogram(
    "sweepnet_call_seconds",
    "From first message to end.",
    ("method",),
    registry=REGISTRY,
    buckets=LONG_S,
)
RUNNING = Gauge("sweepnet_calls_running", "Calls under way.", ("method",), registry=REGISTRY)
REFUSALS = Counter(
    "sweepnet_refusals", "Calls refused before any work.", ("reason",), registry=REGISTRY
)
WINDOWS = Counter(
    "sweepnet_windows_scored", "Windows of audio scored.", ("detector",), registry=REGISTRY
)
DETECTIONS = Counter(
    "sweepnet_detections", "Words and boxes told.", ("detector",), registry=REGISTRY
)
HANDED_OVER = Counter(
    "sweepnet_streams_handed_over",
    "Channels of live streams that went over to a newer version.",
    ("detector",),
    registry=REGISTRY,
)
PICTURES = Counter("sweepnet_pictures_scored", "Pictures scored.", ("detector",), registry=REGISTRY)
QUEUE_S = Histogram(
    "sweepnet_queue_seconds",
    "From come to begun, of pieces of live streams.",
    registry=REGISTRY,
    buckets=SHORT_S,
)
STEP_S = Histogram(
    "sweepnet_step_seconds",
    "Computing time of a step of live streams.",
    registry=REGISTRY,
    buckets=SHORT_S,
)
STEP_PIECES = Histogram(
    "sweepnet_step_pieces", "Pieces scored in one step.", registry=REGISTRY, buckets=COUNTS
)
WORK_S = Histogram(
    "sweepnet_work_seconds",
    "Computing time of files, pictures and requests, piece by piece.",
    registry=REGISTRY,
    buckets=SHORT_S,
)
WAITING = Gauge("sweepnet_work_waiting", "Pieces of work in the pool.", registry=REGISTRY)
LIVE = Gauge("sweepnet_streams_open", "Streams of live audio open.", registry=REGISTRY)
BUILD = Info("sweepnet_build", "The program.", registry=REGISTRY)
BUILD.info({"version": version("sweepnet")})


@contextmanager
def refused() -> Iterator[None]:
    """Counts the error that ends the block as a refusal."""
    try:
        yield
    except SweepnetError as error:
        REFUSALS.labels(type(error).__name__).inc()
        raise


@contextmanager
def served(host: str, port: int | None) -> Iterator[str]:
    """Metrics at http://host:port/metrics, port 0 for any; nothing where there is no port.

    Yields the address. Raises FailedPrecondition where nobody can listen there.
    """
    if port is None:
        yield ""
        return
    try:
        server, thread = start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise FailedPrecondition(
            f"{host}:{port}",
            f"cannot tell metrics there: {error.strerror}. Choose another address "
            "(--metrics-host, --metrics-port; --metrics-port 0 takes a free one)",
        ) from None
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
