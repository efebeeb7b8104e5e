"""Text made fit to be shown: what strangers wrote, tamed; numbers as people say them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any
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


def inert(text: str) -> str:
    """Return the text with every character that a terminal could obey, or that turns a line around, as U+FFFD.

    Lines and tabulators stay. This is what every message goes through on its way out (:mod:`dgmld_bench.terminal`).

    >>> inert("case \\x1b[2J7\\u202e\\n")
    'case \ufffd[2J7\ufffd\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def shortened(text: object) -> str:
    """Return a text from a file as it may stand in a message: printable, and at most 80 characters long.

    >>> shortened("a\\tb"), len(shortened("long" * 50))
    ('a?b', 80)
    """
    printable = "".join(c if c.isprintable() else "?" for c in str(text))
    return printable if len(printable) <= 80 else printable[:77] + "..."


def without_credentials(url: str) -> str:
    """Return an address without the name and password in it, as messages show it.

    >>> without_credentials("https://me:secret@example.org/data")
    'https://example.org/data'
    """
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


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


def markdown(text: str) -> str:
    """Return the text so that GitHub's Markdown, tables and HTML included, shows it and takes it for nothing more.

    >>> print(markdown("a|b <i>*c* www.example.org"))
    a\\|b &lt;i&gt;\\*c\\* www&#46;example.org
    """
    plain = clean(text, 64).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = "".join(f"\\{c}" if c in "\\`*_[]|#!~$@" else c for c in plain)
    return re.sub(r"(?i)(www)\.", r"\1&#46;", escaped.replace("://", "&#58;//"))


def code_span(text: str, limit: int = 200) -> str:
    """Return the text as Markdown code, out of which no character of it leads; not for cells of a table.

    >>> code_span("seed `0`")
    "`seed '0'`"
    """
    return "`" + (clean(text, limit).replace("`", "'") or " ") + "`"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign.

    >>> signed(-0.5, 2), signed(0.5, 1)
    ('−0.50', '+0.5')
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def p_value(p: float, digits: int = 3) -> str:
    """Write a p to a number of digits, or that it is below them.

    >>> p_value(0.04), p_value(0.0004), p_value(0.0004, 4)
    ('0.040', '< 0.001', '0.0004')
    """
    least = 10**-digits
    return f"< {least:.{digits}f}" if p < least else f"{p:.{digits}f}"


def mean_std(mean: float | None, std: float | None, digits: int = 2) -> str:
    """Return a mean over seeds as tables show it, with the standard deviation where there is one.

    >>> mean_std(1.5, 0.5), mean_std(1.5, None, 1), mean_std(None, None)
    ('1.50 ± 0.50', '1.5', '–')
    """
    if mean is None:
        return "–"
    return f"{mean:.{digits}f}" + ("" if std is None else f" ± {std:.{digits}f}")


def table_head(cells: Sequence[str]) -> list[str]:
    """Return the two lines that a Markdown table begins with.

    >>> table_head(["a", "b"])
    ['| a | b |', '|---|---|']
    """
    return [table_row(cells), "|" + "---|" * len(cells)]


def table_row(cells: Sequence[str]) -> str:
    """Return a line of a Markdown table; a stranger's text goes through :func:`markdown` before."""
    return "| " + " | ".join(cells) + " |"


def count(value: int | None) -> str:
    """Return a number of parameters as people say it.

    >>> count(15_181_316), count(338_852), count(None)
    ('15.2 M', '339 k', '–')
    """
    if value is None:
        return "–"
    return f"{value / 1e6:.1f} M" if value >= 999_500 else f"{value / 1e3:.0f} k" if value >= 1000 else str(value)


def counted(n: int, one: str, several: str) -> str:
    """Return a number with the words that follow it.

    >>> counted(1, "id is", "ids are"), counted(2, "id is", "ids are")
    ('1 id is', '2 ids are')
    """
    return f"{n} {one if n == 1 else several}"


def duration(seconds: float | None) -> str:
    """Return a time as people say it.

    >>> duration(5400), duration(90), duration(None)
    ('1.5 h', '2 min', '–')
    """
    if seconds is None:
        return "–"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min" if seconds >= 60 else "< 1 min"


def yaml_lines(value: Any, indent: str = "") -> Iterator[str]:
    """Yield dictionaries, lists and scalars as YAML; scalars are JSON, which YAML contains.

    >>> print("\\n".join(yaml_lines({"a": [{"b": 1, "c": "x: y"}], "d": []})))
    a:
    - b: 1
      c: "x: y"
    d: []
    """
    import json

    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                yield f"{indent}{key}:"
                yield from yaml_lines(inner, indent + ("" if isinstance(inner, list) else "  "))
            else:
                yield f"{indent}{key}: {json.dumps(inner, ensure_ascii=False)}"
    else:
        for item in value:
            first, *rest = yaml_lines(item, indent + "  ") if isinstance(item, dict) else [json.dumps(item)]
            yield f"{indent}- {first.strip()}"
            yield from rest
