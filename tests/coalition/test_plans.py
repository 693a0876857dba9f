"""Whatever a partner asks for is found by an index: no statement reads a table of the ledger from end to end."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from coalition import identifiers, ledger, members, scheduled_postings, wallets
from kit import ids, logins
from kit.db import Database, Tenant
from tests.conftest import CARD, NOW, World, request

A = ids.new()
# The nightly expiry and the deletion of old outcomes may read a table whole; nobody waits for them at a till.
TABLES = ("wallet", "lot", "txn", "posting", "hold", "member", "member_identifier", "idempotency")


def post(world: World, command, partner=A) -> ledger.Transaction:
    with world.transaction() as session:
        return ledger.post(session, request(partner), command).unwrap()


def do_everything(world: World) -> None:
    soon = NOW + timedelta(hours=1)
    member = world.member()
    earned = world.earn(A, member, 100)
    world.earn(A, member, 5, due_at=soon)
    burned = world.burn(A, member, 10)
    held = [
        post(world, ledger.Hold(member_id=member, reference=f"h{n}", points=5, due_at=soon)).transaction_id
        for n in range(3)
    ]
    post(world, ledger.Capture(original_id=held[0], reference="c"))
    post(world, ledger.Void(original_id=held[1], reference="v"))
    post(world, ledger.Reversal(original_id=burned.transaction_id, reference="x1"))
    post(world, ledger.Reversal(original_id=earned.transaction_id, reference="x2", points=5))
    scheduled_postings.lapse_holds(world.database, now=soon)
    scheduled_postings.vest(world.database, now=soon)
    # As the service sees them, and as the partner does: the wall in between is looked up by index, too.
    tenants = logins.tenant_database(world.settings, pool_size=1)
    for database in (world.database, tenants.of(Tenant(A))):
        with database.transaction() as session:
            wallets.balance(session, member_id=member, partner_id=A)
            wallets.balance_at(session, member_id=member, at=NOW)
            wallets.history(session, member_id=member, partner_id=A, limit=50)
            wallets.by_reference(session, reference="h1", partner_id=A, limit=50)
            transaction = wallets.transaction(session, transaction_id=held[0], partner_id=A)
            wallets.hold(session, hold_id=held[0], partner_id=A)
            assert wallets.moved_lots(session, transaction)
            assert wallets.followers(session, transaction)
            members.find(session, identifiers.parse("card", CARD, partner_id=A), world.keyring)
            members.by_id(session, member)
            assert ledger.is_answered(session, request(A), ledger.Capture(original_id=held[0], reference="c"))
    tenants.close()


def scans(world: World) -> dict[str, tuple[int, int]]:
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        rows = owner.execute(
            "SELECT relname, seq_scan, idx_scan FROM pg_stat_user_tables WHERE schemaname = 'coalition'"
        ).fetchall()
    return {name: (seq_scans, index_scans) for name, seq_scans, index_scans in rows if name in TABLES}


def test_no_statement_reads_a_table_of_the_ledger_whole(own_world: World) -> None:
    world = own_world
    url = str(world.settings.database_url)
    with psycopg.connect(url, autocommit=True) as owner:
        name = sql.Identifier(str(make_url(url).database))
        # Tables as small as these would be read whole for speed; told not to, it is done only where no index helps.
        owner.execute(sql.SQL("ALTER DATABASE {} SET enable_seqscan = off").format(name))
    before = scans(world)
    watched = World(world.settings, Database(url), world.keyring)
    do_everything(watched)
    watched.database.close()  # the counts are handed in with the goodbye
    deadline = time.monotonic() + 10
    while (after := scans(world))["hold"][1] == before["hold"][1] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {name: counts[0] - before[name][0] for name, counts in after.items()} == dict.fromkeys(TABLES, 0)
    assert all(counts[1] > before[name][1] for name, counts in after.items())
