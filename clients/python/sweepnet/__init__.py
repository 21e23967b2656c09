"""Client of sweepnet: finds words in audio and objects in pictures, by a server.

from sweepnet import Client, embedded_server

with embedded_server() as address, Client(address) as client:
    print(client.spot("call.wav").events)
    print(client.detect("garden.jpg").boxes)
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from sweepnet._channel import DEFAULT_ADDRESS, Tls
from sweepnet._embedded import embedded_server
from sweepnet.aio import AsyncClient, AsyncSpotStream
from sweepnet.aio_listening import AsyncListening
from sweepnet.client import Client, SpotStream
from sweepnet.errors import (
    Cancelled,
    FailedPrecondition,
    InvalidInput,
    LimitExceeded,
    MissingPackage,
    ModelUnreadable,
    NoServerPackage,
    NotAllowed,
    NotFound,
    ServerFault,
    ServerUnavailable,
    SweepnetError,
    TimedOut,
)
from sweepnet.inputs import ChannelChunk, Gap, Picture
from sweepnet.listening import Listening
from sweepnet.options import DetectOptions, SpotOptions, StreamOptions
from sweepnet.results import (
    Aggregate,
    Area,
    Box,
    ChannelSummary,
    ChannelUpdate,
    Detections,
    Event,
    Features,
    Model,
    Network,
    NetworkLayer,
    OpenedDetector,
    OperatingPoint,
    PictureExplanation,
    Scored,
    ScoreMap,
    SpotExplanation,
    SpotOpened,
    SpotResult,
    SpotSummary,
    SpotUpdate,
    Training,
    WindowScore,
)

__all__ = [
    "DEFAULT_ADDRESS",
    "Aggregate",
    "Area",
    "AsyncClient",
    "AsyncListening",
    "AsyncSpotStream",
    "Box",
    "Cancelled",
    "ChannelChunk",
    "ChannelSummary",
    "ChannelUpdate",
    "Client",
    "DetectOptions",
    "Detections",
    "Event",
    "FailedPrecondition",
    "Features",
    "Gap",
    "InvalidInput",
    "LimitExceeded",
    "Listening",
    "MissingPackage",
    "Model",
    "ModelUnreadable",
    "Network",
    "NetworkLayer",
    "NoServerPackage",
    "NotAllowed",
    "NotFound",
    "OpenedDetector",
    "OperatingPoint",
    "Picture",
    "PictureExplanation",
    "ScoreMap",
    "Scored",
    "ServerFault",
    "ServerUnavailable",
    "SpotExplanation",
    "SpotOpened",
    "SpotOptions",
    "SpotResult",
    "SpotStream",
    "SpotSummary",
    "SpotUpdate",
    "StreamOptions",
    "SweepnetError",
    "TimedOut",
    "Tls",
    "Training",
    "WindowScore",
    "embedded_server",
]

SELDOM = ("batch", "microphone", "tables", "workshop")
"""Parts that are imported when they are first used, as `sweepnet.tables`."""

if TYPE_CHECKING:
    from sweepnet import batch as batch
    from sweepnet import microphone as microphone
    from sweepnet import tables as tables
    from sweepnet import workshop as workshop
else:

    def __getattr__(name: str) -> ModuleType:
        if name in SELDOM:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
