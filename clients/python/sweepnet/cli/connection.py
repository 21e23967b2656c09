"""Options that every client verb shares, and the connection they ask for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Client, Tls, embedded_server
from sweepnet.errors import InvalidInput, ServerUnavailable
from sweepnet.options import SpotOptions

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
        metavar="X|LABEL=X",
        help="Score (0..1) from which a label counts: X for all labels in use, LABEL=X for one, "
        "which goes before; the detector's own by default.",
    ),
]

FalseAlarms = Annotated[
    float | None,
    typer.Option(
        "--false-alarms-per-hour",
        metavar="X",
        help="Thresholds at which a label may be told falsely so often in an hour of speech.",
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
        with Client(server, tls=encryption(), token=os.environ.get("SWEEPNET_TOKEN")) as client:
            yield _reached(client, detectors)
        return
    with embedded_server(models) as address, Client(address) as client:
        yield _checked(client, detectors)


def encryption() -> Tls | None:
    """How `--server` is to be reached: encrypted where SWEEPNET_TLS_CA names a PEM file with
    authorities, or `system` for the system's; with SWEEPNET_TLS_CERT and _KEY as oneself.
    """
    authorities, certificate, key = (
        os.environ.get(f"SWEEPNET_TLS_{name}") or None for name in ("CA", "CERT", "KEY")
    )
    if authorities is None and certificate is None:
        return None
    return Tls(None if authorities == "system" else authorities, certificate, key)


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


@dataclass(frozen=True)
class Wanted:
    """Thresholds as they were asked for: one for every label, and those of labels."""

    every: float | None = None
    of_label: Mapping[str, float] = field(default_factory=dict)

    def known(self, client: Client, kind: str, detectors: Sequence[str]) -> dict[str, float]:
        """A threshold for each label of the detectors in use, which are all of a kind if none is
        named; only those asked for.
        """
        if self.every is None:
            return dict(self.of_label)
        models = [client.model(name) for name in detectors] or [
            each for each in client.models() if each.kind == kind and not each.error
        ]
        labels = (label for model in models for label in model.labels)
        return dict.fromkeys(labels, self.every) | dict(self.of_label)


def thresholds(given: Sequence[str] | None) -> Wanted:
    """`["0.5", "welcome=0.7"]` as thresholds; raises BadParameter."""
    every, of_label = None, {}
    for item in given or ():
        label, equals, number = item.rpartition("=")
        value = _score(number)
        if value is None or bool(label) != bool(equals):
            raise typer.BadParameter(
                f"got {item!r}; expected X or LABEL=X with X in 0..1, such as 0.7 or welcome=0.7",
                param_hint="--threshold",
            )
        if label:
            of_label[label] = value
        else:
            every = value
    return Wanted(every, of_label)


def rate(false_alarms_per_hour: float | None, wanted: Wanted) -> SpotOptions:
    """The option as the client takes it, beside thresholds of single labels; raises BadParameter
    beside one for every label.
    """
    if false_alarms_per_hour is None:
        return {}
    if wanted.every is not None:
        raise typer.BadParameter(
            f"got {false_alarms_per_hour:g} beside --threshold {wanted.every:g}, which leaves no "
            "label to it; give one of them",
            param_hint="--false-alarms-per-hour",
        )
    if not 0 < false_alarms_per_hour < math.inf:
        raise typer.BadParameter(
            f"got {false_alarms_per_hour:g}; expected false alarms in an hour, above 0",
            param_hint="--false-alarms-per-hour",
        )
    return {"false_alarms_per_hour": false_alarms_per_hour}


def _score(text: str) -> float | None:
    """The number, None where it is none or outside of 0..1."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
