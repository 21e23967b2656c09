"""`sweepnet serve`: one flag for each setting, made from the settings themselves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from sweepnet_service.commands.ending import clear_ending
from sweepnet_service.commands.flags import Flag, given, with_flags
from sweepnet_service.errors import InvalidInput, SweepnetError
from sweepnet_service.server.settings import PREFIX, Settings, load_settings
from sweepnet_service.threads import collect_seldom, limit_threads

WRONG_USE = 2


@clear_ending("serve")
def serve(**values: Any) -> None:
    """Serve the detectors until stopped (Ctrl-C, SIGTERM).

    Running calls then have --grace-s to end; a second Ctrl-C ends them at once.

    Every setting is a flag, an environment variable and a key of the --config file; a flag counts
    before the variable, that before the file, and that before the default.
    """
    try:
        run(load_settings(given(values, FLAGS)))
    except SweepnetError as error:
        print(f"sweepnet serve: {error}", file=sys.stderr)
        raise typer.Exit(WRONG_USE) from None


def run(settings: Settings) -> None:
    """Serve with these settings; the address is printed once calls are taken."""
    check_roots(settings)
    limit_threads()
    collect_seldom()
    # NumPy reads the number of threads when it is imported, so what imports it comes after.
    from sweepnet_service.server.app import serve as serve_until
    from sweepnet_service.server.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format)

    def announce(address: str) -> None:
        print(f"sweepnet listens at {address} (Ctrl-C stops it)", flush=True)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve_until(settings, announce, asyncio.Event()))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it is installed, None for Python's own."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", new_event_loop)


def check_roots(settings: Settings) -> None:
    """Raises InvalidInput for a root of trainings that is no folder."""
    for root in settings.training_roots:
        if not root.is_dir():
            raise InvalidInput(
                "training_roots",
                f"no folder named {root} (flag --training-roots, variable {PREFIX}TRAINING_ROOTS)",
            )


def _flag(name: str, field: FieldInfo) -> Flag:
    """The flag of a setting; the settings themselves check its value."""
    told = f"{field.description} ({PREFIX}{name.upper()}{_default(field)})"
    return Flag(name, _plain(field.annotation), told, off=field.default is True)


def _plain(annotation: Any) -> Any:
    """What typer reads for a setting's type."""
    if get_origin(annotation) is tuple:
        return list[Path]
    if get_origin(annotation) is Literal:
        return str
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if kinds else annotation


def _default(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    among = f"; one of {', '.join(choices)}" if choices else ""
    value = field.get_default(call_default_factory=True)
    return among if value in (None, ()) else f"{among}; default {value}"


FLAGS = tuple(_flag(name, field) for name, field in Settings.model_fields.items())
with_flags(serve, FLAGS)
