"""How a verb of the server's packages ends: one clear line and an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from cnn_core.errors import CoreError
from sweepnet_service.errors import SweepnetError

P = ParamSpec("P")
T = TypeVar("T")
FAILED = 1


def clear_ending(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The same verb; errors become a line on stderr, after its name, and an exit code."""

    def decorated(verb: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(verb)
        def ended(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return verb(*args, **kwargs)
            except (SweepnetError, CoreError) as error:
                print(f"sweepnet {name}: {error}", file=sys.stderr)
            except OSError as error:
                print(f"sweepnet {name}: {refusal(error)}", file=sys.stderr)
            raise typer.Exit(FAILED)

        return ended

    return decorated


def refusal(error: OSError) -> str:
    """What the system refused, with the file where one is known."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or str(error) or type(error).__name__}"
