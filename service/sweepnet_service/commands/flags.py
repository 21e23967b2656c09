"""Flags of the command line made from records: each setting is described where it lives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class Flag:
    """One flag: the name of its value, its type, its help, and whether it must be given.

    `place`: it stands without a name, as `metavar`. `off`: it holds unless it is switched off.
    """

    name: str
    kind: Any
    help: str
    required: bool = False
    metavar: str | None = None
    place: bool = False
    off: bool = False

    @property
    def key(self) -> str:
        """The name as an argument of a function."""
        return self.name.replace(".", "__")

    @property
    def spelled(self) -> str:
        """The name on the command line."""
        bare = self.name.replace("_", "-").replace(".", "-")
        return f"--{bare}/--no-{bare}" if self.off else f"--{bare}"


def with_flags(function: Callable[..., None], flags: Iterable[Flag]) -> Callable[..., None]:
    """The function, which takes keyword arguments, with a signature that typer reads."""
    parameters = [_parameter(flag) for flag in flags]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def _parameter(flag: Flag) -> inspect.Parameter:
    option = (
        typer.Argument(help=flag.help, metavar=flag.metavar, show_default=False)
        if flag.place
        else typer.Option(flag.spelled, help=flag.help, metavar=flag.metavar, show_default=False)
    )
    kind = flag.kind if flag.required else flag.kind | None
    default = inspect.Parameter.empty if flag.required else None
    return inspect.Parameter(
        flag.key,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def given(values: Mapping[str, Any], flags: Iterable[Flag]) -> dict[str, Any]:
    """What was given, by the flags' names."""
    named = {flag.key: flag.name for flag in flags}
    return {named[key]: value for key, value in values.items() if value not in (None, [])}
