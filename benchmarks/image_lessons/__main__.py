"""What an image detector learns from: `species` leaves each kind of flower out, `start` compares
weights to begin with. Trainings are kept in --work: a stopped run goes on. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from types import ModuleType

import species
import start
from rich.console import Console
from rich.table import Table

LESSONS: dict[str, ModuleType] = {"species": species, "start": start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("SWEEPNET_DATA", "../shared/data")) / "images"
    lessons = parser.add_subparsers(dest="lesson", required=True)
    for name, module in LESSONS.items():
        own = lessons.add_parser(name, description=module.__doc__)
        own.add_argument("--data", type=Path, default=data, help="the shipped models' pictures")
        own.add_argument("--work", type=Path, default=Path("bench-output") / f"image-{name}")
        module.arguments(own)
    chosen = parser.parse_args()
    found, whole = LESSONS[chosen.lesson].rows(chosen)
    table = Table(title=LESSONS[chosen.lesson].TITLE, box=None)
    for heading in found[0]:
        table.add_column(heading)
    for row in found:
        table.add_row(*map(str, row.values()))
    Console(width=140).print(table)
    budget = {"pictures": chosen.pictures, "size_px": chosen.size}
    print(json.dumps({"rows": found, **whole, "budget": budget}))


if __name__ == "__main__":
    main()
