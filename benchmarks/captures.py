"""capture_db: holds made before through the ledger's own function, each captured whole, against TPC-B-like.

Which hold comes next a sequence says, so that no client meets another's; the holds' ids follow from their numbers.
"""

from __future__ import annotations

from uuid import UUID

from benchmarks import fixtures
from benchmarks.figures import Figure
from benchmarks.fixtures import MEMBERS, PARTNERS, Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.ledger_sql import (
    SPENT,
    check,
    check_held,
    lots_for,
    lots_per_transaction,
    measure,
    new_id_sql,
    partners_sql,
    posted_in,
)
from benchmarks.pgbench import NAME, Tpcb
from kit import clock
from kit.db import SERVICE_ROLE

HOLD_IDS = 4  # the kind of their numbered ids
HOLDS_PER_REFERENCE = 2  # for every TPC-B-like transaction that is expected
HOLDS_AT_ONCE = 2_000


def capture(harness: Harness, tpcb: Tpcb) -> Figure:
    """Captures of whole holds over 1 to 3 lots; how many are needed a first run of the reference tells."""
    holds = int(HOLDS_PER_REFERENCE * tpcb.run().per_second * harness.seconds * harness.runs)
    now = clock.now()
    with harness.new_books("capture", now=now) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=now)
        lots = lots_for(holds)
        report(f"stocking {MEMBERS:,} wallets with {lots} lots each, and {holds:,} holds")
        fixtures.make_wallets(books, partners, Wallets(now.date(), now, lots=lots, with_reserve=True))
        _make_holds(books, partners, holds)
        runs = measure(harness, books, tpcb, _script(books, partners))
        _check(books, holds, posted_in(runs))
        mean = lots_per_transaction(books, "redemption")
    return Figure("capture_db", f"captures over 1 to 3 lots, mean {mean:.2f}", NAME, [run for run, _ in runs])


def _of_hold(partners: list[UUID]) -> str:
    """SQL for the partner of hold number n."""
    return f"{partners_sql(partners)}[1 + mod(n, {len(partners)})::int]"


def _make_holds(books: Books, partners: list[UUID], holds: int) -> None:
    """Open holds number 1 to `holds`, of scattered members, each of a day."""
    hold_id = fixtures.sql_id(HOLD_IDS, "n")
    member_id = fixtures.sql_id(0, f"(1 + mod(abs(hashint8(n)::bigint), {MEMBERS}))")
    points = f"{SPENT[0]} + mod(abs(hashint8(-n)::bigint), {SPENT[1] - SPENT[0] + 1})"
    statement = f"""
        SELECT count(*) FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
        CROSS JOIN LATERAL coalition.ledger_burn(ROW(
            'hold', {_of_hold(partners)}, 'hold-' || n, sha256(int8send(n)), {hold_id}, {hold_id}, now(), {member_id},
            NULL, 'hold-' || n, {points}, NULL, NULL, NULL, now() + interval '1 day', NULL, NULL,
            NULL)::coalition.request) o
        WHERE o.refusal IS NULL
    """
    with books.owner() as owner:
        owner.execute("SET synchronous_commit = off")
        for first in range(1, holds + 1, HOLDS_AT_ONCE):
            last = min(first + HOLDS_AT_ONCE - 1, holds)
            made = owner.execute(statement.encode(), {"first": first, "last": last}).fetchone()
            if made is None or made[0] != last - first + 1:
                raise BenchmarkError(f"of the holds {first} to {last} {made} were opened")
        owner.execute("CREATE SEQUENCE coalition.hold_to_capture")
        owner.execute(f"GRANT USAGE ON SEQUENCE coalition.hold_to_capture TO {SERVICE_ROLE}".encode())
    fixtures.settle_down(books)


def _script(books: Books, partners: list[UUID]) -> str:
    new_id = new_id_sql(books)
    return f"""WITH chosen AS MATERIALIZED (SELECT nextval('coalition.hold_to_capture') AS n)
SELECT o.replayed, o.refusal, o.detail, (o.txn).* FROM chosen CROSS JOIN LATERAL coalition.ledger_end_hold(ROW(
    'capture', {_of_hold(partners)}, gen_random_uuid()::text, sha256(uuid_send(gen_random_uuid())),
    {new_id}, {new_id}, now(), NULL, {fixtures.sql_id(HOLD_IDS, "n")}, {new_id}::text, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL)::coalition.request) o;
"""


def _check(books: Books, holds: int, posted: int) -> None:
    with books.owner() as owner:
        drawn = owner.execute("SELECT last_value FROM coalition.hold_to_capture").fetchone()
        captured = owner.execute(
            "SELECT count(*) FROM coalition.hold WHERE status = 'captured' AND captured = points"
        ).fetchone()
    if drawn is None or drawn[0] > holds:
        raise BenchmarkError(f"{holds} holds were not enough: {drawn} were asked for")
    if captured is None or captured[0] < posted:
        raise BenchmarkError(f"pgbench counted {posted} captures; captured whole: {captured}")
    check(books, "capture", posted)
    check_held(books)
