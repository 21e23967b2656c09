"""The shipped spotter on every English prompt of a telephone system, through a server.

The prompts are those of Debian's package asterisk-core-sounds-en-wav; by its transcripts four of
them say the word. Prints hits, misses and false alarms; the last line is JSON. Ends with 1 where
the demo's prompt is missed or more than two prompts are false alarms, with 3 where the package
cannot be had.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sweepnet import Client, Event, Scored, embedded_server
from sweepnet.demo.announcement import LABEL
from sweepnet.demo.debian import PACKAGE, prompts_folder
from sweepnet.demo.download import Unavailable
from sweepnet.demo.inputs import cache_folder
from sweepnet.demo.verdict import near

MOST_FALSE_ALARMS = 2
DEMO_PROMPT = "dir-welcome"
# (start, end) of the word by forced alignment (pocketsphinx) of the transcript.
SAID_S = {
    "dir-intro": (0.19, 0.75),
    "dir-intro-fn": (0.29, 0.88),
    "dir-welcome": (0.07, 0.67),
    "vm-newuser": (0.20, 0.79),
}


@dataclass(frozen=True)
class Heard:
    """What was found in one prompt."""

    name: str
    duration_s: float
    score: float
    events: tuple[Event, ...]


def heard(folder: Path, scored: Scored) -> Heard:
    if not hasattr(scored.result, "events"):
        raise SystemExit(f"{scored.source}: {scored.error}")
    name = str(Path(scored.source).relative_to(folder).with_suffix(""))
    result = scored.result
    return Heard(name, result.duration_s, result.scores[LABEL], result.events)


def is_hit(name: str, event: Event) -> bool:
    """Whether the event lies where the word is said."""
    return name in SAID_S and near((event.start_s, event.end_s), SAID_S[name])


def summary(found: list[Heard]) -> dict[str, Any]:
    """The figures of the last line."""
    hits = {each.name for each in found if any(is_hit(each.name, e) for e in each.events)}
    false = [
        {"prompt": each.name, "start_s": round(e.start_s, 2), "score": round(e.score, 3)}
        for each in found
        for e in each.events
        if not is_hit(each.name, e)
    ]
    return {
        "bench": "prompts",
        "prompts": len(found),
        "hours": round(sum(each.duration_s for each in found) / 3600, 4),
        "said": len(SAID_S),
        "hits": sorted(hits),
        "misses": sorted(set(SAID_S) - hits),
        "false_alarms": false,
    }


def show(found: list[Heard]) -> None:
    """Every prompt with an event or the word, best score first; then the nearest others."""
    table = Table("prompt", "says it", "highest score", "found at", box=None)
    for each in sorted(found, key=lambda h: -h.score)[:20]:
        places = ", ".join(f"{e.start_s:.2f}-{e.end_s:.2f} s" for e in each.events) or "-"
        table.add_row(each.name, "yes" if each.name in SAID_S else "", f"{each.score:.3f}", places)
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=LABEL, help="the detector to use")
    parser.add_argument("--server", help="address of a running server; default: start one")
    chosen = parser.parse_args()
    try:
        folder = prompts_folder(cache_folder(), print)
    except Unavailable as error:
        print(f"not measured: {error}", file=sys.stderr)
        sys.exit(3)
    print(f"prompts: {PACKAGE}, {folder.name} (CC BY-SA 3.0)")
    if chosen.server:
        found = measure(chosen.server, folder, chosen.model)
    else:
        with embedded_server() as address:
            found = measure(address, folder, chosen.model)
    show(found)
    figures = summary(found)
    print(json.dumps(figures))
    if DEMO_PROMPT in figures["misses"] or len(figures["false_alarms"]) > MOST_FALSE_ALARMS:
        sys.exit(1)


def measure(address: str, folder: Path, model: str) -> list[Heard]:
    """Every prompt below `folder`, each as a recording of its own."""
    paths = sorted(folder.rglob("*.wav"))
    with Client(address) as client:
        answers = client.score_many(paths, spot={"detectors": [model]})
        return [heard(folder, scored) for scored in answers]


if __name__ == "__main__":
    main()
