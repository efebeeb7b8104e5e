"""Text that strangers wrote, made fit to be shown: no control characters, bounded length, links only to the web."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

_STACKED = frozenset({"Mn", "Me"})
_MAX_STACK = 3


def clean(text: str, limit: int | None = None) -> str:
    """Return the text on one line, with what a reader cannot see made visible, and no longer than ``limit``.

    Direction marks, zero-width and control characters and lone surrogates become U+FFFD, so that no name can look
    like another or turn a line around; more than three combining marks on one letter are dropped.

    >>> clean("Ba\\u202ePDG  (ours)\\n")
    'Ba\\ufffdPDG (ours)'
    >>> clean("a very long name", 6)
    'a ver…'
    """
    shown: list[str] = []
    stack = 0
    for character in " ".join(text.split()):
        stack = stack + 1 if unicodedata.category(character) in _STACKED else 0
        if stack <= _MAX_STACK:
            shown.append(character if character.isprintable() else "\ufffd")
    if limit is not None and len(shown) > limit:
        shown[limit - 1 :] = "…"
    return "".join(shown)


def web_link(text: str | None) -> str | None:
    """Return the address if it is a plain http or https one, else None.

    >>> web_link("https://example.org/paper")
    'https://example.org/paper'
    >>> web_link("javascript:alert(1)") is None
    True
    """
    if not text or len(text) > 500 or any(not "!" <= c <= "~" for c in text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and host and not parts.username else None
