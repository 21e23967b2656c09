"""What cannot be undone is asked about first."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest
import typer

from sweepnet.cli.asking import confirmed


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda words: monkeypatch.setattr(sys, "stdin", Terminal(words + "\n"))


@pytest.mark.parametrize("answer", ["y", "yes", "Y"])
def test_a_yes_goes_on(
    type_in: Callable[[str], None], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question is no part of what the verb prints."""
    type_in(answer)
    confirmed("delete a", yes=False)
    told = capsys.readouterr()
    assert (told.out.strip(), told.err) == ("", "Delete a? [y/N]:")


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_everything_else_ends_the_verb(type_in: Callable[[str], None], answer: str) -> None:
    type_in(answer)
    with pytest.raises(typer.Abort):
        confirmed("delete a", yes=False)


def test_where_nobody_can_be_asked_it_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed("delete a", yes=True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(typer.BadParameter, match="expected --yes to delete a"):
        confirmed("delete a", yes=False)
