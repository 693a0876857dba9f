"""Who owed whom in a span of settled days, added up: between parties, and by whose points were redeemed where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition import point_movements
from kit.db import Session
from settlement import spans, statements
from settlement.periods import EVERYTHING, Asked
from settlement.pictures.flows import Flow
from settlement.tables import CURRENCY, MONEY, NUMBER, Column, Squares, Table


def between(session: Session, first: date, last: date, asked: Asked = EVERYTHING) -> list[Flow]:
    """What each party owed each other, of every kind, more than 0, by name. Raises SpanRefused, DayNotSettled."""
    spans.settled(session, first, last)
    names = _unique({party_id: party.name for party_id, party in statements.parties(session).items()})
    rows = session.execute(
        text("""
            SELECT payer_id, payee_id, currency, sum(amount_minor)::bigint AS amount_minor FROM settlement.obligation
            WHERE day BETWEEN :first AND :last GROUP BY 1, 2, 3
        """),
        {"first": first, "last": last},
    )
    amounts: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if not asked.concerns(row.payer_id, row.payee_id):
            continue
        # Below zero it is owed the other way round.
        ends = (row.payer_id, row.payee_id) if row.amount_minor > 0 else (row.payee_id, row.payer_id)
        key = (row.currency, names[ends[0]], names[ends[1]])
        amounts[key] = amounts.get(key, 0) + abs(row.amount_minor)
    return [
        Flow(payer, payee, amount, currency) for (currency, payer, payee), amount in sorted(amounts.items()) if amount
    ]


def _unique(names: dict[UUID, str]) -> dict[UUID, str]:
    """The parties' names, with the end of the id where another one has the same."""
    times = Counter(names.values())
    return {party_id: name if times[name] == 1 else f"{name} ({party_id.hex[-4:]})" for party_id, name in names.items()}


@dataclass(frozen=True)
class Pair:
    """Points of `issuer` that were redeemed at `redeemer`, and what was owed for them; both by code.

    `amount_minor` is None where nobody owes: at the issuer itself, or for want of an agreement.
    """

    issuer: str
    redeemer: str
    points: int
    currency: str | None
    amount_minor: int | None


def matrix(session: Session, first: date, last: date) -> list[Pair]:
    """Issuer × redeemer of settled days, by code. Raises SpanRefused, DayNotSettled."""
    spans.settled(session, first, last)
    codes = {party_id: party.code for party_id, party in statements.parties(session).items()}
    points = point_movements.redeemed_between(session, first, last)
    rows = session.execute(
        text("""
            SELECT a.partner_id AS issuer_id, o.payee_id, o.currency, sum(o.points)::bigint AS points,
                   sum(o.amount_minor)::bigint AS amount_minor
            FROM settlement.obligation o JOIN settlement.agreement a USING (agreement_id)
            WHERE o.kind = 'redemption' AND o.day BETWEEN :first AND :last GROUP BY 1, 2, 3
        """),
        {"first": first, "last": last},
    )
    found = []
    for row in rows:
        key = (row.issuer_id, row.payee_id)
        points[key] = points.get(key, 0) - row.points
        found.append(Pair(codes[key[0]], codes[key[1]], row.points, row.currency, row.amount_minor))
    found += [Pair(codes[key[0]], codes[key[1]], left, None, None) for key, left in points.items() if left]
    return sorted(found, key=lambda one: (one.issuer, one.redeemer, one.currency or ""))


COLUMNS = (
    Column("issuer", "issuer"), Column("redeemer", "redeemer"), Column("points", "points", NUMBER), CURRENCY,
    Column("amount_minor", "owed", MONEY),
)  # fmt: skip

_PICTURE = Squares("issuer", "redeemer", "points")


def table(pairs: list[Pair], first: date, last: date) -> Table:
    """The matrix for people and programs, a row for each pair."""
    rows = [(one.issuer, one.redeemer, one.points, one.currency, one.amount_minor) for one in pairs]
    note = (
        "Nothing is owed for points redeemed at their issuer, and for points set aside for want of an agreement, until "
        "a later day takes them in."
    )
    return Table(f"Points redeemed from {first} to {last}, by issuer and redeemer", COLUMNS, rows, note, _PICTURE)
