"""Stock: partners, members, wallets full of lots, made in bulk as the ledger would have left them.

Only the owner may write them so. Their events are left out, for no pump should meet them during a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.harness import Books
from kit.audit import Act, Actor
from kit.db import Session
from partners import accounts
from settlement.terms import Terms, take_on

MEMBERS = 10_000
PARTNERS = 10
LOT_POINTS = 100
RESERVE_POINTS = 1_000_000_000


@dataclass(frozen=True)
class Wallets:
    """Which wallets to make: each gets `lots` of 100 points and, behind, a reserve that never ends."""

    day: date
    now: datetime
    members: int = MEMBERS
    lots: int = 0
    with_reserve: bool = False


def member_id(n: int) -> UUID:
    """The id of the n-th member, from 1; in order, as UUIDv7 are."""
    return numbered_id(0, n)


def sql_id(kind: int, number: str) -> str:
    """SQL for the id number `number` of a kind: 0 is members, as in `member_id`."""
    return f"('01900000-0000-7{kind:03x}-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def numbered_id(kind: int, n: int) -> UUID:
    """What `sql_id` gives for `n`."""
    return UUID(f"01900000-0000-7{kind:03x}-8000-{n:012x}")


def make_partners(books: Books, *, count: int, now: datetime) -> list[UUID]:
    """Partners that issue and redeem."""
    with books.database.transaction() as session:
        return [
            take_on(session, act(books, now), code=f"brand-{n}", name=f"Brand {n}", terms=terms(n)).partner_id
            for n in range(count)
        ]


def act(books: Books, now: datetime) -> Act:
    """What a benchmark does."""
    return Act(actor=Actor(kind="operator", actor_id="a benchmark"), now=now, keyring=books.keyring, reason="measured")


def terms(n: int) -> Terms:
    """What the brand number `n` issues its points for."""
    return Terms(points_per_unit=Decimal(1), redemption_price_minor=Decimal("0.75") + Decimal(n) / 80)


def first_partner(session: Session) -> UUID:
    """The partner that was made first."""
    return accounts.by_code(session, "brand-0").partner_id


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


def make_members(owner: psycopg.Connection[tuple[Any, ...]], *, enrolled_by: UUID, wanted: Wallets) -> None:
    """Members with a card each and an empty wallet."""
    member, numbers = sql_id(0, "n"), "generate_series(1, %(members)s::bigint) AS n"
    identifier = f"'card', sha256(uuid_send({member})), {member}, ''"
    statements = (
        f"INSERT INTO coalition.member SELECT {member}, %(by)s, %(now)s FROM {numbers}",
        f"INSERT INTO coalition.member_identifier SELECT {identifier} FROM {numbers}",
        f"INSERT INTO coalition.wallet (member_id) SELECT {member} FROM {numbers}",
    )
    for statement in statements:
        owner.execute(statement.encode(), {"members": wanted.members, "by": enrolled_by, "now": wanted.now})


def settle_down(books: Books) -> None:
    """Leave no first reader to pay for what bulk loading left undone."""
    with books.owner() as owner:
        owner.execute("VACUUM ANALYZE")
        owner.execute("CHECKPOINT")


# The reserve is the last lot of each member: it expires last, so it is burned last. Where burns are measured
# the first is partly used, so that the first burn of a wallet crosses lots as later ones do.
_LOT_SOURCE = f"""
    CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT *, sum(points) OVER (PARTITION BY member_id ORDER BY seq) AS available_after
    FROM (SELECT {sql_id(0, "m")} AS member_id, k AS seq, {sql_id(1, "(m * 100000 + k)")} AS txn_id,
                 (%(issuers)s::uuid[])[1 + (m + k) %% cardinality(%(issuers)s::uuid[])] AS issuer_id,
                 CASE WHEN k > %(lots)s THEN %(reserve)s::bigint
                      WHEN k = 1 AND %(each)s > %(lots)s THEN 1 + m %% %(points)s
                      ELSE %(points)s::bigint END AS points,
                 %(day)s::date AS day, %(day)s::date + 700 + k::int AS expires_on, %(now)s::timestamptz AS at
          FROM generate_series(1, %(members)s::bigint) AS m, generate_series(1, %(each)s::bigint) AS k) lots
""".encode()
_LOT_ROWS = (
    b"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after,
                               reference, expires_on, effective_at, booked_at, business_date,
                               original_business_date)
    SELECT member_id, seq, txn_id, 'earn', issuer_id, points, available_after, 'fixtures-' || txn_id, expires_on,
           at, at, day, day FROM made
    """,
    b"""
    INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open,
                               txn_id)
    SELECT member_id, txn_id, issuer_id, day, expires_on, points, points, true, txn_id FROM made
    """,
    b"""
    INSERT INTO coalition.posting
    SELECT member_id, txn_id, 1, 'issuance', 'wallet', points, txn_id, issuer_id, issuer_id, day, day
    FROM made
    """,
    b"""
    UPDATE coalition.wallet w SET available = m.available, version = m.version
    FROM (SELECT member_id, max(available_after) AS available, max(seq) AS version FROM made GROUP BY 1) m
    WHERE w.member_id = m.member_id
    """,
)
