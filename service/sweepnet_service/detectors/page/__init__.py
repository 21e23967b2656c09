"""What all reports share: HTML and SVG as escaped text, and one style."""

from __future__ import annotations

from importlib.resources import files

from .markup import Markup, joined, table, tag

__all__ = ["Markup", "joined", "style", "table", "tag"]


def style() -> Markup:
    """The style of all reports."""
    return Markup(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
