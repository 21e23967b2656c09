"""`sweepnet models versions|promote|rollback|compare|delete`: which version of a model is used."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from sweepnet.cli.asking import Yes, confirmed
from sweepnet.cli.connection import Json, Models, Server, connected
from sweepnet.cli.ending import FAILED, clear_ending
from sweepnet.cli.jobs import NeededServer, followed, workshop_of
from sweepnet.cli.output import new_table, print_json, show
from sweepnet.workshop import LIVE, Version, Workshop

Detector = Annotated[str, typer.Argument(help="Name of a detector, such as welcome.")]
Numbered = Annotated[str, typer.Argument(help="A version, such as welcome/versions/3.")]
Named = Annotated[str, typer.Argument(help="A version, such as welcome/versions/3, or a detector.")]
Alias = Annotated[str, typer.Option("--alias", help="The alias to move.")]


def versions(
    name: Detector, as_json: Json = False, server: Server = None, models: Models = None
) -> None:
    """List the versions of a detector, the newest first, and where they come from."""
    with connected(server, models) as client:
        found = Workshop(client).versions(name)
    if as_json:
        for version in found:
            print_json(asdict(version))
        return
    table = new_table("Version", "Alias", "Published", "Size", "From", "By")
    for version in found:
        table.add_row(
            version.name,
            ", ".join(version.aliases),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created_s)),
            f"{version.size_bytes / 1e6:.1f} MB",
            version.data_set,
            version.operation.rpartition("/")[2],
        )
    show(table)


def promote(
    name: Numbered,
    alias: Alias = LIVE,
    force: Annotated[
        bool, typer.Option("--force", help="Also a version that was measured to be worse.")
    ] = False,
    server: Server = None,
    models: Models = None,
) -> None:
    """Let the server use a version: loaded first, taken up without a restart."""
    with connected(server, models) as client:
        _told(Workshop(client).promote(name, alias, force), alias)


def rollback(
    name: Detector, alias: Alias = LIVE, server: Server = None, models: Models = None
) -> None:
    """Let the server use the version before."""
    with connected(server, models) as client:
        _told(Workshop(client).roll_back(name, alias), alias)


def compare(
    candidate: Numbered,
    data: Annotated[str, typer.Argument(help="A folder on the server, or datasets/NAME.")],
    server: NeededServer,
    against: Annotated[
        str, typer.Option("--against", metavar="VERSION", help="The live version by default.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Measure a version against another one; ends with 1 where it is worse beyond chance.

    A version that was found worse is not promoted without --force.
    """
    with workshop_of(server) as workshop:
        job = workshop.compare(candidate, data, against)
        ended = followed(workshop, job.name, as_json)
    good = ended.comparison is not None and not ended.comparison.worse
    raise typer.Exit(0 if good else FAILED)


def delete(name: Named, yes: Yes = False, server: Server = None, models: Models = None) -> None:
    """Delete a version that no alias names, or a detector with all its versions."""
    confirmed(f"delete {name}" if "/versions/" in name else f"delete {name}, all versions", yes)
    with connected(server, models) as client:
        Workshop(client).delete_model(name)
    print(f"{name} is deleted")


def add_to(app: typer.Typer) -> None:
    """Add these verbs to `sweepnet models`."""
    for verb in (versions, promote, rollback, compare, delete):
        app.command(verb.__name__)(clear_ending(verb, f"models {verb.__name__}"))


def _told(version: Version, alias: str) -> None:
    print(f"{version.name} is {alias}")
