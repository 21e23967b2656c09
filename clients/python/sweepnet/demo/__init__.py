"""The main job end to end: a live announcement heard, two photos seen, by a real server.

It talks to the server through the client only, says what it finds as it arrives, draws what came
back, and checks that against what is truly there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sweepnet import Client, Detections, Event
from sweepnet.cli.connection import Json, Models, Server, connected
from sweepnet.cli.output import print_json
from sweepnet.drawing import MISSING, can_draw, prepare
from sweepnet.records import detect_record, event_record

from . import verdict
from .announcement import Announcement, Placed
from .inputs import Inputs, gather
from .live import Hearing, Watcher, hear
from .photos import Picture

__all__ = ["demo"]

LIVE, UNPACED = 1.0, 0.0


def demo(
    server: Server = None,
    models: Models = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send the recording at once, not as a live source would.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo-output"),
    strict: Annotated[
        bool,
        typer.Option("--strict", envvar="DEMO_STRICT", help="Fail where a real input is missing."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Hear a word in a live telephone announcement, see a flower in a photo.

    Ends with 1 where what was found is not what is truly there. With --json all that came of it is
    one object, and the words go to standard error.
    """
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    if can_draw():
        # Before the listening: a folder that cannot be made is told of at once.
        out.mkdir(parents=True, exist_ok=True)
    inputs = gather(console.print)
    speed = UNPACED if fast else LIVE
    if server is None:
        console.print("server: a process of its own, started for this demo")
    with connected(server, models) as client:
        hearing = _listen(console, client, inputs.announcement, speed)
        seen = [_look(console, client, picture) for picture in inputs.pictures]
    drawn = _draw(console, inputs, hearing, seen, out)
    complaints = _complaints(inputs, hearing, seen)
    if strict:
        complaints += [f"DEMO_STRICT is set, but {reason}" for reason in inputs.lacking]
    if as_json:
        print_json(_record(inputs, hearing, seen, drawn, complaints))
    _close(console, complaints, inputs.announcement)


def _complaints(inputs: Inputs, hearing: Hearing, seen: Sequence[Detections]) -> list[str]:
    """What was found beside what is truly there."""
    found_s = [(event.start_s, event.end_s) for event in hearing.events]
    complaints = verdict.heard(found_s, inputs.announcement.words_s)
    for picture, detections in zip(inputs.pictures, seen, strict=True):
        boxes = [(b.x_min_px, b.y_min_px, b.x_max_px, b.y_max_px) for b in detections.boxes]
        complaints += verdict.seen(boxes, picture.flower_px, picture.path.name)
    return complaints


def _listen(console: Console, client: Client, announcement: Announcement, speed: float) -> Hearing:
    pace = "live" if speed else "at once"
    console.print(f"\n[bold]Listening[/] to {announcement.duration_s:.1f} s, {pace}")

    def prompt(part: Placed) -> None:
        console.print(f"  [dim]{part.start_s:5.1f} s  {part.prompt.says}[/]")

    def event(found: Event, read_s: float) -> None:
        console.print(
            f"  [bold green]{read_s:5.1f} s  {found.label}[/] at {found.start_s:.2f} to "
            f"{found.end_s:.2f} s, score {found.score:.2f}"
        )

    return hear(client, announcement, speed, Watcher(prompt, event))


def _look(console: Console, client: Client, picture: Picture) -> Detections:
    detections = client.detect(picture.path, detectors=["flower"], score_map=True)
    console.print(f"\n[bold]Looking[/] at {picture.path.name}")
    if not detections.boxes:
        console.print("  nothing found")
    for box in detections.boxes:
        console.print(
            f"  [bold green]{box.label}[/] at x {box.x_min_px:.0f} to {box.x_max_px:.0f}, "
            f"y {box.y_min_px:.0f} to {box.y_max_px:.0f} px, score {box.score:.2f}"
        )
    return detections


def _draw(
    console: Console, inputs: Inputs, hearing: Hearing, seen: list[Detections], out: Path
) -> list[Path]:
    """The two PNG files, written where matplotlib is installed."""
    if not can_draw():
        console.print(f"\nno pictures: {MISSING}", markup=False)
        return []
    prepare()
    from . import figures

    sights = [
        figures.Sight(picture.path, picture.credit, detections)
        for picture, detections in zip(inputs.pictures, seen, strict=True)
    ]
    drawn = [out / "announcement.png", out / "photos.png"]
    figures.draw_hearing(inputs.announcement, hearing, drawn[0])
    figures.draw_sights(sights, drawn[1])
    console.print(f"\npictures: {drawn[0]} and {drawn[1]}")
    return drawn


def _record(
    inputs: Inputs,
    hearing: Hearing,
    seen: Sequence[Detections],
    drawn: Sequence[Path],
    complaints: Sequence[str],
) -> dict[str, Any]:
    """All that came of it, ready for JSON."""
    sights = zip(inputs.pictures, seen, strict=True)
    return {
        "recording": inputs.announcement.source,
        "duration_s": inputs.announcement.duration_s,
        "events": [event_record(event) for event in hearing.events],
        "pictures": [{"source": str(each.path), **detect_record(told)} for each, told in sights],
        "drawn": [str(path) for path in drawn],
        "wrong": list(complaints),
    }


def _close(console: Console, complaints: list[str], announcement: Announcement) -> None:
    """The verdict; the last line names the recording. Exit code 1 if anything was wrong."""
    for complaint in complaints:
        console.print(f"[bold red]wrong:[/] {complaint}")
    if not complaints:
        console.print("[bold green]right:[/] the word once, at its place; the flower, and only it")
    console.print(f"recording: {announcement.source}")
    if complaints:
        raise typer.Exit(1)
