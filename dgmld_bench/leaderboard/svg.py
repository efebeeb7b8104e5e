"""The pieces of the site's drawings: no colours of their own, only classes that the style sheet paints."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from markupsafe import Markup

from dgmld_bench.text import clean

WIDTH = 480.0
"""Of a view box."""


def number(value: float) -> str:
    """Return a coordinate in as few characters as one decimal needs.

    >>> number(12.04), number(-0.01), number(3.25)
    ('12', '0', '3.2')
    """
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def svg(key: str, size: tuple[float, float], title: str, description: str, parts: Sequence[str]) -> Markup:
    """Return a drawing with a title and a description for those who do not see it; ``key`` is unique on its page."""
    width, height = (number(s) for s in size)
    body = Markup("").join(Markup(p) for p in parts)
    return Markup(
        '<svg class="plot" viewBox="0 0 {w} {h}" role="img" aria-labelledby="{key}-t {key}-d">'
        '<title id="{key}-t">{title}</title><desc id="{key}-d">{description}</desc>{body}</svg>'
    ).format(w=width, h=height, key=key, title=clean(title, 160), description=clean(description, 600), body=body)


def text(x: float, y: float, words: str, css: str) -> Markup:
    """Return words."""
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(css, number(x), number(y), words)


def fitted(words: str, room: float, size: float = 15.0) -> str:
    """Return what a stranger wrote, cut so that it is drawn in ``room`` units, and said to be cut by an ellipsis.

    Which font a browser takes is not known here: letters count as those of a wide one.

    Parameters
    ----------
    words : str
    room : float
        Units of the view box.
    size : float
        Of the letters, in units of the view box, where they are largest (on a phone).

    Examples
    --------
    >>> fitted("Baseline", 100), fitted("WWWWWWWW", 100)
    ('Baseline', 'WWWWW…')
    """
    words = clean(words, 160)
    widths = [_letter_width(c) * size for c in words]
    if sum(widths) <= room:
        return words
    left, n = room - size, 0  # an ellipsis is as wide as the letters are high
    while widths[n] <= left:
        left, n = left - widths[n], n + 1
    return words[:n] + "…"


def row_name(x: float, y: float, words: str) -> Markup:
    """Return the name of a row, which ends at ``x`` and has the room to the left of it."""
    return text(x, y, fitted(words, x - 2, 13), "tick end name rankname")


def _letter_width(character: str) -> float:
    """Return how wide a character is drawn at most, as a share of the letters' size (DejaVu Sans, a wide one)."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF" or character in "MWmw@%—…\ufffd":
        return 1.0
    if character in " .,:;'|!()[]-/fijlrtI":
        return 0.42
    return 0.74 if character.isupper() else 0.64


def line(css: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """Return a straight line."""
    return Markup('<path class="{}" d="M{} {}L{} {}"/>').format(css, *map(number, (x1, y1, x2, y2)))


def path(css: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    """Return a line through points."""
    return Markup('<path class="{}" d="{}"/>').format(css, outline(xs, ys))


def outline(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Return what a path draws to go through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in zip(xs, ys, strict=True))


def rect(css: str, x: float, y: float, width: float, height: float, title: str = "") -> Markup:
    """Return a rectangle, with a tip where there is a title."""
    tip = Markup("<title>{}</title>").format(title) if title else Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        css, *map(number, (x, y, max(width, 0.0), max(height, 0.0))), tip
    )
