"""Options that every client verb shares, and the connection they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Client, embedded_server
from sweepnet.errors import InvalidInput, ServerUnavailable

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        envvar="SWEEPNET_SERVER",
        help="A running server; without it one is started for this call.",
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(
        "--models",
        metavar="DIR",
        help="Folder with more model files, for a server started for this call.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Detectors = Annotated[
    list[str] | None,
    typer.Option("--detector", "-d", metavar="NAME", help="Detector to use; all by default."),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        "-t",
        metavar="LABEL=X",
        help="Score (0..1) from which a label counts; the detector's own by default.",
    ),
]


@contextmanager
def connected(
    server: str | None, models: Path | None, detectors: Sequence[str] = ()
) -> Iterator[Client]:
    """A client of the server, or of one that lives as long; the detectors are there."""
    if server is not None:
        if models is not None:
            raise InvalidInput("--models is for a server started here; leave --server out")
        with Client(server) as client:
            yield _reached(client, detectors)
        return
    with embedded_server(models) as address, Client(address) as client:
        yield _checked(client, detectors)


def _reached(client: Client, detectors: Sequence[str]) -> Client:
    try:
        return _checked(client, detectors)
    except ServerUnavailable as error:
        hint = "leave --server out to have one started"
        raise ServerUnavailable(f"{error.message}; {hint}") from None


def _checked(client: Client, detectors: Sequence[str]) -> Client:
    """The client; raises before any work where there is no server or no such detector."""
    if not client.ready():
        raise ServerUnavailable(f"the server at {client.address} is being stopped; try another")
    for name in detectors:
        client.model(name)
    return client


def thresholds(given: Sequence[str] | None) -> dict[str, float]:
    """`["welcome=0.7"]` as a dictionary."""
    parsed = {}
    for item in given or ():
        label, equals, number = item.rpartition("=")
        try:
            parsed[label] = float(number)
        except ValueError:
            equals = ""
        if not (equals and 0 <= parsed[label] <= 1):
            raise typer.BadParameter(
                f"got {item!r}; expected LABEL=X with X in 0..1, such as welcome=0.7",
                param_hint="--threshold",
            )
    return parsed
