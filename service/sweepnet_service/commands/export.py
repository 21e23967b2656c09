"""`sweepnet export MODEL --onnx`: a detector's network in a format that other programs run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import FAILED, clear_ending  # noqa: E402
from sweepnet_service.commands.places import Models, check_writable, model_file  # noqa: E402
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound  # noqa: E402
from sweepnet_service.store.entries import load_detector, read_entry  # noqa: E402

if TYPE_CHECKING:
    from sweepnet_service.store.entries import Detector


@clear_ending("export")
def export(
    model: Annotated[str, typer.Argument(help="Name of a model, or a model file.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX model.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; MODEL.onnx here by default.")
    ] = None,
    models: Models = None,
) -> None:
    """Write the network of a detector as a file for other programs.

    The file's metadata tells what comes before the network (features or pixels) and after it.
    """
    if not onnx:
        raise typer.BadParameter("say in which format: --onnx", param_hint="--onnx")
    try:
        from sweepnet_service import onnx_model
    except ImportError as error:
        print(f"sweepnet export: {error}", file=sys.stderr)
        raise typer.Exit(FAILED) from None
    file = model_file(model, models)
    path = out or Path(f"{file.stem}.onnx")
    check_writable(path)
    if path.exists() and file.exists() and path.samefile(file):
        raise InvalidInput("out", f"{path} is the model itself; expected another file to write")
    onnx_model.save(detector_of(file), path)
    print(path)


def detector_of(path: Path) -> Detector:
    """The detector in a model file; raises NotFound, InvalidInput or ModelUnreadable."""
    if not path.is_file():
        raise NotFound("model", f"no file named {path}")
    entry = read_entry(path)
    if entry is None:
        raise InvalidInput("model", f"got {path}; expected a name in lower case letters and digits")
    if entry.error:
        raise ModelUnreadable(path.name, entry.error)
    return load_detector(entry.kind, path)
