"""Settlement calculated again the plain, slow way: fractions and dictionaries, over rows that are read as they lie.

It shares nothing with what it checks. Its rules beside those that settlement.obligations names:

- A posting is settled on its business day, or, where its lot's agreement was made later, on the day that was made.
- Whoever has no agreement on a day settles daily.
- What is owed is rounded once for each payer, payee, kind, agreement and currency, halves away from zero.
- A disputed line is owed the other way on the day on which it is disputed, and once more, as far as it is owed after
  all, on the day on which that is decided. Other terms change neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]
RANK = {"daily": 0, "weekly": 1, "monthly": 2}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Owed:
    """What makes an obligation one."""

    day: date
    payer: UUID
    payee: UUID
    kind: str
    agreement: UUID | None
    currency: str


@dataclass
class Amount:
    """Of an obligation: its points, whole minor units, cycle, and (posting, points, minor units) for each line."""

    points: int = 0
    minor: int = 0
    cycle: str = ""
    exact: Fraction = Fraction(0)
    lines: list[tuple[tuple[date, date, UUID, int], int, int]] = field(default_factory=list)


def rows(url: str, statement: str) -> list[Row]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode()).fetchall()


def rounded(amount: Fraction) -> int:
    doubled = abs(amount) * 2
    whole = int((doubled + 1) // 2)
    return whole if amount >= 0 else -whole


def ends(day: date) -> list[str]:
    """The cycles that end on a day."""
    found = ["daily"]
    if day.isoweekday() == 7:
        found.append("weekly")
    if (day + ONE_DAY).day == 1:
        found.append("monthly")
    return found


def begins(cycle: str, day: date) -> date:
    while cycle != "daily" and not (day.isoweekday() == 1 if cycle == "weekly" else day.day == 1):
        day -= ONE_DAY
    return day


class Plain:
    """A coalition's rows, and what follows from them for closed days."""

    def __init__(self, url: str) -> None:
        (self.fund,) = [row["programme_id"] for row in rows(url, "SELECT programme_id FROM coalition.programme")]
        self.days = [row["day"] for row in rows(url, "SELECT day FROM coalition.sealed_day ORDER BY day")]
        self.agreements = rows(url, "SELECT *, lower(valid) AS since, upper(valid) AS until FROM settlement.agreement")
        self.disputes = rows(url, """
            SELECT d.*, o.day AS settled_on, o.kind, o.agreement_id, r.outcome, r.back_minor, r.day AS resolved_on
            FROM settlement.dispute d JOIN settlement.obligation o USING (obligation_id)
            LEFT JOIN settlement.dispute_resolution r USING (dispute_id)
        """)  # fmt: skip
        self.entries = rows(url, """
            SELECT * FROM settlement.entry WHERE reference !~ '^dsp_[0-9a-z]{26} (raised|resolved)$'
        """)  # fmt: skip
        self.postings = rows(url, "SELECT * FROM coalition.posting")

    def agreement(self, partner: UUID, day: date, known_on: date) -> Row | None:
        """The agreement of a partner for a day, as far as it was made until `known_on`."""
        for one in self.agreements:
            made = one["agreed_on"] or one["since"]
            holds = one["since"] <= day and (one["until"] is None or day < one["until"])
            if one["partner_id"] == partner and holds and made <= known_on:
                return one
        return None

    def cycle(self, partner: UUID, day: date) -> str:
        found = self.agreement(partner, day, day)
        return found["cycle"] if found else "daily"

    def owed(self) -> dict[Owed, Amount]:
        """Every obligation of the closed days."""
        found: dict[Owed, Amount] = defaultdict(Amount)
        for posting in self.postings:
            for kind, points in kinds(posting):
                self._price(found, posting, kind, points)
        for entry in self.entries:
            key = Owed(entry["day"], entry["payer_id"], entry["payee_id"], entry["kind"], None, entry["currency"])
            if key.day in self.days:
                found[key].exact += entry["amount_minor"]
        for key, amount in found.items():
            amount.minor = rounded(amount.exact)
            amount.cycle = self._longer(key)
            share(amount)
        kept = {key: amount for key, amount in found.items() if key.kind != "fee" or amount.minor}
        found = kept | self._cycle_ends(kept)
        for one in self.disputes:
            self._dispute(found, one)
        return found

    def _dispute(self, owed: dict[Owed, Amount], one: Row) -> None:
        back = {None: 0, "upheld": 0, "rejected": one["amount_minor"], "part": one["back_minor"]}[one["outcome"]]
        for day, minor in ((one["day"], -one["amount_minor"]), (one["resolved_on"], back)):
            if minor and day in self.days:
                key = Owed(day, one["payer_id"], one["payee_id"], "dispute", None, one["currency"])
                owed.setdefault(key, Amount(cycle=self._longer(key))).minor += minor

    def disputed(self, owed: dict[Owed, Amount], one: Row) -> int:
        """What the line that a dispute is about comes to."""
        key = Owed(
            one["settled_on"], one["payer_id"], one["payee_id"], one["kind"], one["agreement_id"], one["currency"]
        )
        return owed[key].minor if one["n"] is None else owed[key].lines[one["n"] - 1][2]

    def _longer(self, key: Owed) -> str:
        return max(self.cycle(key.payer, key.day), self.cycle(key.payee, key.day), key=RANK.__getitem__)

    def _price(self, found: dict[Owed, Amount], posting: Row, kind: str, points: int) -> None:
        """What a posting of points leads to: an obligation, and a fee."""
        issuer = posting["issuer_id"]
        terms = self.agreement(issuer, posting["issued_on"], date.max)
        if terms is None:
            return
        day = max(posting["business_date"], terms["agreed_on"] or date.min)
        if day not in self.days:
            return
        funded = terms["funding"] == "on_earn"
        price = Fraction(terms["redemption_price_minor"] if kind == "redemption" else terms["issue_price_minor"])
        if kind == "breakage":
            price = price * Fraction(terms["breakage_share_percent"]) / 100
        payer = self.fund if kind == "breakage" or (kind == "redemption" and funded) else issuer
        payee = {"redemption": posting["partner_id"], "issue": self.fund, "breakage": issuer}[kind]
        is_owed = payer != payee and (kind == "redemption" or (funded and price > 0))
        if is_owed:
            amount = found[Owed(day, payer, payee, kind, terms["agreement_id"], terms["currency"])]
            amount.points += points
            amount.exact += points * price
            place = (posting["issued_on"], posting["business_date"], posting["txn_id"], posting["seq"])
            amount.lines.append((place, points, points * price))
        if issuer == self.fund:
            return
        fee = Fraction(0)
        if kind == "issue":
            fee += points * Fraction(terms["fee_per_point_minor"])
        if is_owed and kind == ("issue" if funded else "redemption"):
            fee += points * price * Fraction(terms["fee_percent"]) / 100
        if terms["fee_per_point_minor"] or terms["fee_percent"]:
            amount = found[Owed(day, issuer, self.fund, "fee", terms["agreement_id"], terms["currency"])]
            amount.points += points if kind == "issue" else 0
            amount.exact += fee

    def _cycle_ends(self, owed: dict[Owed, Amount]) -> dict[Owed, Amount]:
        """The last day of a cycle: what fees lack of their minimum, and the tax, by the terms last in force."""
        found = {}
        for day in self.days:
            for cycle in ends(day):
                fees: dict[tuple[UUID, str], int] = defaultdict(int)
                for key, amount in owed.items():
                    if key.kind == "fee" and amount.cycle == cycle and begins(cycle, day) <= key.day <= day:
                        fees[key.payer, key.currency] += amount.minor
                for partner in {one["partner_id"] for one in self.agreements}:
                    found.update(self._taxed(day, cycle, partner, fees))
        return found

    def _taxed(self, day: date, cycle: str, partner: UUID, fees: dict[tuple[UUID, str], int]) -> dict[Owed, Amount]:
        known = [
            one
            for one in self.agreements
            if one["partner_id"] == partner and one["since"] <= day and (one["agreed_on"] or one["since"]) <= day
        ]
        if not known:
            return {}
        terms = max(known, key=lambda one: one["since"])
        in_force = (terms["until"] is None or day < terms["until"]) and terms["cycle"] == cycle
        found = {}
        for currency in {of for payer, of in fees if payer == partner} | {terms["currency"]}:
            base = fees[partner, currency]
            lacking = 0
            if in_force and currency == terms["currency"] and terms["fee_minimum_minor"] > 0:
                lacking = max(0, terms["fee_minimum_minor"] - base)
            tax = rounded((base + lacking) * Fraction(terms["vat_percent"]) / 100)
            for kind, minor in (("fee_minimum", lacking), ("vat", tax)):
                if minor:
                    key = Owed(day, partner, self.fund, kind, terms["agreement_id"], currency)
                    found[key] = Amount(minor=minor, cycle=cycle)
        return found

    def positions(self, owed: dict[Owed, Amount], cycle: str, first: date, last: date) -> dict[tuple[UUID, str], int]:
        """What each party receives of a run, or owes."""
        nets: dict[tuple[UUID, str], int] = defaultdict(int)
        for key, amount in owed.items():
            if amount.cycle == cycle and first <= key.day <= last:
                nets[key.payer, key.currency] -= amount.minor
                nets[key.payee, key.currency] += amount.minor
        return dict(nets)


def kinds(posting: Row) -> Iterable[tuple[str, int]]:
    """What a posting is for money: of each kind, with its points."""
    points, debit, credit = posting["points"], posting["debit"], posting["credit"]
    if debit == "redemption":
        yield "redemption", -points
    elif credit in ("redemption", "debt"):
        yield "redemption", points
    if debit in ("issuance", "adjustment"):
        yield "issue", points
    elif credit in ("issuance", "adjustment"):
        yield "issue", -points
    if credit == "breakage":
        yield "breakage", points


def share(amount: Amount) -> None:
    """Round the lines by largest remainder, those with the same one in order, so that they add up to the amount."""
    lines = sorted(amount.lines)
    whole = [exact.numerator // exact.denominator for _, _, exact in lines]
    by_remainder = sorted(range(len(lines)), key=lambda n: (-(lines[n][2] - whole[n]), n))
    for n in by_remainder[: amount.minor - sum(whole)]:
        whole[n] += 1
    amount.lines = [(place, points, minor) for (place, points, _), minor in zip(lines, whole, strict=True)]
