"""The end of a replay: what the books say now, for people and as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from coalition import business_days, members, verify
from kit.terminal import Desk
from ops.replay.run import Outcome
from partners import accounts
from settlement import reports, settled_days
from settlement.reports import Report


@dataclass(frozen=True)
class BrandFigures:
    """One brand's points."""

    brand: str
    earned: int
    burned: int
    earns_reversed: int
    burns_given_back: int
    debt_repaid: int


@dataclass(frozen=True)
class Books:
    """The whole coalition as its database has it.

    `matrix` is issuer, redeemer, points burned less given back, and debts repaid.
    """

    members: int
    brands: list[BrandFigures]
    days: list[Report]
    matrix: list[tuple[str, str, int]]
    broken_invariants: list[str]

    @property
    def burned(self) -> int:
        """Points burned less given back, from the brands' transactions."""
        return sum(brand.burned - brand.burns_given_back for brand in self.brands)

    @property
    def faults(self) -> list[str]:
        """What must hold and does not."""
        found = list(self.broken_invariants)
        for report in self.days:
            for currency in {net.currency for net in report.net_positions}:
                total = sum(net.amount_minor for net in report.net_positions if net.currency == currency)
                if total:
                    found.append(f"net positions of {report.day} add up to {total} {currency}")
        in_matrix = sum(points for _, _, points in self.matrix)
        debt_repaid = sum(brand.debt_repaid for brand in self.brands)
        if in_matrix != self.burned + debt_repaid:
            found.append(f"the matrix adds up to {in_matrix}, burn and repaid debts to {self.burned + debt_repaid}")
        return found


def read(desk: Desk) -> Books:
    """Read the books in one snapshot."""
    with desk.database.reading() as session:
        verify.snapshot(session)
        names = {partner.partner_id: partner.name for partner in accounts.everybody(session)}
        return Books(
            members=members.count(session),
            brands=sorted(
                (
                    BrandFigures(
                        names[t.partner_id], t.earned, t.burned, t.earns_reversed, t.burns_reversed, t.debt_repaid
                    )
                    for t in business_days.turnover(session)
                ),
                key=lambda figures: figures.brand,
            ),
            days=[reports.get(session, day) for day in settled_days.all_of_them(session)],
            matrix=sorted((names[i], names[r], points) for i, r, points in business_days.matrix(session)),
            broken_invariants=[
                f"{f.invariant}: {f.broken}" for f in verify.run(session, keyring=desk.keyring) if f.broken
            ],
        )


def as_data(outcome: Outcome, books: Books) -> dict[str, Any]:
    """Everything for a program."""
    data: dict[str, Any] = json.loads(json.dumps({**asdict(outcome), **asdict(books)}, default=str))
    return {**data, "total_burn": books.burned, "faults": books.faults}


def as_text(outcome: Outcome, books: Books, *, problems_shown: int = 20) -> str:
    """Everything for a person; the last lines are who owes whom."""
    sections = [
        _what_was_read(outcome, problems_shown),
        _points(books),
        _webhooks(outcome, problems_shown),
        _matrix(books),
    ]
    if books.days:
        sections.append(_nets(books.days))
    sections.append([f"FAULT: {fault}" for fault in books.faults] or ["ledger verify: clean"])
    if books.days:
        sections.append(_who_owes_whom(books.days[-1].day, books.days))
    return "\n\n".join("\n".join(section) for section in sections)


def _what_was_read(outcome: Outcome, most: int) -> list[str]:
    held = len(outcome.problems)
    lines = [f"{outcome.lines} lines, {outcome.receipts} receipts, {held} problem{'s' if held != 1 else ''}"]
    lines += [f"  line {problem.line}: {problem.reason}" for problem in outcome.problems[:most]]
    if held > most:
        lines.append(f"  … and {held - most} more (--json lists all)")
    return lines


def _points(books: Books) -> list[str]:
    head = f"{'points':<16}{'earned':>12}{'burned':>12}{'reversed':>12}{'given back':>12}"
    rows = [
        f"{b.brand:<16}{b.earned:>12}{b.burned:>12}{b.earns_reversed:>12}{b.burns_given_back:>12}" for b in books.brands
    ]
    total = [
        sum(column)
        for column in zip(
            *[(b.earned, b.burned, b.earns_reversed, b.burns_given_back) for b in books.brands], strict=True
        )
    ]
    return [
        f"{books.members} members",
        "",
        head,
        *rows,
        f"{'total':<16}" + "".join(f"{n:>12}" for n in total),
    ]


def _webhooks(outcome: Outcome, most: int) -> list[str]:
    done = f"{outcome.events} delivered, {outcome.verified} verified"
    lines = [f"webhooks: {done}, {outcome.repeated} repeated, {outcome.refused} refused by the receiver"]
    if outcome.undelivered:
        lines.append(f"NOT DELIVERED: {outcome.undelivered}; another replay tries them again")
        lines += [
            f"  {one.brand}: {one.event_type} {one.delivery_id} after {one.attempts} attempts: {one.reason}"
            for one in outcome.missing[:most]
        ]
    if outcome.undelivered > most:
        lines.append("  … and more (--json lists them)")
    return lines


def _matrix(books: Books) -> list[str]:
    issuers = sorted({issuer for issuer, _, _ in books.matrix})
    redeemers = sorted({redeemer for _, redeemer, _ in books.matrix})
    cells = {(issuer, redeemer): points for issuer, redeemer, points in books.matrix}
    lines = [
        "points burned, less points given back: issuer ↓, redeemer →",
        " " * 16 + "".join(f"{name[:12]:>13}" for name in redeemers),
    ]
    lines += [
        f"{issuer:<16}" + "".join(f"{cells.get((issuer, redeemer), 0):>13}" for redeemer in redeemers)
        for issuer in issuers
    ]
    return [*lines, f"sum {sum(cells.values())} = total burn {books.burned}"]


def _nets(days: list[Report]) -> list[str]:
    names = sorted({net.partner for report in days for net in report.net_positions})
    lines = ["net positions in minor units (what a brand receives; negative: owes)"]
    lines.append(f"{'day':<12}" + "".join(f"{name[:12]:>13}" for name in names) + f"{'sum':>6}")
    for report in days:
        by_name = {net.partner: net.amount_minor for net in report.net_positions}
        row = "".join(f"{by_name.get(name, 0):>13}" for name in names)
        lines.append(f"{report.day!s:<12}{row}{sum(by_name.values()):>6}")
    return lines


def _who_owes_whom(last: date, days: list[Report]) -> list[str]:
    return [f"settled for {last}:", *(reports.who_owes_whom(days[-1]) or ["nobody owes anybody"])]
