"""The command line: `sweepnet VERB`; verbs of the server's packages join by entry point."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

from sweepnet.cli.ending import clear_ending
from sweepnet.cli.examples import add_examples, example

GROUP = "sweepnet.commands"
HELP = """Find spoken words in audio and objects in pictures.

Without --server, a verb that needs a server starts one for itself and stops it again."""


def main() -> None:
    """Run the command line; wrong use ends with 2, what fails with 1, Ctrl-C with 130."""
    try:
        if trains_elsewhere(sys.argv[1:]):
            from sweepnet.cli.training import command

            command()(sys.argv[2:], prog_name="sweepnet train")
        build(sys.argv[1:2])(prog_name="sweepnet")
    except KeyboardInterrupt:
        sys.exit(130)


def trains_elsewhere(arguments: list[str]) -> bool:
    """Whether a training is asked of a server, which takes the client alone."""
    flags = {each.partition("=")[0] for each in arguments}
    return arguments[:1] == ["train"] and "--server" in flags


def build(called: list[str]) -> typer.Typer:
    """The application; of the entry points, which are slow to load, only the one that is called."""
    # Rich would take "sweepnet[plots]" for markup, and cut names of options to its columns.
    app = typer.Typer(
        help=HELP, no_args_is_help=True, pretty_exceptions_show_locals=False, rich_markup_mode=None
    )
    app.callback(invoke_without_command=True)(_version)
    verbs = client_verbs()
    for name, verb in verbs.items():
        _add(app, name, verb)
    entries = {entry.name: entry for entry in sorted(entry_points(group=GROUP))}
    known = set(called) & {*verbs, *entries}
    for name, entry in entries.items():
        if not known or name in known:
            _join(app, entry)
    return app


def client_verbs() -> dict[str, Callable[..., None] | typer.Typer]:
    """Verbs that need the client only; a group is a `Typer`."""
    from sweepnet.cli.batch import batch
    from sweepnet.cli.data import app as data
    from sweepnet.cli.detect import detect
    from sweepnet.cli.doctor import doctor
    from sweepnet.cli.jobs import app as jobs
    from sweepnet.cli.listen import listen
    from sweepnet.cli.models import app as models
    from sweepnet.cli.review import app as review
    from sweepnet.cli.spot import spot
    from sweepnet.demo import demo

    return {
        "spot": spot,
        "detect": detect,
        "batch": batch,
        "listen": listen,
        "models": models,
        "jobs": jobs,
        "data": data,
        "review": review,
        "demo": demo,
        "doctor": doctor,
    }


def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"sweepnet {installed('sweepnet')}")
        raise typer.Exit


def _join(app: typer.Typer, entry: EntryPoint) -> None:
    """Add the verb of another package, or one that says how to get it."""
    try:
        verb: Any = entry.load()
    except ImportError as error:
        app.command(entry.name, context_settings=_ANYTHING)(_missing(entry.name, error))
        return
    _add(app, entry.name, verb)


def _add(app: typer.Typer, name: str, verb: Callable[..., None] | typer.Typer) -> None:
    if isinstance(verb, typer.Typer):
        add_examples(name, verb)
        app.add_typer(verb, name=name, epilog=example(name))
    else:
        app.command(name, epilog=example(name))(clear_ending(verb))


_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def _missing(name: str, error: ImportError) -> Callable[[], None]:
    def verb() -> None:
        print(
            f"sweepnet {name}: {error.name or error} is not installed; "
            "get it with pip install 'sweepnet[server]'",
            file=sys.stderr,
        )
        raise typer.Exit(1)

    verb.__doc__ = "Needs pip install 'sweepnet\\[server]'."
    return verb
