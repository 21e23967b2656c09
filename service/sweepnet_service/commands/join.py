"""`sweepnet join MODEL MODEL... --out FILE`: several keyword models as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.places import Models, check_writable, model_file  # noqa: E402


@clear_ending("join")
def join(
    model: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Names of keyword models, or files.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Model file to write.")],
    mean: Annotated[
        bool,
        typer.Option("--mean", help="Mean of models of the same words; needs `sweepnet retune`."),
    ] = False,
    models: Models = None,
) -> None:
    """Put keyword models of different words into one file, each word scored as before.

    Words that were trained on one trunk share it: each further word then costs its head alone.
    """
    from sweepnet_service.detectors.keyword import KeywordDetector, card
    from sweepnet_service.detectors.keyword.joined import joined, mean_of

    check_writable(out)
    detectors = [KeywordDetector.load(model_file(name, models)) for name in model]
    made = (mean_of if mean else joined)(detectors)
    card.save(made, out)
    print(out)
