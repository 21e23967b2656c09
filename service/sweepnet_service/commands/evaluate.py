"""`sweepnet evaluate keyword|image`: measure a detector with the code that is deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import (  # noqa: E402
    Models,
    check_writable,
    model_file,
    one_file,
    pictures_folder,
)
from sweepnet_service.errors import InvalidInput  # noqa: E402

app = typer.Typer(help="Measure a detector on labelled data.", no_args_is_help=True)
DATA_VARIABLE = "SWEEPNET_DATA"

Pictures = Annotated[
    Path | None,
    typer.Argument(metavar="DATA", help="Folder with the labelled pictures. (SWEEPNET_DATA)"),
]
Split = Annotated[str, typer.Option("--split", help="Part of the data to measure on.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Measured = Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, or a model file.")]
Recordings = Annotated[
    Path | None,
    typer.Argument(metavar="DATA", help="Data set: a folder, or a CSV file. (SWEEPNET_DATA)"),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--split", help='Part to measure on, or "all"; by default test, or all without one.'
    ),
]
Seeds = Annotated[
    list[str] | None,
    typer.Option("--seed-model", help="Model trained alike from another seed; may be given again."),
]
Threshold = Annotated[
    float | None, typer.Option("--threshold", "-t", help="Score (0..1) from which a word counts.")
]
Rate = Annotated[
    float | None,
    typer.Option("--false-alarms-per-hour", help="The model's threshold for so many false alarms."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="HTML file to write; in evaluation/ by default.")
]
NamedModel = Annotated[str | None, typer.Option("--model", "-m", hidden=True)]
NamedData = Annotated[Path | None, typer.Option("--data", envvar=DATA_VARIABLE, hidden=True)]


@app.command()
@clear_ending("evaluate keyword")
def keyword(
    model: Measured = "welcome", data: Recordings = None, split: Part = None,
    threshold: Threshold = None, rate: Rate = None, seeds: Seeds = None, out: Out = None,
    models: Models = None, as_json: Json = False, named_model: NamedModel = None,
    named_data: NamedData = None,
) -> None:  # fmt: skip
    """Misses and false alarms of a keyword detector, by the code that serves, as an HTML report.

    The report has the DET curve, false alarms by kind of recording, misses by condition and
    speaker, the delay, how far scores are probabilities, and the worst misses and false alarms to
    listen to.
    """
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.detectors.keyword.evaluate import record
    from sweepnet_service.detectors.keyword.evaluate.page.words import lines
    from sweepnet_service.detectors.keyword.evaluate.run import Asked, report_on_models

    files = [model_file(name, models) for name in (named_model or model, *(seeds or ()))]
    detectors = [KeywordDetector.load(file) for file in files]
    asked = Asked(chosen(data or named_data), split, threshold, rate)
    page = out or asked.page_of(files[0].stem)
    check_writable(page)
    with metered() as report:
        found = report_on_models(files, detectors, asked, page, report)
    if as_json:
        print(json.dumps({"report": str(page), "labels": [record.to_dict(f) for f in found]}))
    else:
        print("\n".join([*(line for each in found for line in lines(each)), f"report: {page}"]))


def chosen(data: Path | None) -> Path:
    """The data set named. Raises InvalidInput where none is."""
    if data is None:
        raise InvalidInput("data", f"got none; name a folder or CSV file, or set {DATA_VARIABLE}")
    return data


@app.command()
@clear_ending("evaluate image")
def image(
    model: Measured = "flower", data: Pictures = None, split: Split = "val", out: Out = None,
    models: Models = None, as_json: Json = False, named_model: NamedModel = None,
    named_data: NamedData = None,
) -> None:  # fmt: skip
    """AP50, recall, false boxes and presence AUC of an image detector, and an HTML report.

    The report has the precision-recall curve, recall by size, intervals over photos, and sheets of
    pictures with what was found, missed and told falsely.
    """
    from sweepnet_service.detectors.image.evaluate.run import Asked, report_on_model

    file = one_file(model_file(named_model or model, models))
    asked = Asked(pictures_folder(chosen(data or named_data)), split)
    page = out or asked.page_of(file.stem)
    check_writable(page)
    with metered() as report:
        figures = report_on_model(file, asked, page, report)
    if as_json:
        print(json.dumps({"report": str(page), **figures.to_dict()}))
    else:
        print("\n".join([*figures.lines(), f"report: {page}"]))
