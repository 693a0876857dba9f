"""How outstanding points moved: issued, redeemed and expired, by issuer and day of issue, tied to the seals.

What moves is as coalition.flows_on says. Points outstanding are what was issued and neither redeemed nor expired;
holds, pending points and merges of members change nothing of that. Unfunded points are issued when they are funded, and
count as of the day they were earned on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session, allow_long_statements
from kit.errors import Conflict


class MovementsDiffer(Conflict):
    code = "movements_differ"
    title = "Movements differ from the seals"
    description = "The points that moved on `day`, or until then, are not those that the seals have in their totals."
    remedy = "Stop and run `coalition ledger verify`: it names what was changed. Restore the rows from a backup."
    facts = ("day",)


@dataclass(frozen=True)
class Moved:
    """Points: issued less taken back, redeemed less given back, expired."""

    issued: int = 0
    redeemed: int = 0
    expired: int = 0

    @property
    def change(self) -> int:
        """What it adds to the points outstanding."""
        return self.issued - self.redeemed - self.expired

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.issued + other.issued, self.redeemed + other.redeemed, self.expired + other.expired)


@dataclass(frozen=True)
class LotDay:
    """Points that an issuer issued on one day: how many were outstanding before the first day, and what moved since."""

    issuer_id: UUID
    issued_on: date
    opening: int
    moved: Moved

    @property
    def closing(self) -> int:
        """How many are outstanding at the end of the last day."""
        return self.opening + self.moved.change


_ISSUED = """
    CASE WHEN p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
           OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending') THEN p.points
         WHEN p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded' THEN -p.points ELSE 0 END
"""
_REDEEMED = """
    CASE WHEN p.debit = 'redemption' THEN -p.points WHEN p.credit IN ('redemption', 'debt') THEN p.points ELSE 0 END
"""
_EXPIRED = "CASE WHEN p.credit = 'breakage' AND p.debit <> 'unfunded' THEN p.points ELSE 0 END"
_SUMS = f"sum({_ISSUED})::bigint AS issued, sum({_REDEEMED})::bigint AS redeemed, sum({_EXPIRED})::bigint AS expired"


def between(session: Session, first: date, last: date) -> list[LotDay]:
    """What moved from `first` to `last`, by issuer and day of issue; without what was at an end before.

    Reads all postings until `last`.
    """
    allow_long_statements(session)
    rows = session.execute(
        text(f"""
            SELECT p.issuer_id, p.issued_on, p.business_date >= :first AS is_inside, {_SUMS}
            FROM coalition.posting p WHERE p.business_date <= :last GROUP BY 1, 2, 3
        """),  # noqa: S608 -- made of constants
        {"first": first, "last": last},
    )
    before: dict[tuple[UUID, date], Moved] = {}
    inside: dict[tuple[UUID, date], Moved] = {}
    for row in rows:
        (inside if row.is_inside else before)[row.issuer_id, row.issued_on] = Moved(
            row.issued, row.redeemed, row.expired
        )
    found = [
        LotDay(*key, before.get(key, Moved()).change, inside.get(key, Moved()))
        for key in sorted(before.keys() | inside.keys())
    ]
    return [one for one in found if one.opening or one.moved != Moved()]


def by_months(session: Session, last: date) -> dict[tuple[UUID, date, date], Moved]:
    """What moved until `last`, by issuer, the first of the month of issue and the first of the month it moved in."""
    allow_long_statements(session)
    rows = session.execute(
        text(f"""
            SELECT p.issuer_id, date_trunc('month', p.issued_on)::date AS issued_in,
                   date_trunc('month', p.business_date)::date AS moved_in, {_SUMS}
            FROM coalition.posting p WHERE p.business_date <= :last GROUP BY 1, 2, 3
        """),  # noqa: S608 -- made of constants
        {"last": last},
    )
    return {(row.issuer_id, row.issued_in, row.moved_in): Moved(row.issued, row.redeemed, row.expired) for row in rows}


def require_sums(session: Session, last: date, outstanding: Mapping[UUID, int]) -> None:
    """Raise MovementsDiffer where the points outstanding at the end of `last` are not the sums of its seals.

    `outstanding` is by issuer. It reads the seals and no posting.
    """
    sealed = Counter[UUID]()
    rows = session.execute(
        text("""
            SELECT t.key, sum(t.value::bigint)::bigint
            FROM coalition.sealed_day d CROSS JOIN LATERAL jsonb_each_text(d.totals) t
            WHERE d.day <= :last GROUP BY t.key
        """),
        {"last": last},
    )
    for account, points in rows:
        issuer_id, moved = _of_total(account, points)
        sealed[issuer_id] += moved.change
    for issuer_id in sorted(outstanding.keys() | sealed.keys()):
        here, there = outstanding.get(issuer_id, 0), sealed[issuer_id]
        if here != there:
            shown = ids.show(ids.PARTNER, issuer_id)
            raise MovementsDiffer(
                f"until {last}: of {shown} {here} points are outstanding, and the seals have {there}", day=last
            )


def require_seals(session: Session, last: date) -> None:
    """Raise MovementsDiffer, which names the first day until `last` whose postings aren't what its seal has."""
    allow_long_statements(session)
    found: dict[tuple[date, UUID], Moved] = {
        (row.business_date, row.issuer_id): Moved(row.issued, row.redeemed, row.expired)
        for row in session.execute(
            text(f"""
                SELECT p.business_date, p.issuer_id, {_SUMS}
                FROM coalition.posting p WHERE p.business_date <= :last GROUP BY 1, 2
            """),  # noqa: S608 -- made of constants
            {"last": last},
        )
    }
    sealed: dict[tuple[date, UUID], Moved] = {}
    rows = session.execute(text("SELECT day, totals FROM coalition.sealed_day WHERE day <= :last"), {"last": last})
    for day, totals in rows:
        for account, points in (totals or {}).items():
            issuer_id, moved = _of_total(account, points)
            sealed[day, issuer_id] = sealed.get((day, issuer_id), Moved()) + moved
    for day, issuer_id in sorted(found.keys() | sealed.keys()):
        here, there = found.get((day, issuer_id), Moved()), sealed.get((day, issuer_id), Moved())
        if here != there:
            raise MovementsDiffer(
                f"{day}: of {ids.show(ids.PARTNER, issuer_id)} {here} moved, and the seal has {there}", day=day
            )


def _of_total(account: str, points: int) -> tuple[UUID, Moved]:
    """What one of a seal's totals says, `debit>credit:issuer` and its points."""
    accounts, _, issuer = account.partition(":")
    debit, _, credit = accounts.partition(">")
    issuance = ("issuance", "adjustment")
    if "unfunded" in (debit, credit):
        return UUID(issuer), Moved(issued=points if credit in ("wallet", "pending") else 0)
    return UUID(issuer), Moved(
        issued=points if debit in issuance else -points if credit in issuance else 0,
        redeemed=-points if debit == "redemption" else points if credit in ("redemption", "debt") else 0,
        expired=points if credit == "breakage" else 0,
    )


def redeemed_between(session: Session, first: date, last: date) -> dict[tuple[UUID, UUID], int]:
    """Points by issuer and redeemer, redeemed less given back on the days from `first` to `last`."""
    rows = session.execute(
        text(f"""
            SELECT p.issuer_id, p.partner_id, sum({_REDEEMED})::bigint FROM coalition.posting p
            WHERE p.business_date BETWEEN :first AND :last
              AND (p.debit = 'redemption' OR p.credit IN ('redemption', 'debt')) GROUP BY 1, 2
        """),  # noqa: S608 -- made of constants
        {"first": first, "last": last},
    )
    return {(row[0], row[1]): row[2] for row in rows}
