"""`sweepnet retune MODEL DATA`: calibration and thresholds chosen anew, weights as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.evaluate import DATA_VARIABLE  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import Models, check_writable, model_file  # noqa: E402


@clear_ending("retune")
def retune(
    model: Annotated[str, typer.Argument(help="Name of a keyword model, or a model file.")],
    data: Annotated[
        Path,
        typer.Argument(
            envvar=DATA_VARIABLE, help="Data set, of which the validation part is listened to."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Model file to write; NAME.safetensors here.")
    ] = None,
    label: Annotated[
        str, typer.Option("--label", help="The word, where the model knows several.")
    ] = "",
    synthesize: Annotated[
        bool, typer.Option("--synthesize", help="Listen to 100 voices of espeak-ng and flite too.")
    ] = False,
    phones: Annotated[
        bool,
        typer.Option(
            "--phones", help="Tell what the trunk's phones are worth for other words, no more."
        ),
    ] = False,
    note: Annotated[list[str] | None, typer.Option(help="For the card.")] = None,
    models: Models = None,
) -> None:
    """Calibrate a keyword model's scores and choose its thresholds anew.

    The weights stay as they are. The card beside the new file tells how the model does on the
    data's test part, where there is one.
    """
    from sweepnet_service.detectors.keyword.retune import RetuneConfig
    from sweepnet_service.detectors.keyword.retune import retune as written

    file = model_file(model, models)
    path = out or Path(file.name)
    check_writable(path)
    with metered() as report:
        notes = tuple(note or ())
        config = RetuneConfig(file, path, data, label, synthesize, phones, notes)
        print(written(config, report))
