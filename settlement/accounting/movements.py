"""The points of a span of days as IFRS 15 shows them: opening, issued, redeemed, expired, repriced and closing.

Points are worth the redemption price of the agreement that their issuer had when they were issued, and keep it: a new
price is one of new points. So `repriced` is 0, but for points that had no agreement at the opening and have one now.
They are carried by who will owe for them: their issuer, or, funded on earn, the coalition's fund.

Values are exact; each opening and closing is rounded once, and what is between is rounded so that it adds up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from sqlalchemy import text

from coalition import point_movements, programme
from coalition.point_movements import LotDay, Moved
from kit.db import Session
from settlement import agreements, netting, outstanding, spans, statements
from settlement.agreement_terms import ON_EARN
from settlement.agreements import Agreement, PriceBook
from settlement.statements import Party
from settlement.tables import CURRENCY, MONEY, NUMBER, Bars, Column, Table


@dataclass(frozen=True)
class Values:
    """What points come to, in minor units: exact, or rounded and whole."""

    opening: Fraction = Fraction(0)
    issued: Fraction = Fraction(0)
    redeemed: Fraction = Fraction(0)
    expired: Fraction = Fraction(0)
    repriced: Fraction = Fraction(0)

    @property
    def closing(self) -> Fraction:
        """The value at the end."""
        return self.opening + self.issued - self.redeemed - self.expired + self.repriced

    def __add__(self, other: Values) -> Values:
        return Values(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def rounded(self) -> Values:
        """In whole minor units: opening and closing are rounded, the rest by largest remainder, so that it adds up."""
        opening, closing = netting.rounded(self.opening), netting.rounded(self.closing)
        exact = (self.issued, -self.redeemed, -self.expired, self.repriced)
        whole = _parts(closing - opening, exact)
        return Values(Fraction(opening), whole[0], -whole[1], -whole[2], whole[3])


def _parts(total: int, exact: Sequence[Fraction]) -> list[Fraction]:
    """Whole parts of `total`, which is at most 1 from the sum of `exact`; what is whole stays, ties go to the first."""
    whole = [Fraction(part.__floor__()) for part in exact]
    missing = total - int(sum(whole))
    by_remainder = sorted(range(len(exact)), key=lambda n: exact[n] - whole[n], reverse=True)
    for n in by_remainder[: max(missing, 0)]:
        whole[n] += 1
    return whole


@dataclass(frozen=True)
class Row:
    """Points of an issuer's, issued in the month that begins with `month`; `currency` None: they have no agreement."""

    issuer: Party
    month: date
    carrier: Party
    currency: str | None
    opening: int
    moved: Moved
    value: Values

    @property
    def closing(self) -> int:
        """The points that are outstanding at the end."""
        return self.opening + self.moved.change


def prices(session: Session, until: date) -> PriceBook:
    """The agreements that were made until the end of `until`."""
    made = set(
        session.scalars(
            text("SELECT agreement_id FROM settlement.agreement WHERE coalesce(agreed_on, lower(valid)) <= :until"),
            {"until": until},
        )
    )
    return PriceBook([one for one in agreements.everything(session) if one.agreement_id in made])


def read(session: Session, first: date, last: date) -> list[Row]:
    """The rows of settled days, by issuer and month. Raises SpanRefused, DayNotSettled, MovementsDiffer."""
    spans.settled(session, first, last)
    point_movements.require_seals(session, last)
    parties = statements.parties(session)
    fund = parties[programme.get(session).programme_id]
    before, after = prices(session, date.fromordinal(first.toordinal() - 1)), prices(session, last)
    return _rows(point_movements.between(session, first, last), (before, after), parties, fund)


def at_end_of(session: Session, day: date) -> list[Row]:
    """The points outstanding at the end of a settled day as rows like those of `read`, in which nothing moved.

    It reads what is kept of them, not all postings. Raises SpanRefused, DayNotSettled, MovementsDiffer.
    """
    spans.settled(session, day, day)
    lots = outstanding.at(session, day)
    sums = Counter[UUID]()
    for lot, points in lots.items():
        sums[lot.issuer_id] += points
    point_movements.require_sums(session, day, sums)
    parties, book = statements.parties(session), prices(session, day)
    fund = parties[programme.get(session).programme_id]
    found = [LotDay(*lot, points, Moved()) for lot, points in sorted(lots.items())]
    return _rows(found, (book, book), parties, fund)


def _rows(
    lots: Iterable[LotDay], books: tuple[PriceBook, PriceBook], parties: Mapping[UUID, Party], fund: Party
) -> list[Row]:
    """The rows of lots by the agreements of before the first and until the last day."""
    before, after = books
    found: dict[tuple[str, date, str, str], Row] = {}
    for one in lots:
        agreed_before = before.look_up(one.issuer_id, one.issued_on)
        agreement = after.look_up(one.issuer_id, one.issued_on)
        issuer = parties[one.issuer_id]
        row = Row(
            issuer, one.issued_on.replace(day=1),
            fund if agreement and agreement.funding == ON_EARN else issuer,
            agreement.currency if agreement else None, one.opening, one.moved, _value(one, agreed_before, agreement),
        )  # fmt: skip
        key = (issuer.code, row.month, row.currency or "", row.carrier.code)
        found[key] = _sum([found[key], row]) if key in found else row
    return [found[key] for key in sorted(found)]


def _value(one: LotDay, before: Agreement | None, after: Agreement | None) -> Values:
    price = after.redemption_price_minor if after else Fraction(0)
    price_before = before.redemption_price_minor if before else Fraction(0)
    return Values(
        one.opening * price_before, one.moved.issued * price, one.moved.redeemed * price, one.moved.expired * price,
        one.opening * (price - price_before),
    )  # fmt: skip


def _sum(rows: Iterable[Row]) -> Row:
    first, *more = rows
    opening, moved, value = first.opening, first.moved, first.value
    for one in more:
        opening, moved, value = opening + one.opening, moved + one.moved, value + one.value
    return Row(first.issuer, first.month, first.carrier, first.currency, opening, moved, value)


COLUMNS = (
    Column("issuer", "issuer"), Column("month", "issued in"), Column("carried_by", "carried by"), CURRENCY,
    Column("opening_points", "opening", NUMBER), Column("issued_points", "issued", NUMBER),
    Column("redeemed_points", "redeemed", NUMBER), Column("expired_points", "expired", NUMBER),
    Column("repriced_points", "repriced", NUMBER), Column("closing_points", "closing", NUMBER),
    Column("opening_minor", "opening", MONEY), Column("issued_minor", "issued", MONEY),
    Column("redeemed_minor", "redeemed", MONEY), Column("expired_minor", "expired", MONEY),
    Column("repriced_minor", "repriced", MONEY), Column("closing_minor", "closing", MONEY),
)  # fmt: skip
_NOTE = (
    "Points, then their value at the redemption price of the agreement they were issued under. Without a currency: "
    "their issuer had no agreement, so they have no value yet."
)

_PICTURE = Bars("issuer", tuple(f"{name}_points" for name in ("opening", "issued", "redeemed", "expired", "closing")))


def table(rows: Sequence[Row], first: date, last: date) -> Table:
    """The schedule for people and programs."""
    made = [
        (
            one.issuer.code, f"{one.month:%Y-%m}", one.carrier.code, one.currency, one.opening, one.moved.issued,
            one.moved.redeemed, one.moved.expired, 0, one.closing, *_minor(one),
        )
        for one in rows
    ]  # fmt: skip
    return Table(f"Movements of points from {first} to {last}", COLUMNS, made, _NOTE, _PICTURE)


def _minor(row: Row) -> tuple[int | None, ...]:
    value = row.value.rounded
    parts = (value.opening, value.issued, value.redeemed, value.expired, value.repriced, value.closing)
    return tuple(int(part) if row.currency else None for part in parts)
