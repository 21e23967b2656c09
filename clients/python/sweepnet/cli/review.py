"""`sweepnet review`: what detectors were unsure of, played or shown, and answered by a person."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from sweepnet.cli.asking import Yes, confirmed
from sweepnet.cli.connection import Json
from sweepnet.cli.ending import clear_ending
from sweepnet.cli.jobs import NeededServer, OwnServer, bare, needed, workshop_of
from sweepnet.cli.output import new_table, print_json, show
from sweepnet.cli.presenting import Presenter
from sweepnet.errors import FailedPrecondition, NotFound
from sweepnet.workshop import Capture, Workshop

app = typer.Typer(help="Detections near their threshold, to answer.", invoke_without_command=True)
Said = Literal["yes", "no", "skip", "again", "delete", "quit"]
KEYS: dict[str, Said] = {
    word[:length]: word
    for word in ("yes", "no", "skip", "again", "delete", "quit")
    for length in (1, len(word))
}
QUESTION = "yes, no, skip, again, delete, quit? "
ANSWERS: dict[str, bool | None] = {"yes": True, "no": False, "none": None}
Name = Annotated[str, typer.Argument(help="The capture, as `sweepnet review list` names it.")]
Detector = Annotated[
    str,
    typer.Option("--detector", "-d", metavar="NAME", help="Of this detector; of all by default."),
]


def review(
    called: typer.Context,
    server: OwnServer = None,
    detector: Detector = "",
    answered: Annotated[bool, typer.Option("--answered", help="Those with an answer too.")] = False,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Play and open nothing, tell where the files lie.")
    ] = False,
) -> None:
    """Play or show what a detector was unsure of, and take yes or no.

    A server that was started with --captures keeps it. The next training of the detector learns
    from the answers. Ctrl-C or `quit` ends it, what was answered stays.
    """
    if called.invoked_subcommand:
        return
    with workshop_of(needed(server)) as workshop:
        waiting = workshop.captures(detector, unanswered=not answered)
        if not waiting:
            print("nothing to review")
            return
        said: Counter[str] = Counter()
        try:
            _ask_all(workshop, waiting, files_only, said)
        finally:
            _tell_end(said, len(waiting))


def _ask_all(
    workshop: Workshop, waiting: tuple[Capture, ...], files_only: bool, said: Counter[str]
) -> None:
    with tempfile.TemporaryDirectory(prefix="sweepnet-review-") as folder:
        presenter = Presenter(Path(folder), files_only)
        for number, each in enumerate(waiting, start=1):
            print(f"\n{number} of {len(waiting)}: {told(each)}", file=sys.stderr)
            try:
                answer = _asked(workshop.capture(each.name), presenter)
                if answer == "quit":
                    return
                _done(workshop, each, answer)
            except (NotFound, FailedPrecondition) as error:
                # One that is gone, or in use, is no reason to leave the others.
                print(error.message, file=sys.stderr)
                said["gone"] += isinstance(error, NotFound)
            else:
                said[answer] += 1


def _done(workshop: Workshop, capture: Capture, answer: Said) -> None:
    if answer == "delete":
        workshop.delete_capture(capture.name)
    elif answer in ("yes", "no"):
        workshop.answer(capture.name, ANSWERS[answer])


def _asked(capture: Capture, presenter: Presenter) -> Said:
    """What is said of a capture, which is shown until something is; the end of input quits."""
    with presenter.showing(capture) as again:
        while True:
            print(QUESTION, end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline()
            answer = KEYS.get(line.strip().lower()) if line else "quit"
            if answer == "again":
                again()
            elif answer is not None:
                return answer


def told(capture: Capture) -> str:
    """A capture in a line."""
    side = "told" if capture.score >= capture.threshold else "not told"
    kept = time.strftime("%Y-%m-%d %H:%M", time.localtime(capture.created_s))
    return (
        f"{capture.label}? score {capture.score:.3f}, {side} at a threshold of "
        f"{capture.threshold:.3f}, {kept}"
    )


def _tell_end(said: Counter[str], count: int) -> None:
    answers = said["yes"] + said["no"]
    left = count - answers - said["delete"] - said["gone"]
    print(f"\n{said['yes']} yes, {said['no']} no, {said['delete']} deleted, {left} left")
    if answers:
        print("the detector's next training learns from them", file=sys.stderr)


def list_all(server: NeededServer, detector: Detector = "", as_json: Json = False) -> None:
    """List what is kept, the oldest first."""
    with workshop_of(server) as workshop:
        found = workshop.captures(detector)
    if as_json:
        for each in found:
            told_of = asdict(each)
            del told_of["content"]
            print_json(told_of)
        return
    table = new_table("Capture", "Detector", "Label", "Score", "Threshold", "Answer", "Until")
    for each in found:
        table.add_row(
            bare(each.name),
            bare(each.detector),
            each.label,
            f"{each.score:.3f}",
            f"{each.threshold:.3f}",
            {True: "yes", False: "no", None: ""}[each.answer],
            time.strftime("%Y-%m-%d", time.localtime(each.expires_s)),
        )
    show(table)


def answer(
    name: Name,
    said: Annotated[str, typer.Argument(metavar="yes|no|none", help="none takes it back.")],
    server: NeededServer,
) -> None:
    """Answer one capture."""
    if said not in ANSWERS:
        raise typer.BadParameter(
            f"got {said!r}; expected yes, no or none", param_hint="yes|no|none"
        )
    with workshop_of(server) as workshop:
        workshop.answer(name, ANSWERS[said])


def fetch(
    name: Name,
    server: NeededServer,
    out: Annotated[Path, typer.Option("--out", help="The WAV file or picture to write.")],
) -> None:
    """Write the audio or picture of one capture into a file."""
    with workshop_of(server) as workshop:
        out.write_bytes(workshop.capture(name).content)


def delete(
    server: NeededServer,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Captures as listed.")
    ] = None,
    detector: Detector = "",
    every: Annotated[
        bool, typer.Option("--all", help="All of them, of --detector if that is given.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete captures with their answers, and what ended trainings kept of them."""
    if bool(names) == every:
        raise typer.BadParameter("expected names or --all", param_hint="NAME")
    with workshop_of(server) as workshop:
        chosen = names or [each.name for each in workshop.captures(detector)]
        if chosen:
            confirmed(f"delete {len(chosen)} captures with their answers", yes)
        for name in chosen:
            workshop.delete_capture(name)
    print(f"{len(chosen)} deleted")


app.callback()(clear_ending(review))
for _name, _verb in (("list", list_all), ("answer", answer), ("fetch", fetch), ("delete", delete)):
    app.command(_name)(clear_ending(_verb, f"review {_name}"))
