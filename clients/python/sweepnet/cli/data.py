"""`sweepnet data`: the data sets that were sent to a server, listed and deleted."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from sweepnet.cli.asking import Yes, confirmed
from sweepnet.cli.connection import Json
from sweepnet.cli.ending import clear_ending
from sweepnet.cli.jobs import NeededServer, OwnServer, needed, workshop_of
from sweepnet.cli.output import new_table, print_json, show

app = typer.Typer(help="Data sets on a server.", invoke_without_command=True)


def data(called: typer.Context, server: OwnServer = None, as_json: Json = False) -> None:
    """List the data sets that were sent to a server."""
    if called.invoked_subcommand:
        return
    with workshop_of(needed(server)) as workshop:
        found = workshop.data_sets()
    if as_json:
        for each in found:
            print_json(asdict(each))
        return
    table = new_table("Data set", "Files", "Size", "Begun", "")
    for each in found:
        table.add_row(
            each.name,
            f"{each.file_count:,}",
            f"{each.size_bytes / 1e6:.1f} MB",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each.created_s)),
            "" if each.complete else "not whole yet",
        )
    show(table)


def delete(
    name: Annotated[str, typer.Argument(help="The data set, as `sweepnet data` lists it.")],
    server: NeededServer,
    yes: Yes = False,
) -> None:
    """Delete a data set and all its files; not while a training learns from it."""
    confirmed(f"delete {name} with all its files", yes)
    with workshop_of(server) as workshop:
        workshop.delete_data_set(name)
    print(f"{name} is deleted")


app.callback()(clear_ending(data))
app.command("delete")(clear_ending(delete, "data delete"))
