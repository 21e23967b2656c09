"""`sweepnet train KIND DATA --server HOST:PORT`: a training on a server, on data from here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from sweepnet.cli.ending import FAILED, clear_ending
from sweepnet.cli.jobs import NeededServer, bare, followed, workshop_of
from sweepnet.workshop import TrainOptions, Workshop, unheard
from sweepnet.workshop.sending import Sent, mark_of

KINDS = ("keyword", "image")
Promotion = Literal["unless worse", "always", "never"]


def train(
    kind: Annotated[str, typer.Argument(help="keyword or image.")],
    data: Annotated[
        str,
        typer.Argument(
            help="A folder here, which is sent; datasets/NAME for one that was sent before."
        ),
    ],
    server: NeededServer,
    name: Annotated[
        str,
        typer.Option("--name", help="Name of the model; the first label's, else the data's."),
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option("--keyword", "--label", help="Word or object to find; the name by default."),
    ] = None,
    folder_there: Annotated[
        bool, typer.Option("--folder-there", help="DATA is a folder on the server.")
    ] = False,
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="Model there to learn from: of words its trunk, the shipped one's by default, of "
            "objects all its weights.",
        ),
    ] = "",
    budget_minutes: Annotated[
        float, typer.Option("--budget-minutes", help="Minutes of one core for its steps.")
    ] = 0.0,
    false_alarms_per_hour: Annotated[
        float, typer.Option("--false-alarms-per-hour", help="What the threshold is set for.")
    ] = 0.0,
    promote: Annotated[
        str, typer.Option("--promote", help="When it becomes live: unless-worse, always, never.")
    ] = "unless-worse",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the training; repeatable."),
    ] = None,
    without_answers: Annotated[
        bool, typer.Option("--without-answers", help="Do not learn from `sweepnet review`.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
) -> None:
    """Train a detector on a server.

    The folder is sent first; broken off, the same command goes on where it was. Then the server
    tells what is wrong with the data, file by file, and how the training gets on; without a
    terminal to look at, or stopped by Ctrl-C, the training goes on without this command.
    """
    if kind not in KINDS:
        raise typer.BadParameter(f"got {kind!r}; expected keyword or image", param_hint="KIND")
    options: dict[str, Any] = {
        "labels": label or [],
        "base_model": base,
        "budget_minutes": budget_minutes,
        "false_alarms_per_hour": false_alarms_per_hour,
        "promotion": promote.replace("-", " "),
        "settings": settings(setting or []),
        "without_captures": without_answers,
    }
    model = name or _name_of((label or [Path(data).resolve().name])[0])
    with workshop_of(server) as workshop:
        place = data if folder_there else _sent(workshop, data)
        chosen = cast("Literal['keyword', 'image']", kind)
        job = workshop.train(chosen, place, model, **cast("TrainOptions", options))
        print(f"training {bare(job.name)}; `sweepnet jobs watch` shows it", file=sys.stderr)
        if detach:
            print(bare(job.name))
            return
        ended = followed(workshop, job.name, False)
    raise typer.Exit(0 if ended.state == "succeeded" else FAILED)


def _name_of(word: str) -> str:
    """A word as the name of a model or data set."""
    letters = (c if c.isascii() and c.isalnum() else "_" for c in word.lower())
    return "".join(letters).strip("_0123456789") or "model"


def _sent(workshop: Workshop, data: str) -> str:
    if data.startswith("datasets/"):
        return data
    with _bar() as progress:
        # Another content is another data set: earlier trainings' stay what they were.
        name = f"{_name_of(Path(data).resolve().name)[:50]}-{mark_of(data)}"
        return workshop.send(data, name, progress).name


@contextmanager
def _bar() -> Iterator[Sent]:
    if not sys.stderr.isatty():
        yield unheard
        return
    columns = (TextColumn("sending"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("sending", total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield show


def settings(given: list[str]) -> dict[str, Any]:
    """`["head_settings.steps=50"]` as settings; a value that is no JSON is text."""
    found = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"got {item!r}; expected NAME=VALUE", param_hint="--set")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def command() -> typer.Typer:
    """The verb by itself, for a call that names a server."""
    app = typer.Typer(rich_markup_mode=None)
    app.command("train")(clear_ending(train))
    return app
