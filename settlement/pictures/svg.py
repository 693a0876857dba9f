"""What pictures are drawn with: SVG elements as text, with escaped names, and no style that a page could forbid.

Pure functions: the same figures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

INK, FAINT, PAPER = "#1f2933", "#66727f", "#ffffff"
# Told apart by people who see colours differently, too (P. Tol, 2021: the muted scheme).
COLOURS = ("#332288", "#117733", "#882255", "#44aa99", "#cc6677", "#88ccee", "#999933", "#aa4499")
WIDTH = 960
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"


@dataclass(frozen=True)
class Panel:
    """A part of the picture, drawn from 0 downwards."""

    parts: list[str]
    height: float


def stacked(panels: Sequence[Panel], top: float) -> tuple[list[str], float]:
    """Panels under each other from `top` on, and where they end."""
    parts = []
    for panel in panels:
        parts.append(element("g", *panel.parts, transform=f"translate(0 {top:.0f})"))
        top += panel.height
    return parts, top


def element(name: str, *inside: str, **attributes: str | float) -> str:
    """One element; `text_anchor=` is the attribute `text-anchor`, and numbers have one decimal at most."""
    said = "".join(f" {key.replace('_', '-')}={quoteattr(_value(value))}" for key, value in attributes.items())
    return f"<{name}{said}>{''.join(inside)}</{name}>" if inside else f"<{name}{said}/>"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def text(said: str, x: float, y: float, *, size: int = 13, anchor: str = "start", fill: str = INK, **more: str) -> str:
    """A line of text; `y` is its base line."""
    return element("text", plain(said), x=x, y=y, font_size=size, text_anchor=anchor, fill=fill, **more)


def plain(said: str) -> str:
    """`said` escaped, without what XML 1.0 can't hold."""
    return escape("".join(one if one.isprintable() else " " for one in said))


def shortened(said: str, width: int) -> str:
    """`said` in at most `width` places, of which wide characters take two."""
    room = 0
    for place, one in enumerate(said):
        room += 2 if east_asian_width(one) in "WF" else 1
        if room > width:
            return said[: max(place - 1, 0)].rstrip() + "…"
    return said


def tooltip(said: str) -> str:
    """What is shown where somebody points at an element."""
    return element("title", plain(said))


def document(title: str, described: str, parts: Iterable[str], *, width: float, height: float) -> str:
    """The whole picture, with a title and a description for who can't see it."""
    return (
        element(
            "svg",
            "\n" + element("title", plain(title), id="title"),
            "\n" + element("desc", plain(described), id="desc"),
            "\n" + element("rect", width=width, height=height, fill=PAPER),
            *("\n" + part for part in parts),
            "\n",
            xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_value(width)} {_value(height)}", width=width,
            height=height, role="img", aria_labelledby="title desc", font_family=FONT,
        )
        + "\n"
    )  # fmt: skip
