"""`sweepnet retune MODEL DATA`: decisions chosen anew, weights as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.evaluate import DATA_VARIABLE  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import (  # noqa: E402
    Models,
    check_writable,
    model_file,
    one_file,
    pictures_folder,
)
from sweepnet_service.errors import InvalidInput  # noqa: E402
from sweepnet_service.store.entries import read_entry  # noqa: E402


@clear_ending("retune")
def retune(
    model: Annotated[str, typer.Argument(help="Name of a model, or a model file.")],
    data: Annotated[
        Path,
        typer.Argument(
            envvar=DATA_VARIABLE,
            help="Data set: of recordings the validation part is listened to, of pictures those "
            "are looked at that the training kept aside.",
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
    size_px: Annotated[
        int | None,
        typer.Option("--detect-size-px", help="Side in pixels at which an image model looks."),
    ] = None,
    more_px: Annotated[
        list[int] | None,
        typer.Option("--detect-more-px", help="Further side, again for each; 0 for none."),
    ] = None,
    mirrored: Annotated[
        bool | None,
        typer.Option(
            "--detect-mirrored/--no-detect-mirrored",
            help="Whether an image model looks in a mirror too, for twice the time.",
        ),
    ] = None,
    fused: Annotated[
        bool | None,
        typer.Option(
            "--detect-fused/--no-detect-fused",
            help="Whether it tells the mean of the boxes of several sizes, not the best one.",
        ),
    ] = None,
    voters: Annotated[
        int | None,
        typer.Option(
            "--detect-voters",
            min=1,
            help="How many neighbouring places at most vote on an object at each size: 1 for none.",
        ),
    ] = None,
    models: Models = None,
) -> None:
    """Choose a model's thresholds anew, and how it hears or looks; its weights stay as they are.

    A keyword model's scores are calibrated anew too. The card beside the new file tells how the
    model does on the data's test part, or an image model on its validation part, where there is
    one.
    """
    file = one_file(model_file(model, models))
    path = out or Path(file.name)
    check_writable(path)
    words = {"--label": label, "--synthesize": synthesize, "--phones": phones, "--note": note}
    looks = {
        "--detect-size-px": size_px,
        "--detect-more-px": more_px or None,
        "--detect-mirrored": mirrored,
        "--detect-fused": fused,
        "--detect-voters": voters,
    }
    if is_image(file):
        refuse([name for name, value in words.items() if value], "keyword")
        print(looking(file, path, data, *looks.values()))
    else:
        refuse([name for name, value in looks.items() if value is not None], "image")
        print(hearing(file, path, data, label, synthesize, phones, note or ()))


def is_image(file: Path) -> bool:
    """Whether the file says that it sees; what it holds is checked where it is read."""
    entry = read_entry(file, name=file.stem)
    return entry is not None and entry.kind == "image"


def refuse(given: Sequence[str], kind: str) -> None:
    """Raises InvalidInput for options of models of another kind."""
    if given:
        raise InvalidInput(given[0], f"is for {kind} models, and this is none; leave it out")


def looking(file: Path, out: Path, data: Path, *looks: Any) -> Path:
    """The file of an image model retuned: size, further sizes, mirrored, fused, voters."""
    from sweepnet_service.detectors.image.retune import RetuneConfig, retune

    size_px, more_px, *how = looks
    more = None if more_px is None else tuple(side for side in more_px if side)
    asked = RetuneConfig(file, out, pictures_folder(data), size_px, more, *how)
    with metered() as report:
        return retune(asked, report)


def hearing(
    file: Path, out: Path, data: Path, label: str, synthesize: bool, phones: bool,
    notes: Sequence[str],
) -> Path:  # fmt: skip
    """The file of a keyword model retuned."""
    from sweepnet_service.detectors.keyword.retune import RetuneConfig, retune

    asked = RetuneConfig(file, out, data, label, synthesize, phones, tuple(notes))
    with metered() as report:
        return retune(asked, report)
