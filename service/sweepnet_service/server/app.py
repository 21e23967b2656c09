"""The server's life: build, bind, serve until told to stop, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import structlog
from google.longrunning import operations_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sweepnet_protos.kserve import grpc_predict_v2_pb2, grpc_predict_v2_pb2_grpc
from sweepnet_protos.v1 import (
    capture_pb2,
    capture_pb2_grpc,
    data_set_pb2,
    image_detector_pb2,
    image_detector_pb2_grpc,
    keyword_spotter_pb2,
    keyword_spotter_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    trainer_pb2,
)
from sweepnet_service.captures import Captures, Keeper
from sweepnet_service.engine import Engine
from sweepnet_service.errors import FailedPrecondition, InvalidInput, SweepnetError
from sweepnet_service.limits import Limits
from sweepnet_service.live.batcher import Batcher
from sweepnet_service.live.load import Load
from sweepnet_service.metrics import served
from sweepnet_service.server.captures import CaptureReview
from sweepnet_service.server.decoding import Decoding
from sweepnet_service.server.image import ImageDetectors
from sweepnet_service.server.inference import Inference
from sweepnet_service.server.keyword import KeywordSpotter
from sweepnet_service.server.models import Models
from sweepnet_service.server.security import check_exposed, credentials
from sweepnet_service.server.settings import Settings
from sweepnet_service.server.statuses import Guard
from sweepnet_service.server.tokens import read_tokens
from sweepnet_service.server.trainings import Trainings
from sweepnet_service.server.upkeep import kept_up
from sweepnet_service.spotting import Uploads
from sweepnet_service.store import Library
from sweepnet_service.training.answers import in_use

SERVICES = tuple(
    service.full_name
    for service in (
        keyword_spotter_pb2.DESCRIPTOR.services_by_name["KeywordSpotterService"],
        image_detector_pb2.DESCRIPTOR.services_by_name["ImageDetectorService"],
        model_pb2.DESCRIPTOR.services_by_name["ModelService"],
        trainer_pb2.DESCRIPTOR.services_by_name["TrainerService"],
        data_set_pb2.DESCRIPTOR.services_by_name["DataSetService"],
        capture_pb2.DESCRIPTOR.services_by_name["CaptureService"],
        operations_pb2.DESCRIPTOR.services_by_name["Operations"],
        grpc_predict_v2_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"],
    )
)
SPARE_CALLS = 64
FAREWELL_S = 0.5
"""For last words to reach their clients."""
NEVER_S = 86_400.0
log = structlog.get_logger("sweepnet")


@dataclass(frozen=True)
class Running:
    """A server that takes calls at `address`."""

    address: str
    server: grpc.aio.Server
    health: health.aio.HealthServicer
    engine: Engine
    guard: Guard
    trainings: Trainings

    async def drain(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new calls, give running ones time, then end them.

        Those ended hear UNAVAILABLE, so that they may go on elsewhere.
        """
        self.guard.ready = False
        await self.health.enter_graceful_shutdown()
        # Of two stops whose time runs out together the later one may end calls of a server that
        # the other has freed: a segmentation fault. So this one's time never does.
        refusing = asyncio.ensure_future(self.server.stop(grace_s + NEVER_S))
        await self.guard.end(grace_s)
        await asyncio.wait([refusing], timeout=FAREWELL_S)
        await self.server.stop(None)
        await refusing


@asynccontextmanager
async def running(settings: Settings, socket_path: str = "") -> AsyncIterator[Running]:
    """A server at the settings' host and port, or at a Unix socket; it is drained at the end."""
    tokens = read_tokens(settings.tokens) if settings.tokens else None
    guard = Guard(settings.max_concurrent_calls, tokens)
    if not socket_path:
        check_exposed(settings)
    library = Library(settings.models, warn=warn_of_model)
    check_writable(settings.captures, "captures")
    check_writable(settings.data_sets, "data-sets")
    keeper = keeper_of(settings)
    engine = Engine(library, settings.workers, settings.max_waiting, keeper, settings.hand_over_s)
    batcher = Batcher(Load(settings.max_latency_ms / 1000))
    trainings = Trainings.of(settings, library)
    server = grpc.aio.server(
        interceptors=[Decoding()],
        options=options(settings.limits),
        # The guard says more clearly that the server is full; this is for health and reflection.
        maximum_concurrent_rpcs=settings.max_concurrent_calls + SPARE_CALLS,
    )
    watch = health.aio.HealthServicer()
    uploads = Uploads(settings.limits, checked_folder(settings.spool_dir, "spool-dir"))
    add_services(server, engine, trainings, watch, settings.limits, uploads, batcher, guard)
    kept = None if keeper is None else keeper.captures
    review = CaptureReview(kept, guard, settings.models)
    capture_pb2_grpc.add_CaptureServiceServicer_to_server(review, server)
    address = bind(server, settings, socket_path)
    await server.start()
    await _serving(watch)
    app = Running(address, server, watch, engine, guard, trainings)
    try:
        await trainings.begin()
        async with kept_up(library):
            yield app
    finally:
        await app.drain(settings.grace_s)
        await trainings.close()
        batcher.close()
        engine.close()
        if keeper is not None:
            keeper.close()


def keeper_of(settings: Settings) -> Keeper | None:
    """What keeps detections near their threshold, where a folder for them is named."""
    if settings.captures is None:
        return None
    captures = Captures(settings.captures, settings.max_capture_bytes, settings.capture_days)
    return Keeper(captures, settings.capture_margin, in_use=partial(in_use, settings.models))


def warn_of_model(name: str, reason: str) -> None:
    """One line in the log."""
    with contextlib.suppress(OSError, ValueError):
        log.warning("model unreadable", model=name, reason=reason)


def check_writable(folder: Path | None, setting: str) -> None:
    """Raises InvalidInput for a folder that cannot be written, nor made when it is needed."""
    if folder is None:
        return
    there = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()
    )
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InvalidInput(setting, f"{there} is no folder that can be written (--{setting})")


def checked_folder(folder: Path | None, setting: str) -> Path | None:
    """The folder of a setting; raises InvalidInput if it is none."""
    if folder is not None and not folder.is_dir():
        raise InvalidInput(setting, f"no folder named {folder} (--{setting})")
    return folder


def options(limits: Limits) -> list[tuple[str, int]]:
    """Channel options of the server."""
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        # Two servers at one port would share its calls by chance.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 10),
    ]


def add_services(
    server: grpc.aio.Server,
    engine: Engine,
    trainings: Trainings,
    watch: health.aio.HealthServicer,
    limits: Limits,
    uploads: Uploads,
    batcher: Batcher,
    guard: Guard,
) -> None:
    """All services of the contract, with health and reflection."""
    keyword_spotter_pb2_grpc.add_KeywordSpotterServiceServicer_to_server(
        KeywordSpotter(engine, limits, guard, uploads, batcher), server
    )
    image_detector_pb2_grpc.add_ImageDetectorServiceServicer_to_server(
        ImageDetectors(engine, limits, guard), server
    )
    models = Models(engine, guard, trainings.objection)
    model_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    trainings.add_to(server, guard)
    grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        Inference(engine, guard), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(watch, server)
    named = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(named, server)


def bind(server: grpc.aio.Server, settings: Settings, socket_path: str) -> str:
    """The address that the server now listens at; raises FailedPrecondition if it is taken."""
    if socket_path:
        server.add_insecure_port(f"unix:{socket_path}")
        return f"unix:{socket_path}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    check_free(settings.host, settings.port)
    secret = credentials(settings)
    wanted = f"{host}:{settings.port}"
    port = server.add_secure_port(wanted, secret) if secret else server.add_insecure_port(wanted)
    return f"{host}:{port}"


def check_free(host: str, port: int) -> None:
    """Raises FailedPrecondition if nobody can listen there; gRPC itself would only log why."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen(1)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        advice = "Stop what listens there, or choose another" if taken else "Choose another"
        raise FailedPrecondition(
            f"{host}:{port}",
            f"cannot listen there: {error.strerror}. {advice} "
            "address (--host, --port; --port 0 takes a free one)",
        ) from None


async def _serving(watch: health.aio.HealthServicer) -> None:
    for name in SERVICES:
        await watch.set(name, health_pb2.HealthCheckResponse.SERVING)


async def warm_up(engine: Engine) -> None:
    """Load what is there, so that the first call need not wait; the library logs what fails."""
    for name in engine.library.entries:
        with contextlib.suppress(SweepnetError):
            await engine.run(engine.library.load, name)


async def serve(
    settings: Settings, announce: Callable[[str], None], stop: asyncio.Event, socket_path: str = ""
) -> None:
    """Serve until `stop` is set or SIGTERM or SIGINT comes; `announce` is told the address.

    A second signal ends the calls that still run, without the rest of their grace.
    """
    on_signal(stop.set)
    with served(settings.metrics_host, settings.metrics_port) as place:
        if place:
            log.info("metrics", at=place)
        await _serve(settings, announce, stop, socket_path)


async def _serve(
    settings: Settings, announce: Callable[[str], None], stop: asyncio.Event, socket_path: str
) -> None:
    async with running(settings, socket_path) as app:
        announce(app.address)
        warming = asyncio.create_task(warm_up(app.engine))
        await stop.wait()
        on_signal(app.guard.end_now)
        log.info("draining", grace_s=settings.grace_s)
        warming.cancel()


def on_signal(act: Callable[[], None]) -> None:
    """Let SIGTERM and SIGINT do this from now on, where the event loop can be told so."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, act)
