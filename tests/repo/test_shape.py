"""The size of files and functions, and what packages publish."""

from __future__ import annotations

import ast
import importlib
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cnn_core", "service", "protos", "clients", "scripts", "benchmarks", "examples")
LONGEST_FILE = 400
LONGEST_FUNCTION = 40
PUBLIC = ("cnn_core.layers", "cnn_core.losses", "sweepnet")


def sources() -> list[Path]:
    """Every hand-written Python file outside the tests."""
    found = (path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "_pb2" not in path.name)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return 1 + (body[-1].end_lineno or 0) - body[0].lineno if body else 0


def test_no_file_is_long() -> None:
    """At most 400 lines; half of the files at most 150."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in sources()}

    assert {str(path): n for path, n in lines.items() if n > LONGEST_FILE} == {}
    assert statistics.median(lines.values()) <= 150


def test_functions_are_short() -> None:
    """95 of 100 functions have at most 40 lines."""
    lengths = [
        body_lines(node)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert sum(n <= LONGEST_FUNCTION for n in lengths) >= 0.95 * len(lengths)


def test_every_module_says_what_it_is() -> None:
    """The first line of each module is a docstring."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if (text := path.read_text(encoding="utf-8")).strip()
        and ast.get_docstring(ast.parse(text)) is None
    ]

    assert silent == []


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_what_is_published(name: str) -> None:
    """`__all__` is sorted, has no doubles, and each name is there."""
    package = importlib.import_module(name)
    published = list(package.__all__)

    assert published == sorted(set(published), key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert [n for n in published if not hasattr(package, n)] == []
