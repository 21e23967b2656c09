"""`--plot out.png`: spectrogram, score curve and what was found."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Scored, SpotOpened, SpotResult, SpotUpdate
from sweepnet.drawing import MISSING, can_draw, prepare
from sweepnet.drawing.hearing import Hearing
from sweepnet.errors import FailedPrecondition

Plot = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="OUT.png",
        help="Draw the spectrogram, the score of every window and what was found; for several "
        "files a folder, with a picture named after each (needs sweepnet[plots]).",
    ),
]


class Pictures:
    """Listens to recordings, and draws each once it has ended."""

    def __init__(self, pictures: Mapping[str, Path]) -> None:
        if not can_draw():
            raise FailedPrecondition(f"--plot: {MISSING}")
        self._pictures = pictures
        self._hearing: dict[str, Hearing] = {}

    def hear(self, source: str, opened: SpotOpened, update: SpotUpdate) -> None:
        """News of a recording."""
        self._hearing.setdefault(source, Hearing(opened)).hear(update)

    def drawn(self, results: Iterable[Scored]) -> Iterator[Scored]:
        """The results; each is drawn as it passes, and the picture named on standard error."""
        prepare()
        from sweepnet.drawing.spotted import draw_spotted

        for scored in results:
            hearing = self._hearing.pop(scored.source, None)
            if isinstance(scored.result, SpotResult) and hearing is not None:
                out = self._pictures[scored.source]
                draw_spotted(Path(scored.source).name, scored.result, hearing, out)
                print(f"plot: {out}", file=sys.stderr)
            yield scored
