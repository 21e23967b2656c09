"""Pages of a sorted list: the token of a page is the key behind which it begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sweepnet_service.errors import InvalidInput

PAGE = 100
LARGEST_PAGE = 1000


def page(keys: Sequence[str], page_size: int, page_token: str) -> tuple[list[str], str]:
    """Keys of one page, and the next page's token ("" on the last); `keys` are sorted.

    Items that come or go between two calls shift nothing: no other is skipped or told twice.
    """
    if page_size < 0:
        raise InvalidInput("page_size", f"got {page_size}; expected 0..{LARGEST_PAGE}")
    size = min(page_size or PAGE, LARGEST_PAGE)
    last = _opened(page_token)
    rest = [key for key in keys if key > last]
    more = len(rest) > size
    return rest[:size], _sealed(rest[size - 1]) if more else ""


def _sealed(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _opened(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidInput(
            "page_token", "not a token of this server; send next_page_token of the page before"
        ) from None
