"""`sweepnet export MODEL --onnx`: a detector's network in a format that other programs run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import FAILED, clear_ending  # noqa: E402
from sweepnet_service.commands.evaluate import Models  # noqa: E402
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound  # noqa: E402
from sweepnet_service.store import Library, name_alone  # noqa: E402
from sweepnet_service.store.library import load_detector, read_entry  # noqa: E402
from sweepnet_service.store.names import SUFFIX  # noqa: E402

if TYPE_CHECKING:
    from sweepnet_service.store.library import Detector


@clear_ending
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
    if out is not None and out.is_dir():
        raise InvalidInput("out", f"{out} is a folder; expected a file to write")
    path = out or Path(f"{Path(name_alone(model)).stem}.onnx")
    onnx_model.save(detector_of(model, models), path)
    print(path)


def detector_of(model: str, models: Path | None) -> Detector:
    """The detector that is named, or the one in the file of this path.

    Raises NotFound, InvalidInput or ModelUnreadable.
    """
    if not model.endswith(SUFFIX):
        return Library(models).load(f"detectors/{name_alone(model)}")
    path = Path(model)
    if not path.is_file():
        raise NotFound("model", f"no file named {path}")
    entry = read_entry(path)
    if entry is None:
        raise InvalidInput("model", f"got {path}; expected a name in lower case letters and digits")
    if entry.error:
        raise ModelUnreadable(path.name, entry.error)
    return load_detector(entry.kind, path)
