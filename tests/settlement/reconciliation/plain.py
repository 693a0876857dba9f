"""The matching of a partner's file as a person would do it with two lists and a pencil: what the SQL has to equal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Row:
    """One posting, ours or theirs; `n` orders each side. `living` is the member that counts, if it is known."""

    n: int
    kind: str
    reference: str | None
    day: date
    points: int
    amount: int | None
    living: Any
    is_unknown: bool = False


@dataclass
class Plain:
    """Who belongs to whom: `pairs` by (ours, theirs), each with the pass that found it."""

    ours: list[Row]
    theirs: list[Row]
    pairs: dict[tuple[int, int], str] = field(default_factory=dict)
    duplicates: set[int] = field(default_factory=set)

    def left(self) -> tuple[list[Row], list[Row]]:
        taken_ours, taken_theirs = {o for o, _ in self.pairs}, {t for _, t in self.pairs} | self.duplicates
        return [r for r in self.ours if r.n not in taken_ours], [r for r in self.theirs if r.n not in taken_theirs]

    def pair_off(self, pass_: str, key: Callable[[Row], Any], order: Callable[[Row], Any]) -> None:
        """Those with one key, in order, side by side; a key of None belongs to nobody."""
        sides: list[dict[Any, list[Row]]] = [defaultdict(list), defaultdict(list)]
        for side, rows in zip(sides, self.left(), strict=True):
            for row in rows:
                if key(row) is not None:
                    side[key(row)].append(row)
        for shared in sides[0].keys() & sides[1].keys():
            for o, t in zip(*(sorted(side[shared], key=order) for side in sides), strict=False):
                self.pairs[o.n, t.n] = pass_

    def match(self, days: int, points: int) -> Plain:
        def amount(row: Row) -> tuple[bool, int]:
            return row.amount is None, row.amount or 0  # NULLs sort last

        self.pair_off(
            "reference",
            lambda r: r.reference and (r.reference, r.kind, r.day, r.points),
            lambda r: (amount(r), r.n),
        )
        self.pair_off(
            "reference", lambda r: r.reference and (r.reference, r.kind), lambda r: (r.points, r.day, amount(r), r.n)
        )
        self._find_duplicates()
        self.pair_off(
            "member",
            lambda r: (r.living, r.kind, r.day, r.points, r.amount) if r.living and r.amount is not None else None,
            lambda r: r.n,
        )
        self.pair_off("member", lambda r: r.living and (r.living, r.kind, r.day, r.points), lambda r: r.n)
        if days or points:
            self._by_tolerance(days, points)
        return self

    def _find_duplicates(self) -> None:
        matched = {t for _, t in self.pairs}
        known = {(r.reference, r.kind) for r in self.theirs if r.n in matched}
        for row in sorted(self.theirs, key=lambda r: r.n):
            if row.reference is None or row.n in matched:
                continue
            if (row.reference, row.kind) in known:
                self.duplicates.add(row.n)
            known.add((row.reference, row.kind))

    def _by_tolerance(self, days: int, points: int) -> None:
        """Through all pairs, from the nearest on."""

        def order(pair: tuple[Row, Row]) -> tuple[Any, ...]:
            o, t = pair
            near = abs((t.day - o.day).days), abs(t.points - o.points)
            return (*near, o.day, o.points, t.day, t.points, o.n, t.n)

        taken: set[tuple[str, int]] = set()
        for o, t in sorted(product(*self.left()), key=order):
            fits = o.living and (o.living, o.kind) == (t.living, t.kind)
            if not fits or abs((t.day - o.day).days) > days or abs(t.points - o.points) > points:
                continue
            if ("o", o.n) not in taken and ("t", t.n) not in taken:
                taken |= {("o", o.n), ("t", t.n)}
                self.pairs[o.n, t.n] = "tolerance"

    def breaks(self, first: date, last: date) -> Counter[tuple[Any, ...]]:
        """Type, number of ours, number of theirs, difference."""
        found: list[tuple[Any, ...]] = []
        ours, theirs = {r.n: r for r in self.ours}, {r.n: r for r in self.theirs}
        for o_n, t_n in self.pairs:
            o, t = ours[o_n], theirs[t_n]
            if not (first <= o.day <= last or first <= t.day <= last):
                continue
            if t.is_unknown:
                found.append(("unknown_member", o_n, t_n, None))
            if t.points != o.points:
                found.append(("points_differ", o_n, t_n, t.points - o.points))
            if None not in (t.amount, o.amount) and t.amount != o.amount:
                found.append(("amount_differs", o_n, t_n, t.amount - o.amount))
            if t.day != o.day:
                found.append(("wrong_day", o_n, t_n, (t.day - o.day).days))
            if t.living and t.living != o.living:
                found.append(("member_differs", o_n, t_n, None))
        alone_ours, alone_theirs = self.left()
        found += [("missing_there", r.n, None, -r.points) for r in alone_ours if first <= r.day <= last]
        for row in alone_theirs:
            if first <= row.day <= last:
                found.append(
                    ("unknown_member", None, row.n, None)
                    if row.is_unknown
                    else ("missing_here", None, row.n, row.points)
                )
        found += [("duplicate", None, n, theirs[n].points) for n in self.duplicates if first <= theirs[n].day <= last]
        return Counter(found)
