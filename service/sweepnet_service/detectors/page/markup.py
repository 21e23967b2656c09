"""HTML and SVG as text; strings are escaped, so that no transcript becomes markup."""

from __future__ import annotations

from html import escape

VOID = frozenset({"meta", "br", "line", "circle", "rect", "path", "polyline"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """One element; `class_` and `data_x` are written class and data-x."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in VOID and not children:
        return Markup(f"<{name}{told}>" if name in ("meta", "br") else f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Children one after another, plain strings escaped."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))


def table(
    caption: str, head: list[str], rows: list[list[str]], numbers: frozenset[int] = frozenset()
) -> Markup:
    """A table that scrolls on a narrow page; the first cell of a row names it; `numbers` are the
    columns to be set to the right.
    """

    def cells(kind: str, texts: list[str]) -> list[Markup]:
        return [
            tag(
                "th" if kind == "th" or place == 0 else "td",
                text,
                **(
                    {"scope": "col" if kind == "th" else "row"} if kind == "th" or not place else {}
                ),
                **({"class_": "number"} if place in numbers else {}),
            )
            for place, text in enumerate(texts)
        ]

    lines = [tag("tr", *cells("td", row)) for row in rows]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *cells("th", head))),
        tag("tbody", *lines),
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)
