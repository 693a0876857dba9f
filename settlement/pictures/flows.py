"""Who owes whom, drawn: as a Sankey diagram for a few parties, with more as net positions and a shaded matrix.

Pure functions. The parts of a currency stand under each other, each under its heading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kit import money
from settlement.pictures import grid, svg
from settlement.pictures.grid import Grid, by_size
from settlement.pictures.svg import COLOURS, FAINT, INK, WIDTH, Panel, element, shortened, text, tooltip

MOST_IN_SANKEY = 8
MOST_DESCRIBED = 20
SIDE, NODE, GAP, TALL = 230, 14, 30, 440  # the gap leaves room for a name and an amount
BAR = 22


@dataclass(frozen=True)
class Flow:
    """What `payer` owes `payee`, both by their names: more than 0, in minor units of `currency`."""

    payer: str
    payee: str
    amount_minor: int
    currency: str


def draw(flows: Sequence[Flow], first: date, last: date) -> str:
    """The picture of flows, at most one for each payer, payee and currency, as a document."""
    title = f"Who owes whom from {first} to {last}"
    parts = [text(title, 24, 36, size=20, font_weight="bold")]
    panels = [
        _panel([one for one in flows if one.currency == currency], currency)
        for currency in sorted({one.currency for one in flows})
    ]
    drawn, top = svg.stacked(panels, 56)
    parts += drawn
    if not flows:
        parts.append(text("Nobody owes anybody anything.", 24, top + 24))
        top += 48
    return svg.document(title, _described(flows), parts, width=WIDTH, height=top + 16)


def _described(flows: Sequence[Flow]) -> str:
    largest = sorted(flows, key=lambda one: (one.currency, -one.amount_minor, one.payer, one.payee))
    said = [f"{one.payer} owes {one.payee} {_shown(one)}." for one in largest[:MOST_DESCRIBED]]
    more = len(flows) - len(said)
    return " ".join(said + ([f"And {more} more."] if more else [])) or "Nobody owes anybody anything."


def _shown(one: Flow) -> str:
    return money.show(one.amount_minor, one.currency)


def _panel(flows: Sequence[Flow], currency: str) -> Panel:
    names = {name for one in flows for name in (one.payer, one.payee)}
    return _sankey(flows, currency) if len(names) <= MOST_IN_SANKEY else _matrix(flows, currency)


def _sankey(flows: Sequence[Flow], currency: str) -> Panel:
    owes, receives = Counter[str](), Counter[str]()
    for one in flows:
        owes[one.payer] += one.amount_minor
        receives[one.payee] += one.amount_minor
    colours = dict(zip(by_size(owes + receives), COLOURS, strict=False))
    total = sum(owes.values())
    per_minor = (TALL - GAP * (max(len(owes), len(receives)) - 1)) / total
    top = 56
    left, right = SIDE, WIDTH - SIDE - NODE
    parts = [text("owes", left + NODE, 34, anchor="end", fill=FAINT), text("receives", right, 34, fill=FAINT),
             text(f"{money.show(total, currency)} in all", WIDTH / 2, 34, anchor="middle", fill=FAINT)]  # fmt: skip
    begins: list[dict[str, float]] = []
    for totals, x, label_x, anchor in ((owes, left, left - 10, "end"), (receives, right, right + NODE + 10, "start")):
        begins.append({})
        used = sum(totals.values()) * per_minor + GAP * (len(totals) - 1)
        y = top + (TALL - used) / 2
        for name in by_size(totals):
            high = totals[name] * per_minor
            begins[-1][name] = y
            parts.append(element("rect", x=x, y=y, width=NODE, height=max(high, 1), fill=colours[name]))
            middle = y + high / 2
            parts.append(text(shortened(name, 26), label_x, middle - 1, anchor=anchor))
            amount = money.as_decimal(totals[name], currency)
            parts.append(text(amount, label_x, middle + 13, size=11, anchor=anchor, fill=FAINT))
            y += max(high, 1) + GAP
    return Panel(_ribbons(flows, begins, per_minor, colours) + parts, top + TALL + 40)


def _ribbons(
    flows: Sequence[Flow], begins: list[dict[str, float]], per_minor: float, colours: Mapping[str, str]
) -> list[str]:
    """The flows between the nodes; at each node in the order of where they come from or go to, so that few cross."""
    out, into = (dict(one) for one in begins)
    parts = []
    places: dict[Flow, list[float]] = {one: [] for one in flows}
    for one in sorted(flows, key=lambda each: begins[1][each.payee]):
        places[one].append(out[one.payer])
        out[one.payer] += one.amount_minor * per_minor
    for one in sorted(flows, key=lambda each: begins[0][each.payer]):
        places[one].append(into[one.payee])
        into[one.payee] += one.amount_minor * per_minor
    x1, x2 = SIDE + NODE, WIDTH - SIDE - NODE
    half = (x1 + x2) / 2
    for one in sorted(flows, key=lambda each: (-each.amount_minor, each.payer, each.payee)):
        (y1, y2), high = places[one], max(one.amount_minor * per_minor, 0.5)
        path = (
            f"M{x1} {y1:.1f}C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2} {y2:.1f}"
            f"V{y2 + high:.1f}C{half:.1f} {y2 + high:.1f} {half:.1f} {y1 + high:.1f} {x1} {y1 + high:.1f}Z"
        )
        said = tooltip(f"{one.payer} owes {one.payee} {_shown(one)}")
        parts.append(element("path", said, d=path, fill=colours[one.payer], fill_opacity="0.35"))
    return parts


def _matrix(flows: Sequence[Flow], currency: str) -> Panel:
    together = grid.gathered({(one.payer, one.payee): one.amount_minor for one in flows})
    amounts = {(payer, payee): amount for (payer, payee), amount in together.items() if payer != payee}
    names = by_size(grid.sizes(amounts))
    nets = dict.fromkeys(names, 0)
    for (payer, payee), amount in amounts.items():
        nets[payer] -= amount
        nets[payee] += amount
    bars = _bars(nets, currency)

    def shown(minor: int) -> str:
        return money.show(minor, currency)

    def said(payer: str, payee: str, minor: int) -> str:
        return f"{payer} owes {payee} {shown(minor)}"

    cells = grid.draw(Grid(f"Who owes (rows) whom (columns), {currency}", amounts, shown, said), names)
    shifted = element("g", *cells.parts, transform=f"translate(0 {bars.height:.0f})")
    return Panel([*bars.parts, shifted], bars.height + cells.height)


def _bars(nets: Mapping[str, int], currency: str) -> Panel:
    """What each party receives or owes after all is set off: bars to the right, and to the left."""
    parts = [text(f"Net positions, {currency}", 24, 34, size=15, font_weight="bold"),
             text("owes", 590, 34, anchor="end", fill=FAINT), text("receives", 610, 34, fill=FAINT)]  # fmt: skip
    most = max((abs(amount) for amount in nets.values()), default=0) or 1
    y = 46.0
    for name in sorted(nets, key=lambda each: (-nets[each], each)):
        amount = nets[name]
        long = abs(amount) / most * 240
        parts.append(text(shortened(name, 34), 24, y + 15))
        x = 600.0 if amount >= 0 else 600 - long
        colour = COLOURS[1] if amount >= 0 else COLOURS[2]
        parts.append(element("rect", x=x, y=y + 3, width=max(long, 1), height=BAR - 7, fill=colour))
        at, anchor = (606 + long, "start") if amount >= 0 else (594 - long, "end")
        parts.append(text(money.as_decimal(amount, currency), at, y + 15, size=11, anchor=anchor, fill=FAINT))
        y += BAR
    parts.append(element("line", x1=600, y1=44, x2=600, y2=y, stroke=INK, stroke_width="1"))
    return Panel(parts, y + 24)
