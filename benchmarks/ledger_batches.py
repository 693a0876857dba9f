"""batch_db: earns in batches of 250, each batch one statement as `ledger.post_many` sends it, against TPC-B-like.

The arrays are made in SQL, and that is part of what is measured; the members of a batch come in their order.
"""

from __future__ import annotations

from uuid import UUID

from benchmarks import fixtures
from benchmarks.figures import Figure
from benchmarks.fixtures import PARTNERS, Wallets
from benchmarks.harness import Books, Harness, report
from benchmarks.ledger_sql import EARNED, check, measure, new_id_sql, partners_sql, posted_in
from benchmarks.pgbench import NAME, Tpcb
from coalition.ledger import MOST_AT_ONCE
from kit import clock

CLIENTS = 4
# A batch keeps its members' wallets locked to its end: among few members batches would measure waiting for each other.
MEMBERS = 100_000


def batch(harness: Harness, tpcb: Tpcb) -> Figure:
    """Earns of 100,000 members, 250 a transaction."""
    now = clock.now()
    with harness.new_books("batch", now=now) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=now)
        report(f"stocking {MEMBERS:,} empty wallets")
        fixtures.make_wallets(books, partners, Wallets(now.date(), now, members=MEMBERS))
        script = _script(books, partners)
        runs = measure(harness, books, tpcb, script, clients=CLIENTS, each=MOST_AT_ONCE)
        check(books, "earn", posted_in(runs) * MOST_AT_ONCE)
    return Figure(
        "batch_db", f"items, earns {MOST_AT_ONCE} at once from {CLIENTS} clients", NAME, [run for run, _ in runs]
    )


def _script(books: Books, partners: list[UUID]) -> str:
    new_id = new_id_sql(books)
    member = fixtures.sql_id(0, f"(1 + floor(random() * {MEMBERS})::bigint)")
    # As the service does it: one partner's items, keys and hashes of their own, in the order of the members' ids.
    return f"""\\set p random(1, {len(partners)})
WITH item AS MATERIALIZED (
    SELECT {member} AS member_id, {new_id} AS txn_id, 1 + floor(random() * {EARNED[1]})::bigint AS points
    FROM generate_series(1, {MOST_AT_ONCE})
), many AS MATERIALIZED (
    SELECT array_agg('earn'::coalition.txn_kind) AS kinds, array_agg({partners_sql(partners)}[:p]) AS partners,
           array_agg(txn_id ORDER BY member_id) AS txns, array_agg(member_id ORDER BY member_id) AS members,
           array_agg(points ORDER BY member_id) AS points, array_agg(now()) AS times,
           array_agg(gen_random_uuid()::text) AS keys, array_agg(sha256(uuid_send(txn_id))) AS hashes
    FROM item
)
SELECT o.replayed, o.refusal, o.detail, (o.txn).*
FROM many CROSS JOIN LATERAL unnest(kinds, partners, keys, hashes, txns, times, members, txns::text[], points)
    WITH ORDINALITY AS r (kind, partner_id, key, request_hash, txn_id, now, member_id, reference, points, n)
CROSS JOIN LATERAL coalition.ledger_post(ROW(
    r.kind, r.partner_id, r.key, r.request_hash, r.txn_id, r.txn_id, r.now, r.member_id, NULL, r.reference, r.points,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL)::coalition.request) o
ORDER BY r.n;
"""
