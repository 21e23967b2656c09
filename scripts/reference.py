"""Writes docs/commands.md: every command with its options, read off the command line itself.

`--check` compares instead, and fails where the page is out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from sweepnet.cli import build, training

REMOTE = "sweepnet train keyword|image DATA"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
HEAD = """# Commands

`scripts/reference.py` writes this page from the command line's own help.
A setting of `serve` is a flag, an environment variable and a key of the `--config` file (TOML); a flag counts before the variable, that before the file, and that before the default.
A server that wants a token or encryption is reached with the variables `SWEEPNET_TOKEN`, `SWEEPNET_TLS_CA` (a PEM file with authorities, or `system`) and, where it asks for a certificate of the client, `SWEEPNET_TLS_CERT` and `SWEEPNET_TLS_KEY`.
`SWEEPNET_CACHE` names the folder where `demo` keeps what it fetched (default: `sweepnet` in the user's cache folder).
"""  # noqa: E501


def page() -> str:
    """The whole page."""
    root = get_command(build([]))
    told = [*_commands(root, "sweepnet"), (f"{REMOTE} --server", get_command(training.command()))]
    return HEAD + "".join(_section(name, command) for name, command in told)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, command) of every command that does something, groups opened."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path, command
        return
    if command.invoke_without_command and command.params and path != "sweepnet":
        yield path, command
    for name in sorted(subcommands):
        yield from _commands(subcommands[name], f"{path} {name}")


def _section(path: str, command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", 0)]
    table = ["| option | |", "|---|---|", *rows] if rows else []
    told = [inspect.cleandoc(command.help or ""), ""]
    told += [command.epilog, ""] if command.epilog else []
    return "\n".join(["", f"## {path}", "", *told, *table]) + "\n"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = (parameter.metavar or parameter.name).upper()
    else:
        name = "`, `".join([*parameter.opts, *parameter.secondary_opts])
    return f"| `{name}` | {_told(parameter)} |"


def _told(parameter: Any) -> str:
    """The help, the variable if it has one, and a default that is worth telling."""
    told = " ".join((getattr(parameter, "help", None) or "").split())
    variable = getattr(parameter, "envvar", None)
    if variable:
        told += f" ({variable})"
    default = parameter.default
    worth_telling = isinstance(default, str | int | float | Path) and default != ""
    if worth_telling and not isinstance(default, bool):
        told += f" Default: {default}."
    # The number of cores is the machine's, not the page's.
    told = re.sub(r"(_WORKERS; default) \d+", r"\1 one a core", told)
    return told.replace("|", "\\|")


def main() -> int:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE.name} is out of date; run: python scripts/reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
