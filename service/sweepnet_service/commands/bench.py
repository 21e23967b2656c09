"""`sweepnet bench`: keyword engines and detectors side by side on one set of recordings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepnet_service.threads import limit_threads

limit_threads()

from sweepnet_service.commands.ending import clear_ending  # noqa: E402
from sweepnet_service.commands.evaluate import DATA_VARIABLE  # noqa: E402
from sweepnet_service.commands.meter import metered  # noqa: E402
from sweepnet_service.commands.places import Models, model_file  # noqa: E402
from sweepnet_service.errors import InvalidInput  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sweepnet_service.detectors.keyword.bench import Engine, Row
    from sweepnet_service.detectors.keyword.bench.material import Material

OUT = Path("bench-output")
WIDEST = 200


Data = Annotated[
    Path,
    typer.Argument(
        envvar=DATA_VARIABLE,
        help="Folder with positive/, negative/ and perhaps noise/, or a CSV manifest.",
    ),
]
Words = Annotated[list[str], typer.Option("--word", "-w", help="A word to listen for.")]
Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", "-e", help="An engine's adapter: module:Class or file.py:Class."),
]
Detectors = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="A detector of ours: its name, or a model file."),
]
Settings = Annotated[
    list[float] | None,
    typer.Option("--setting", help="A sensitivity or threshold; by default all of an engine."),
]
Others = Annotated[
    list[Path] | None, typer.Option("--also", help="Rows of another measurement: a rows.json.")
]
Split = Annotated[str, typer.Option("--split", help='Part of the data to measure on, or "all".')]
SpeechSplit = Annotated[
    str | None, typer.Option("--speech-split", help="Its part for false alarms, if another.")
]
SpeechEvery = Annotated[
    int, typer.Option("--speech-every", help="Take each n-th recording of speech alone.")
]
SnrDb = Annotated[float, typer.Option("--snr-db", help="How far the clips lie above the noise.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for answers, rows and picture.")]


@clear_ending("bench")
def bench(
    data: Data,
    word: Words,
    engine: Engines = None,
    model: Detectors = None,
    setting: Settings = None,
    also: Others = None,
    split: Split = "test",
    speech_split: SpeechSplit = None,
    speech_every: SpeechEvery = 1,
    snr_db: SnrDb = 10.0,
    out: Out = OUT,
    models: Models = None,
) -> None:
    """Compare keyword engines: misses and false alarms per hour at every setting.

    Each recording is one stream with 1 s of silence around it, which `evaluate` does not add: a
    word at an edge may count otherwise there. A run that was stopped goes on with what is kept in
    the folder of --out, where rows.json and misses-alarms.png are written. The last line is JSON.
    """
    from sweepnet_service.detectors.keyword.bench import read_rows
    from sweepnet_service.detectors.keyword.bench.material import material
    from sweepnet_service.detectors.keyword.paths import check_folder

    words = list(dict.fromkeys(each.lower() for each in word))
    others = [row for path in also or () for row in read_rows(path)]
    engines = loaded(engine or (), [model_file(name, models) for name in model or ()], words)
    if not engines and not others:
        raise InvalidInput("engine", "nothing to compare: give --engine, --model or --also")
    measured = []
    check_folder(out, "out")
    if engines:
        heard = material(data, words, split, speech_split or split, speech_every, snr_db)
        measured = measure(engines, heard, setting or (), out)
    tell([*measured, *others], words, out)


def loaded(places: Sequence[str], files: Sequence[Path], words: Sequence[str]) -> list[Engine]:
    """The engines at these places, then our detectors in these model files."""
    from sweepnet_service.detectors.keyword.bench import OwnDetector, knowing, load_engine

    engines = [load_engine(place, words) for place in places]
    return [*engines, *(knowing(OwnDetector.load(path, words), words) for path in files)]


def measure(
    engines: Sequence[Engine], material: Material, settings: Sequence[float], out: Path
) -> list[Row]:
    """The rows of all engines, one after the other, with progress."""
    from sweepnet_service.detectors.keyword.bench.measure import rows_of

    with metered() as report:
        return [
            row
            for engine in engines
            for row in rows_of(engine, material, settings or engine.settings, out, report)
        ]


def tell(rows: Sequence[Row], words: Sequence[str], out: Path) -> None:
    """The table, the files, and the last line."""
    from rich.console import Console

    from sweepnet_service.detectors.keyword.bench import write_rows
    from sweepnet_service.detectors.keyword.bench.table import conditions_of, short, table

    conditions = conditions_of(rows)
    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / "rows.json", rows)
    Console(width=WIDEST, markup=False).print(table(rows, words, conditions))
    print(f"rows: {out / 'rows.json'}")
    drawn(rows, words, conditions, out / "misses-alarms.png")
    print(json.dumps({"bench": "keyword", "rows": [short(row, conditions) for row in rows]}))


def drawn(
    rows: Sequence[Row], words: Sequence[str], conditions: Sequence[str], picture: Path
) -> None:
    """The picture of the rows that tell rates; why there is none, on standard error."""
    try:
        from sweepnet_service.detectors.keyword.bench.picture import draw, telling_rates
    except ImportError:
        print("no picture: it needs sweepnet[plots]", file=sys.stderr)
        return
    if telling := telling_rates(rows):
        draw(telling, words, conditions, picture)
        print(f"picture: {picture}")
    else:
        print("no picture: an hour of speech or more is needed to tell rates", file=sys.stderr)
