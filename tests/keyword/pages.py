"""HTML pages as tests read them: balanced, and nothing that they would load."""

from __future__ import annotations

from html.parser import HTMLParser

from sweepnet_service.detectors.page.markup import VOID


class Balanced(HTMLParser):
    """Keeps open elements, and all addresses that the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def parsed(page: str) -> Balanced:
    found = Balanced()
    found.feed(page)
    assert not found.open
    return found
