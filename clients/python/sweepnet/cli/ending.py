"""How a verb ends: one clear line and an exit code, never a traceback for a wrong move."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from sweepnet.errors import SweepnetError

P = ParamSpec("P")
T = TypeVar("T")
FAILED, INTERRUPTED = 1, 130


def clear_ending(verb: Callable[P, T], name: str = "") -> Callable[P, T]:
    """The same verb; errors become a line on stderr, after its name, and an exit code."""
    name = name or verb.__name__

    @functools.wraps(verb)
    def ended(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except SweepnetError as error:
            print(f"sweepnet {name}: {error.message}", file=sys.stderr)
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output is gone; Python must not try to flush to it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            reason = error.strerror or str(error) or type(error).__name__
            print(f"sweepnet {name}: {place}{reason}", file=sys.stderr)
            raise typer.Exit(FAILED) from None

    return ended
