"""Stock: partners, members, and wallets full of lots, made in bulk as the rows the ledger's functions would have left.

Only the owner may write them so. Events of these rows are left out, for no pump should meet them during a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.ground import Books
from partners import accounts

MEMBERS = 10_000
PARTNERS = 10
LOT_POINTS = 100
RESERVE_POINTS = 1_000_000_000


@dataclass(frozen=True)
class Wallets:
    """Which wallets to make: each of `members` gets `lots` of 100 points and, behind them, a lot that never runs dry."""

    day: date
    now: datetime
    members: int = MEMBERS
    lots: int = 0
    with_reserve: bool = False


def member_id(n: int) -> UUID:
    """The id of the n-th member, from 1; in order, as UUIDv7 are."""
    return UUID(f"01900000-0000-7000-8000-{n:012x}")


def sql_id(kind: int, number: str) -> str:
    """SQL for the id number `number` of a kind: 0 is members, as in `member_id`."""
    return f"('01900000-0000-7{kind:03x}-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def make_partners(books: Books, *, count: int, now: datetime) -> list[UUID]:
    """Partners that issue and redeem."""
    with books.database.transaction() as session:
        return [
            accounts.create(session, code=f"brand-{n}", name=f"Brand {n}", now=now).partner_id for n in range(count)
        ]


def make_wallets(books: Books, issuers: list[UUID], wanted: Wallets) -> None:
    """Members with their wallets and lots, each lot with the earn and the posting it came from."""
    with books.owner() as owner, owner.transaction():
        make_members(owner, enrolled_by=issuers[0], wanted=wanted)
        each = wanted.lots + wanted.with_reserve
        if each:
            parameters = {
                "members": wanted.members,
                "lots": wanted.lots,
                "each": each,
                "points": LOT_POINTS,
                "reserve": RESERVE_POINTS,
                "issuers": issuers,
                "day": wanted.day,
                "now": wanted.now,
            }
            owner.execute(_LOT_SOURCE, parameters)
            for statement in _LOT_ROWS:
                owner.execute(statement)
            owner.execute("DROP TABLE made")
    settle_down(books)


def make_members(
    owner: psycopg.Connection[tuple[Any, ...]], *, enrolled_by: UUID, wanted: Wallets
) -> None:
    """Members with a card each and an empty wallet."""
    numbers = "generate_series(1, %(members)s::bigint) AS n"
    statements = (
        f"INSERT INTO coalition.member SELECT {sql_id(0, 'n')}, %(by)s, %(now)s FROM {numbers}",
        "INSERT INTO coalition.member_identifier (kind, fingerprint, member_id, masked) "
        f"SELECT 'card', sha256(int8send(n)), {sql_id(0, 'n')}, '•••• ' || lpad((n % 10000)::text, 4, '0') FROM {numbers}",
        f"INSERT INTO coalition.wallet (member_id) SELECT {sql_id(0, 'n')} FROM {numbers}",
    )
    for statement in statements:
        owner.execute(statement.encode(), {"members": wanted.members, "by": enrolled_by, "now": wanted.now})


def settle_down(books: Books) -> None:
    """Leave no first reader to pay for what bulk loading left undone."""
    with books.owner() as owner:
        owner.execute("VACUUM ANALYZE")
        owner.execute("CHECKPOINT")


# The reserve is the last lot of each member: it expires last, so it is burned last.
_LOT_SOURCE = f"""
    CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT {sql_id(0, "m")} AS member_id, k AS seq, {sql_id(1, "(m * 100000 + k)")} AS txn_id,
           (%(issuers)s::uuid[])[1 + (m + k) %% cardinality(%(issuers)s::uuid[])] AS issuer_id,
           CASE WHEN k > %(lots)s THEN %(reserve)s::bigint ELSE %(points)s::bigint END AS points,
           CASE WHEN k > %(lots)s THEN %(lots)s * %(points)s::bigint + %(reserve)s::bigint
                ELSE k * %(points)s::bigint END AS available_after,
           %(day)s::date AS day, %(day)s::date + 700 + k::int AS expires_on, %(now)s::timestamptz AS at
    FROM generate_series(1, %(members)s::bigint) AS m CROSS JOIN generate_series(1, %(each)s::bigint) AS k
""".encode()
_LOT_ROWS = (
    b"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after, reference,
                               expires_on, effective_at, booked_at, business_date, original_business_date)
    SELECT member_id, seq, txn_id, 'earn', issuer_id, points, available_after, 'stock-' || txn_id, expires_on, at, at,
           day, day FROM made
    """,
    b"""
    INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open)
    SELECT member_id, txn_id, issuer_id, day, expires_on, points, points, true FROM made
    """,
    b"""
    INSERT INTO coalition.posting
    SELECT member_id, txn_id, 1, 'issuance', 'wallet', points, txn_id, issuer_id, issuer_id, day, day FROM made
    """,
    b"""
    UPDATE coalition.wallet w SET available = m.available, version = m.version
    FROM (SELECT member_id, max(available_after) AS available, max(seq) AS version FROM made GROUP BY 1) m
    WHERE w.member_id = m.member_id
    """,
)
