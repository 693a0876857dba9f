"""A shaded matrix: a square for each pair of a row and a column, darker for more. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from settlement.pictures.svg import COLOURS, FAINT, WIDTH, Panel, element, shortened, text, tooltip

MOST = 40  # names; the smallest beyond these are drawn as one
_SQUARE, _SIDE, _TOP = 28, 240, 190
Pairs = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Grid:
    """What is drawn: amounts by row and column, `shown` as people read them and `said` where somebody points at one.

    Below 0 a square has another colour.
    """

    heading: str
    amounts: Pairs
    shown: Callable[[int], str]
    said: Callable[[str, str, int], str]


def by_size(totals: Mapping[str, int]) -> list[str]:
    """Names, those with the most first."""
    return sorted(totals, key=lambda name: (-totals[name], name))


def sizes(amounts: Pairs) -> Counter[str]:
    """What each name has on both sides."""
    found = Counter[str]()
    for (row, column), amount in amounts.items():
        found[row] += abs(amount)
        found[column] += abs(amount) if column != row else 0
    return found


def gathered(amounts: Pairs) -> dict[tuple[str, str], int]:
    """The amounts, with the smallest names as one where there are more than MOST."""
    there = sizes(amounts)
    small = set(by_size(there)[MOST - 1 :]) if len(there) > MOST else set[str]()
    others = f"{len(small)} others"
    found = Counter[tuple[str, str]]()
    for (row, column), amount in amounts.items():
        found[others if row in small else row, others if column in small else column] += amount
    return dict(sorted(found.items()))


def draw(grid: Grid, names: Sequence[str]) -> Panel:
    """The matrix of `names`, on both sides in the same order."""
    place = {name: n for n, name in enumerate(names)}
    size = min(_SQUARE, (WIDTH - _SIDE - 130) // max(len(names), 1))
    most = max(map(abs, grid.amounts.values()), default=0) or 1
    far, below = _SIDE + size * len(names), _TOP + size * len(names)
    parts = [text(grid.heading, 24, 24, size=15, font_weight="bold")]
    for name, n in place.items():
        y, x = _TOP + size * n, _SIDE + size * n + size * 0.65
        parts.append(text(shortened(name, 28), _SIDE - 8, y + size * 0.7, size=min(12, size - 3), anchor="end"))
        turned = f"rotate(-60 {x:.1f} {_TOP - 8})"
        parts.append(text(shortened(name, 24), x, _TOP - 8, size=min(12, size - 3), transform=turned))
        parts.append(element("rect", x=_SIDE + size * n, y=y, width=size, height=size, fill="#f0f2f4"))
    for (row, column), amount in grid.amounts.items():
        share = (abs(amount) / most) ** 0.5  # else one large amount makes all others white
        parts.append(
            element(
                "rect", tooltip(grid.said(row, column, amount)), x=_SIDE + size * place[column],
                y=_TOP + size * place[row], width=size, height=size, fill=COLOURS[0 if amount >= 0 else 2],
                fill_opacity=f"{0.08 + 0.92 * share:.2f}",
            )
        )  # fmt: skip
    for n in range(len(names) + 1):
        line, at = {"stroke": "#cbd2d9", "stroke_width": "0.5"}, size * n
        parts.append(element("line", x1=_SIDE, y1=_TOP + at, x2=far, y2=_TOP + at, **line))
        parts.append(element("line", x1=_SIDE + at, y1=_TOP, x2=_SIDE + at, y2=below, **line))
    return Panel([*parts, *_legend(grid.shown(most), _SIDE, below + 22)], below + 60)


def _legend(most: str, x: float, y: float) -> list[str]:
    parts = [text("0", x - 8, y + 11, size=11, anchor="end", fill=FAINT)]
    for n in range(10):
        opacity = f"{0.08 + 0.92 * ((n + 1) / 10) ** 0.5:.2f}"
        parts.append(element("rect", x=x + 16 * n, y=y, width=16, height=14, fill=COLOURS[0], fill_opacity=opacity))
    parts.append(text(most, x + 168, y + 11, size=11, fill=FAINT))
    return parts
