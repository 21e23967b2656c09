"""`--explain out.png`: a picture of what scores were made from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Detections, Scored, SpotResult
from sweepnet.cli.places import check_free, check_writable
from sweepnet.drawing import MISSING, can_draw, prepare
from sweepnet.errors import FailedPrecondition

Explain = Annotated[
    Path | None,
    typer.Option(
        "--explain",
        metavar="OUT.png",
        help="Draw what the scores were made from (one file only; needs sweepnet[plots]).",
    ),
]


def check(out: Path | None, files: Sequence[str]) -> None:
    """Raises before any work where there will be no picture."""
    if out is None:
        return
    if len(files) != 1:
        raise typer.BadParameter(
            f"draws one file; got {len(files)}: call it for each", param_hint="--explain"
        )
    if out.suffix.lower() != ".png" or out.is_dir():
        raise typer.BadParameter(
            f"got {str(out)!r}; expected the name of a PNG file", param_hint="--explain"
        )
    check_free(out, files, "--explain")
    check_writable(out.parent, str(out), "--explain")
    if not can_draw():
        raise FailedPrecondition(f"--explain: {MISSING}")


def drawn(results: Iterable[Scored], out: Path) -> Iterator[Scored]:
    """The results; each is drawn as it passes, and the picture named on standard error."""
    prepare()
    from sweepnet.drawing import explained

    for scored in results:
        match scored.result:
            case SpotResult() as result:
                explained.draw_recording(Path(scored.source).name, result, out)
            case Detections() as found:
                explained.draw_picture(Path(scored.source), found, out)
        if scored.result is not None:
            print(f"picture: {out}", file=sys.stderr)
        yield scored
