"""`ledger verify` finds and names what was changed behind the ledger's back: a test of the test."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest

from coalition import business_days, programme, verify
from coalition.business_days import DayNotClosed, DayNotOver
from coalition.programme import ClockRefused
from kit import ids
from tests.conftest import NOW, World

A, B = ids.new(), ids.new()


@pytest.fixture
def busy(world: World) -> World:
    """A closed and sealed day with an earn and a burn in it."""
    member = world.member()
    world.earn(A, member, 100)
    world.burn(B, member, 40)
    close(world, 0)
    return world


def close(world: World, n: int) -> None:
    day = NOW.date() + timedelta(days=n)
    with world.transaction() as session:
        business_days.close(session, day=day, now=NOW + timedelta(days=n + 1))
    with world.transaction() as session:
        business_days.seal(session, day=day, now=NOW, keyring=world.keyring)


def broken(world: World) -> set[str]:
    with world.transaction() as session:
        verify.snapshot(session)
        return {finding.invariant for finding in verify.run(session) if finding.broken}


def tamper(world: World, statement: str) -> None:
    """Change rows as a superuser who switches the triggers off."""
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(statement)


def test_an_honest_ledger_is_clean(busy: World) -> None:
    assert broken(busy) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE coalition.wallet SET available = available + 1",
        "UPDATE coalition.wallet SET version = version + 1",
        "UPDATE coalition.lot SET remaining = remaining - 1",
        "UPDATE coalition.lot SET issuer_id = gen_random_uuid()",
        "UPDATE coalition.txn SET available_after = available_after + 1 WHERE member_seq = 1",
        "UPDATE coalition.txn SET points = points + 1 WHERE kind = 'burn'",
        "DELETE FROM coalition.txn WHERE member_seq = 1",
        "DELETE FROM kit.event WHERE type = 'points.burned'",
        "UPDATE coalition.posting SET partner_id = gen_random_uuid() WHERE credit = 'redemption'",
        "UPDATE coalition.posting SET business_date = business_date + 30",
        "DELETE FROM coalition.posting WHERE credit = 'redemption'",
        "UPDATE coalition.sealed_day SET chain = sha256('x')",
        "UPDATE coalition.sealed_day SET postings = postings + 1",
    ],
)
def test_any_change_behind_its_back_is_found(busy: World, statement: str) -> None:
    tamper(busy, statement)
    assert broken(busy)


def test_a_missing_day_breaks_the_chain(busy: World) -> None:
    close(busy, 1)
    close(busy, 2)
    tamper(busy, "DELETE FROM coalition.sealed_day WHERE day = '2026-03-03'")
    assert verify.SEALS in broken(busy)


def test_a_running_day_can_not_be_closed(world: World) -> None:
    with pytest.raises(DayNotOver), world.transaction() as session:
        business_days.close(session, day=NOW.date(), now=NOW)


def test_an_open_day_can_not_be_sealed(world: World) -> None:
    with pytest.raises(DayNotClosed), world.transaction() as session:
        business_days.seal(session, day=NOW.date(), now=NOW, keyring=world.keyring)


def test_the_test_clock_starts_in_an_empty_coalition_only_and_moves_only_forward(world: World) -> None:
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW - timedelta(days=5000))
        assert programme.get(session).open_day.isoformat() == "2012-06-23"
    with pytest.raises(ClockRefused), world.transaction() as session:
        programme.set_test_clock(session, to=NOW - timedelta(days=5001))


def test_a_live_coalition_gets_no_test_clock(busy: World) -> None:
    with pytest.raises(ClockRefused), busy.transaction() as session:
        programme.set_test_clock(session, to=NOW + timedelta(days=9))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_are_as_long_as_the_zone_makes_them(day: str, hours: int) -> None:
    one = date.fromisoformat(day)
    london = programme.Programme(ids.new(), "GBP", "Europe/London", one, None)
    lasts = london.ends_at(one).timestamp() - london.ends_at(one - timedelta(days=1)).timestamp()
    assert lasts == hours * 3600
