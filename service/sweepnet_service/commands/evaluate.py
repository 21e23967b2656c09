"""`sweepnet evaluate keyword|image`: measure a detector with the code that is deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import Models, model_file  # noqa: E402
from sweepnet_service.errors import InvalidInput  # noqa: E402

app = typer.Typer(help="Measure a detector on labelled data.", no_args_is_help=True)
DATA_VARIABLE = "SWEEPNET_DATA"

Model = Annotated[str, typer.Option("--model", "-m", help="Name of a model, or a model file.")]
Data = Annotated[
    Path, typer.Option("--data", envvar=DATA_VARIABLE, help="Folder with the labelled data.")
]
Split = Annotated[str, typer.Option("--split", help="Part of the data to measure on.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
@clear_ending("evaluate keyword")
def keyword(
    data: Data, model: Model = "welcome", split: Split = "test", models: Models = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Miss rate and false alarms per hour of a keyword detector."""
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.detectors.keyword.evaluate import evaluate

    detector = KeywordDetector.load(model_file(model, models))
    _print(evaluate(detector, folder(data, "speech"), split), as_json)


@app.command()
@clear_ending("evaluate image")
def image(
    data: Data, model: Model = "flower", split: Split = "val", models: Models = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """AP50, recall, false boxes and presence AUC of an image detector."""
    from sweepnet_service.detectors.image import ImageDetector
    from sweepnet_service.detectors.image.evaluate import evaluate

    detector = ImageDetector.load(model_file(model, models))
    with metered() as report:
        figures = evaluate(detector, folder(data, "images"), split=split, progress=report)
    _print(figures, as_json)


def folder(data: Path, part: str) -> Path:
    """The part of the data folder that holds this kind, or the folder itself."""
    if not data.is_dir():
        raise InvalidInput("data", f"no folder named {data} (--data, {DATA_VARIABLE})")
    return data / part if (data / part).is_dir() else data


def _print(figures: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures.to_dict()))
    elif hasattr(figures, "lines"):
        print("\n".join(figures.lines()))
    else:
        print("\n".join(f"{key:28} {value}" for key, value in figures.to_dict().items()))
