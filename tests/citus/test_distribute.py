"""`coalition db distribute` on a cluster: books with a history move, and are as right there as they were."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from coalition import closing, ledger, merges, programme, verify
from kit import ids, schema
from kit.db import TENANT_ROLE, Database, Tenant
from migrations import distribution
from tests.cluster import Cluster
from tests.conftest import APPROVED, NOW, World, act, found, request

A, B = ids.new(), ids.new()


@pytest.fixture
def moved(engines, cluster: Cluster, tmp_path: Path):
    """A coalition that posted on one node, and was distributed then: its world, and what was reported."""
    url = cluster.empty()
    schema.migrate(url)
    world = found(engines, url, tmp_path)
    member, other = world.member(), world.member("7001000000178511")
    earned = world.earn(A, member, 100, reference="E")
    world.earn(B, other, 7)
    world.burn(B, member, 30)
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=other, into=member, reference="M")
    reports: list[str] = []
    assert schema.distribute(url, report=reports.append)
    world.database.close()
    world = World(world.settings, Database(url, pool_size=10), world.keyring)
    yield world, member, earned, reports
    world.database.close()
    cluster.drop(url)


def test_what_was_posted_before_counts_afterwards(moved) -> None:
    world, member, earned, reports = moved
    assert reports[-len(distribution.BY_MEMBER) :] == [f"{table} by member" for table in distribution.BY_MEMBER]
    assert not schema.distribute(str(world.settings.database_url), report=reports.append)
    again = post(world, A, ledger.Earn(member_id=member, reference="E", points=100))
    assert (again.replayed, again.unwrap().transaction_id) == (True, earned.transaction_id)
    known = post(world, A, ledger.Earn(member_id=world.member("7001000000178529"), reference="E", points=100))
    assert known.refusal
    assert known.refusal.code == "reference_of_another_member"
    reversed_ = post(world, A, ledger.Reversal(original_id=earned.transaction_id, reference="R", points=40)).unwrap()
    assert (reversed_.points, reversed_.shortfall) == (40, 0)
    closing.close_day(world.database, act(world.keyring, now=NOW.replace(day=3)), day=NOW.date())
    with world.transaction() as session:
        verify.snapshot(session)
        broken = [each for each in verify.run(session, keyring=world.keyring) if each.broken]
        assert broken == []
        assert programme.get(session).open_day == NOW.replace(day=3).date()


def test_each_table_of_a_member_lies_with_the_member_and_all_else_on_the_coordinator(moved) -> None:
    world, *_ = moved
    with psycopg.connect(str(world.settings.database_url)) as owner:
        placed = owner.execute("""
            SELECT table_name::text, citus_table_type, distribution_column, colocation_id FROM citus_tables
        """).fetchall()
    members = {name: (column, group) for name, kind, column, group in placed if kind == "distributed"}
    assert members.keys() == set(distribution.BY_MEMBER)
    assert len(set(members.values())) == 1
    assert {name for name, kind, *_ in placed if kind != "distributed"} == {distribution.CLAIMED}


def test_a_partner_sees_its_own_rows_only_on_every_node(moved) -> None:
    world, member, earned, _ = moved
    tenants = Database(str(world.settings.database_url), role=TENANT_ROLE)
    try:
        for partner, count in ((A, 1), (B, 2), (ids.new(), 0)):
            with tenants.of(Tenant(partner)).transaction() as session:
                assert session.scalar(text("SELECT count(*) FROM coalition.txn")) == count
                assert (moved_lots(session, member, earned.transaction_id) > 0) == (partner == A)
        with tenants.of(Tenant(ids.new(), member)).transaction() as session:
            assert moved_lots(session, member, earned.transaction_id) == 1
    finally:
        tenants.close()


def moved_lots(session, member: UUID, transaction: UUID) -> int:
    asked = {"member": member, "transaction": transaction}
    return session.scalar(text("SELECT count(*) FROM coalition.moved_lots(:member, :transaction)"), asked) or 0


def post(world: World, partner: UUID, command: ledger.Command) -> ledger.Outcome:
    with world.transaction() as session:
        return ledger.post(session, request(partner), command)
