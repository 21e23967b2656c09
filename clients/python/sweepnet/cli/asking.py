"""What cannot be undone is asked about first."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirmed(what: str, yes: bool) -> None:
    """Returns where `what` is wanted: said by `--yes`, or at the terminal; else ends the verb.

    Where nobody can be asked it raises BadParameter.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"nobody is here to be asked; expected --yes to {what}", param_hint="--yes"
        )
    typer.confirm(f"{what[0].upper()}{what[1:]}?", abort=True, err=True)
