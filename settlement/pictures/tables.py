"""A table of figures, drawn as its `picture` says: bars or a shaded matrix. Pure functions.

Amounts of money have a part of the picture for each currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit import money
from settlement.pictures import grid, svg
from settlement.pictures.grid import Grid, by_size
from settlement.pictures.svg import COLOURS, FAINT, INK, WIDTH, Panel, element, shortened, text, tooltip
from settlement.tables import CURRENCY, MONEY, Bars, Cell, Squares, Table

MOST_GROUPS = 40  # the smallest beyond these are drawn as one
_BAR, _LEFT, _RIGHT = 14, 250, 150
_NOTHING = "There is nothing to show."
_Groups = dict[str, dict[str, int]]


def draw(table: Table) -> str:
    """The picture of a table, which has one to draw, as a document."""
    if table.picture is None:
        raise ValueError(f"nothing says how to draw {table.title!r}")
    panels = _bars(table, table.picture) if isinstance(table.picture, Bars) else _squares(table, table.picture)
    parts, top = [text(table.title, 24, 36, size=20, font_weight="bold")], 56.0
    if not panels:
        parts.append(text(_NOTHING, 24, top + 24))
        top += 48
    drawn, top = svg.stacked(panels, top)
    said = table.note or table.title
    return svg.document(table.title, said if panels else _NOTHING, parts + drawn, width=WIDTH, height=top + 16)


def _squares(table: Table, how: Squares) -> list[Panel]:
    amounts: dict[tuple[str, str], int] = {}
    for row in table.dicts:
        key = str(row[how.row]), str(row[how.column])
        amounts[key] = amounts.get(key, 0) + _number(row[how.value])
    amounts = grid.gathered({key: amount for key, amount in amounts.items() if amount})
    label = table.column(how.value).label
    across = f"{how.row}s (rows) and {how.column}s (columns), {label}"

    def said(row: str, column: str, amount: int) -> str:
        return f"{how.row} {row}, {how.column} {column}: {amount} {label}"

    drawn = Grid(across[0].upper() + across[1:], amounts, str, said)
    return [grid.draw(drawn, by_size(grid.sizes(amounts)))] if amounts else []


def _bars(table: Table, how: Bars) -> list[Panel]:
    is_money = table.column(how.columns[0]).kind == MONEY
    labels = {name: table.column(name).label for name in how.columns}
    if len(set(labels.values())) < len(labels):  # what they are for programs
        labels = {name: name.rsplit("_", 1)[0] for name in labels}
    by_currency: dict[str, _Groups] = {}
    for row in table.dicts:
        currency = str(row[CURRENCY.name] or "") if is_money else ""
        if is_money and not currency:
            continue
        group = by_currency.setdefault(currency, {}).setdefault(str(row[how.group]), {})
        for name in how.columns:
            if row[name] is not None:
                label = labels[name] if how.split is None else str(row[how.split])
                group[label] = group.get(label, 0) + _number(row[name])
    names = how.among or tuple(labels.values())
    return [_panel(_gathered(groups), names, currency) for currency, groups in sorted(by_currency.items())]


def _number(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0


def _size(group: Mapping[str, int]) -> int:
    return sum(map(abs, group.values()))


def _gathered(groups: _Groups) -> _Groups:
    """The groups, those with the most first, and the smallest as one where there are more than MOST_GROUPS."""
    order = by_size({name: _size(group) for name, group in groups.items()})
    if len(order) <= MOST_GROUPS:
        return {name: groups[name] for name in order}
    large, small = order[: MOST_GROUPS - 1], order[MOST_GROUPS - 1 :]
    others: dict[str, int] = {}
    for name in small:
        for label, amount in groups[name].items():
            others[label] = others.get(label, 0) + amount
    return {**{name: groups[name] for name in large}, f"{len(small)} others": others}


def _panel(groups: _Groups, labels: Sequence[str], currency: str) -> Panel:
    amounts = [amount for group in groups.values() for amount in group.values()]
    lowest, highest = min([0, *amounts]), max([0, *amounts])
    per_one = (WIDTH - _LEFT - _RIGHT) / ((highest - lowest) or 1)
    zero = _LEFT - lowest * per_one
    parts = [text(currency or "points", 24, 30, size=15, font_weight="bold"), *_legend(labels)]
    y = 48.0
    for name, group in groups.items():
        parts.append(text(shortened(name, 30), 24, y + _BAR - 2))
        for label in (label for label in labels if label in group):
            amount = group[label]
            shown = money.show(amount, currency) if currency else str(amount)
            long = abs(amount) * per_one
            x, end = (zero, zero + long) if amount >= 0 else (zero - long, zero)
            said = tooltip(f"{name}, {label}: {shown}")
            colour = COLOURS[labels.index(label) % len(COLOURS)]
            parts.append(element("rect", said, x=x, y=y, width=max(long, 1), height=_BAR - 3, fill=colour))
            parts.append(text(shown, end + 6, y + _BAR - 4, size=11, fill=FAINT))
            y += _BAR
        y += 10
    parts.append(element("line", x1=zero, y1=44, x2=zero, y2=y - 6, stroke=INK, stroke_width="1"))
    return Panel(parts, y + 16)


def _legend(labels: Sequence[str]) -> list[str]:
    parts, room = [], (WIDTH - _LEFT) // max(len(labels), 1)
    for n, label in enumerate(labels):
        x = _LEFT + n * room
        parts.append(element("rect", x=x, y=20, width=11, height=11, fill=COLOURS[n % len(COLOURS)]))
        parts.append(text(shortened(label, max(room // 7 - 3, 4)), x + 16, 30, size=11, fill=FAINT))
    return parts
