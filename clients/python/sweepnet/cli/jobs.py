"""`sweepnet jobs`: trainings and comparisons on a server, listed, watched, cancelled, resumed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sweepnet.cli.asking import Yes, confirmed
from sweepnet.cli.connection import Json, connected
from sweepnet.cli.ending import FAILED, clear_ending
from sweepnet.cli.output import new_table, print_json, show
from sweepnet.workshop import Comparison, Job, Workshop

app = typer.Typer(help="Trainings on a server.", invoke_without_command=True)
NeededServer = Annotated[
    str,
    typer.Option(
        "--server", metavar="HOST:PORT", envvar="SWEEPNET_SERVER", help="The running server."
    ),
]
# A group's own: with a verb behind it the verb's counts.
OwnServer = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="HOST:PORT", envvar="SWEEPNET_SERVER", help="The running server."
    ),
]
Name = Annotated[str, typer.Argument(help="The job, as `sweepnet jobs` lists it.")]
MOST_PROBLEMS = 20


@contextmanager
def workshop_of(server: str) -> Iterator[Workshop]:
    """The workshop of a running server."""
    with connected(server, None) as client:
        yield Workshop(client)


def needed(server: str | None) -> str:
    """The server; raises BadParameter where none is given."""
    if server is None:
        raise typer.BadParameter("is not given; expected HOST:PORT", param_hint="--server")
    return server


def jobs(called: typer.Context, server: OwnServer = None, as_json: Json = False) -> None:
    """List the trainings and comparisons that a server remembers, oldest first."""
    if called.invoked_subcommand:
        return
    with workshop_of(needed(server)) as workshop:
        found = workshop.jobs()
    if as_json:
        for job in found:
            print_json(asdict(job))
        return
    table = new_table("Job", "What", "Model", "State", "Stage", "Since")
    for job in found:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created_s))
        table.add_row(
            bare(job.name), job.task, job.model_name, job.state, job.error or stage(job), since
        )
    show(table)


def watch(name: Name, server: NeededServer, as_json: Json = False) -> None:
    """Show how a job gets on until it has ended; ends with 1 unless it succeeded."""
    with workshop_of(server) as workshop:
        ended = followed(workshop, name, as_json)
    raise typer.Exit(0 if ended.state == "succeeded" else FAILED)


def cancel(name: Name, server: NeededServer) -> None:
    """Ask a job to stop; `sweepnet jobs resume` lets it go on."""
    with workshop_of(server) as workshop:
        workshop.cancel(name)
        print(workshop.job(name).state)


def resume(
    name: Name,
    server: NeededServer,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
) -> None:
    """Let a job that failed or was cancelled go on from what it kept."""
    with workshop_of(server) as workshop:
        job = workshop.resume(name)
        if detach:
            print(job.state)
            return
        ended = followed(workshop, name, False)
    raise typer.Exit(0 if ended.state == "succeeded" else FAILED)


def log(name: Name, server: NeededServer) -> None:
    """Print the last lines that a job wrote."""
    with workshop_of(server) as workshop:
        print(workshop.log(name), end="")


def delete(name: Name, server: NeededServer, yes: Yes = False) -> None:
    """Forget a job that has ended, with what it kept to go on from."""
    confirmed(f"forget {name}, and what it kept to go on from", yes)
    with workshop_of(server) as workshop:
        workshop.forget(name)
    print(f"{bare(name)} is forgotten")


app.callback()(clear_ending(jobs))
for _verb in (watch, cancel, resume, log, delete):
    app.command(_verb.__name__)(clear_ending(_verb, f"jobs {_verb.__name__}"))


def bare(name: str) -> str:
    """`1f3a` of `operations/1f3a`."""
    return name.rpartition("/")[2]


def stage(job: Job) -> str:
    """Where a job is, in words."""
    if job.state == "succeeded":
        return _became(job)
    of = f" {job.done}/{job.total}" if job.total else ""
    return f"{job.stage}{of}"


def _became(job: Job) -> str:
    if job.task == "comparison":
        return "worse" if job.comparison and job.comparison.worse else "not worse"
    version = job.version or job.model_name
    return f"{version}, {'live' if job.promoted else 'not live'}"


def followed(workshop: Workshop, name: str, as_json: bool) -> Job:
    """The job once it has ended; how it got on is shown meanwhile."""
    told = 0
    with _meter(as_json) as tell:
        for job in workshop.watch(name):
            if as_json:
                print_json(asdict(job))
                continue
            _tell_problems(job, told)
            told = len(job.problems)
            tell(job)
    if not as_json:
        tell_end(job)
    return job


@contextmanager
def _meter(as_json: bool) -> Iterator[_Tell]:
    if as_json or not sys.stderr.isatty():
        yield _Tell(None)
        return
    columns = (
        # Names of files may hold brackets, which are no markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]} {task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _Tell(bars)


class _Tell:
    """Progress as a bar, or as a line whenever the stage changes."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars, self._stage = bars, ""
        self._task = bars.add_task("waiting", total=None, left="", message="") if bars else None

    def __call__(self, job: Job) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.update(
                self._task,
                description=job.stage,
                completed=job.done,
                total=job.total or None,
                left=left(job.seconds_left),
                message=job.message,
            )
        elif job.stage != self._stage:
            self._stage = job.stage
            print(f"{job.state}: {job.stage}", file=sys.stderr)


def left(seconds: float | None) -> str:
    """Time left in words, "" while unknown."""
    if seconds is None:
        return ""
    return f"{seconds / 60:.0f} min left" if seconds >= 60 else f"{seconds:.0f} s left"


def _tell_problems(job: Job, told: int) -> None:
    """What is wrong with the data, file by file, once it is known."""
    if told or not job.problems:
        return
    for problem in job.problems[:MOST_PROBLEMS]:
        word = "refused" if problem.refused else "left out"
        place = f"{problem.file}: " if problem.file else ""
        print(f"{word}: {place}{problem.reason}", file=sys.stderr)
    if job.problem_count > MOST_PROBLEMS:
        print(f"and {job.problem_count - MOST_PROBLEMS} more", file=sys.stderr)


def tell_end(job: Job) -> None:
    """How a job ended, in a few lines."""
    if job.error:
        print(f"{job.state}: {job.error}", file=sys.stderr)
        if job.state == "failed":
            print(f"its log: sweepnet jobs log {bare(job.name)}", file=sys.stderr)
        return
    if job.comparison is not None:
        tell_comparison(job.comparison)
    if job.version:
        print(f"{job.version} is {'live' if job.promoted else 'kept'}")
    if job.not_promoted_because:
        print(f"not live: {job.not_promoted_because}", file=sys.stderr)


def tell_comparison(comparison: Comparison) -> None:
    """Both models' figures, side by side."""
    table = new_table("Label", "Figure", "Candidate", "Baseline", "Difference (95 %)", "")
    for each in comparison.figures:
        table.add_row(
            each.label,
            each.figure.replace("_", " "),
            f"{each.candidate:.3g}",
            f"{each.baseline:.3g}",
            f"{each.difference_low:+.3g} to {each.difference_high:+.3g}",
            "worse" if each.worse else "",
        )
    print(f"{comparison.candidate} against {comparison.baseline} on {comparison.data_set}")
    show(table)
