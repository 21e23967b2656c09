"""Files and folders that verbs are given: models by name or path, and where a result goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sweepnet_service.errors import InvalidInput
from sweepnet_service.store import Library, checked_name, name_alone
from sweepnet_service.store.names import COLLECTION, SUFFIX

MODELS_VARIABLE = "SWEEPNET_MODELS"
Models = Annotated[
    Path | None, typer.Option("--models", envvar=MODELS_VARIABLE, help="More model files.")
]


def model_file(model: str, models: Path | None) -> Path:
    """The file of a model that is named, or the file itself, which need not be there.

    Raises NotFound, and InvalidInput for what can be no name, or a folder that is none.
    """
    if model.endswith(SUFFIX) or os.sep in name_alone(model):
        return Path(model)
    return Library(models).entry(checked_name(COLLECTION + name_alone(model), "model")).path


def one_file(path: Path) -> Path:
    """The path. Raises InvalidInput for a folder: that of the data, given in the model's place."""
    if path.is_dir():
        raise InvalidInput(
            "model", f"got the folder {path}; expected a model's name or file, then the folder"
        )
    return path


def pictures_folder(data: Path) -> Path:
    """Where the pictures of a data set are: `data/images` of the shipped models' data, else `data`
    itself, which may hold an `images` of its own.
    """
    if not data.is_dir():
        raise InvalidInput("data", f"no folder named {data}; expected a folder of pictures")
    from sweepnet_service.detectors.image.listings import format_of

    below = data / "images"
    return data if format_of(data) or not below.is_dir() else below


def check_writable(out: Path) -> None:
    """Makes the folder of a file to write. Raises OSError, which names the file, if none can be
    put there, and InvalidInput if its own name is a folder's.
    """
    if out.is_dir():
        raise InvalidInput("out", f"{out} is a folder; expected the name of a file to write")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None
