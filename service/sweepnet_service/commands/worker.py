"""`sweepnet worker`: does the trainings that servers take orders for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.commands.ending import clear_ending

INTERRUPTED = 130


@clear_ending("worker")
def worker(
    models: Annotated[
        Path,
        typer.Option(
            "--models",
            metavar="DIR",
            envvar="SWEEPNET_MODELS",
            help="The servers' folder of models: finished ones are put there, and the records of "
            "the trainings are found there.",
        ),
    ],
    records: Annotated[
        str,
        typer.Option(
            "--records",
            metavar="URL",
            envvar="SWEEPNET_RECORDS",
            help="The servers' database, where it is not the one in the folder of models.",
        ),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="End when no training waits.")] = False,
) -> None:
    """Carry out trainings until stopped (Ctrl-C, SIGTERM), one at a time.

    Servers started with --no-with-worker leave them to workers such as this one. Stopped or killed
    at any moment, the same training goes on with the next worker, to the same model.
    """
    from sweepnet_service.training.working import run

    print(f"sweepnet works for {models} (Ctrl-C stops it)", file=sys.stderr)
    run(models, records, once)
