"""`sweepnet train personal RECORDINGS...`: a word from 3 to 20 recordings -> a model."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.commands.ending import clear_ending
from sweepnet_service.commands.meter import metered
from sweepnet_service.commands.places import MODELS_VARIABLE, check_writable, model_file
from sweepnet_service.store.names import SUFFIX

INTERRUPTED = 130


@clear_ending("train personal")
def train_personal(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDINGS...",
            help="Files or folders, each recording the word alone; a folder for each speaker.",
        ),
    ],
    keyword: Annotated[str, typer.Option("--keyword", help="What the word is called.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Model file to write. Default: the word's, here.")
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option("--other", help="Speech without the word, of those whom it will hear."),
    ] = None,
    trunk: Annotated[
        str, typer.Option("--trunk", help="Model, by name or file, whose phone trunk hears.")
    ] = "welcome",
    synthesize: Annotated[
        int, typer.Option("--synthesize", help="Clips of other speech that programs speak.")
    ] = 1_500,
    work_dir: Annotated[
        Path | None,
        typer.Option("--work-dir", help="Folder that keeps the state: the command goes on there."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn.")] = 1,
) -> None:
    """Make a spotter of a few recordings of any word, and tell how good it is.

    Names and words of other languages do as well: the word's phones are read off the recordings.
    """
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.detectors.keyword.personal.train import PersonalConfig, train

    path = out or Path(re.sub(r"\W+", "_", keyword) + SUFFIX)
    more = os.environ.get(MODELS_VARIABLE)
    work = work_dir or path.with_name(f".{path.stem}-training")
    config = PersonalConfig(
        keyword=keyword,
        recordings=tuple(recordings),
        out=path,
        work_dir=work,
        trunk=model_file(trunk, Path(more) if more else None),
        other=other,
        synthesize=synthesize,
        seed=seed,
    )
    check_writable(path)
    try:
        with metered() as report:
            made = train(config, report)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {work}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    for sentence in KeywordDetector.load(made).card["estimate"]["sentences"]:
        print(sentence, file=sys.stderr)
    print(made)
