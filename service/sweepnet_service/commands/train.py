"""`sweepnet train keyword|image`: train here, with one flag for each setting of the training."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.flags import Flag, given, with_flags  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import (  # noqa: E402
    MODELS_VARIABLE,
    check_writable,
    model_file,
)
from sweepnet_service.training.configs import (  # noqa: E402
    KINDS,
    PLAIN,
    configured,
    settings_of,
    train,
    training_module,
)

INTERRUPTED = 130
WORK, OUT, TRUNK, DATA = "work_dir", "out", "trunk", "data"
DEFAULT_TRUNK = "welcome"
PLACES = {
    DATA: "Folder with the data to learn from.",
    "folder": "Folder with recordings of your own: positive/ and negative/.",
    TRUNK: "Keyword model, by its name or its file, whose phone trunk is used. Default welcome; "
    "with --data, none: a trunk is trained, which takes hours.",
    "start_from": "Work folder of an earlier training, whose weights are the first ones.",
    WORK: "Folder that keeps the state: the same command goes on from there. Beside the model "
    "by default.",
    OUT: "Model file to write; its card is put beside it.",
}

app = typer.Typer(help="Train a detector.", no_args_is_help=True)


def command(kind: str) -> Callable[..., None]:
    """The verb that trains detectors of this kind."""
    flags = (*_places(kind), *_settings(kind))

    def verb(**values: Any) -> None:
        _train(kind, given(values, flags))

    verb.__doc__ = f"Train {'an image' if kind == 'image' else 'a keyword'} detector."
    return with_flags(clear_ending(f"train {kind}")(verb), flags)


def _places(kind: str) -> list[Flag]:
    owner = training_module(kind).TrainConfig
    hints = get_type_hints(owner)
    return [
        Flag(
            field.name,
            Path,
            PLACES.get(field.name, ""),
            required=hints[field.name] is Path and field.name != WORK,
            metavar="PATH",
        )
        for field in fields(owner)
        if hints[field.name] in (Path, Path | None)
    ]


def _settings(kind: str) -> list[Flag]:
    return [
        Flag(
            setting.name,
            setting.kind if setting.kind in PLAIN[:-1] else list[str],
            _told(setting.default),
            required=setting.default is MISSING,
        )
        for setting in settings_of(kind).values()
    ]


def _told(default: Any) -> str:
    shown = ", ".join(default) if isinstance(default, tuple) else default
    return "" if default is MISSING or shown == "" else f"Default {shown}."


def _train(kind: str, values: dict[str, Any]) -> None:
    places = {name: value for name, value in values.items() if isinstance(value, Path)}
    out = places[OUT]
    places.setdefault(WORK, out.with_name(f".{out.stem}-training"))
    settings = {name: value for name, value in values.items() if name not in places}
    config = configured(kind, with_trunk(kind, places), settings)
    check_writable(out)
    try:
        with metered() as report:
            made = train(kind, config, report)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {places[WORK]}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        # A full disk is told of without a name; most is written where the state is kept.
        error.filename = error.filename or str(places[WORK])
        raise
    print(made)


def with_trunk(kind: str, places: dict[str, Path]) -> dict[str, Path]:
    """The places with the file of the trunk's model, which may be given by its name."""
    if kind != "keyword" or (TRUNK not in places and DATA in places):
        return places
    model = places.get(TRUNK, Path(DEFAULT_TRUNK))
    if TRUNK in places and model.exists():
        return places
    more = os.environ.get(MODELS_VARIABLE)
    return {**places, TRUNK: model_file(str(model), Path(more) if more else None)}


for _kind in KINDS:
    app.command(_kind)(command(_kind))
