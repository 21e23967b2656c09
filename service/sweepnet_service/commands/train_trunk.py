"""`sweepnet train trunk DATA`: speech with its text -> a phone trunk that words stand on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.commands.ending import clear_ending
from sweepnet_service.commands.meter import metered
from sweepnet_service.commands.places import MODELS_VARIABLE, check_writable, model_file

INTERRUPTED = 130


@clear_ending("train trunk")
def train_trunk(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Recordings with their text: a CSV manifest, or the shipped data."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Model file to write, its card beside it.")],
    work_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the state: the same command goes on from there."),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="How often all is heard; with more than before it goes on.")
    ] = 25,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 0.003,
    copies: Annotated[int, typer.Option(help="Differently changed copies of the speech.")] = 4,
    synthesize: Annotated[
        int, typer.Option(help="How many of the texts espeak-ng and flite speak besides.")
    ] = 0,
    start_from: Annotated[
        str | None, typer.Option(help="Model, by name or file, whose trunk goes on learning.")
    ] = None,
    features: Annotated[str, typer.Option(help="log-mel (the default) or pcen.")] = "",
    note: Annotated[list[str] | None, typer.Option(help="For the card.")] = None,
    seed: Annotated[int, typer.Option(help="Of first weights, draws and changes.")] = 0,
) -> None:
    """Train a phone trunk; `sweepnet train keyword --trunk FILE` then makes words of it."""
    from sweepnet_service.detectors.keyword.trunk import TrunkSettings
    from sweepnet_service.detectors.keyword.trunks.train import TrunkConfig, train

    more = os.environ.get(MODELS_VARIABLE)
    config = TrunkConfig(
        data=data,
        out=out,
        work_dir=work_dir or out.with_name(f".{out.stem}-training"),
        start_from=model_file(start_from, Path(more) if more else None) if start_from else None,
        synthesize=synthesize,
        trunk_copies=copies,
        features=features,
        settings=TrunkSettings(epochs=epochs, rate=rate, seed=seed),
        notes=tuple(note or ()),
    )
    check_writable(out)
    try:
        with metered() as report:
            made = train(config, report)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {config.work_dir}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    print(made)
