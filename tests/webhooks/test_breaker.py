"""The breaker: it opens for who fails, not for who fails now and then, and as long as the failures say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from kit import clock, ids
from kit.db import Session
from tests.conftest import NOW, World, act, until_somebody_waits
from tests.webhooks.told import sequence, tell
from webhooks import endpoints, health, outcomes, queue
from webhooks.health import BREAKER_AFTER, PROBE_AFTER, PROBE_AT_MOST, Health
from webhooks.places import Places
from webhooks.pump import Pump
from webhooks.queue import LEASE, Claim, Result


def test_many_that_fail_together_open_the_breaker_once_and_each_probe_that_fails_doubles_its_time() -> None:
    known = health.after_failures(Health(), 64, now=NOW).health
    assert known.probe_at == NOW + PROBE_AFTER
    assert health.after_failures(known, 60, now=NOW + timedelta(seconds=1)).health == known, "begun before it opened"
    waits = []
    for _ in range(7):
        at = known.probe_at
        known = health.after_failures(known, 1, now=at, probed=True).health
        waits.append((known.probe_at - at) / PROBE_AFTER)
    assert waits == [2, 4, 8, 16, PROBE_AT_MOST / PROBE_AFTER, 30, 30]
    assert health.after_success(known).health == Health()


def test_one_after_the_other_they_open_it_too() -> None:
    known = Health()
    for _ in range(BREAKER_AFTER):
        assert known.probe_at is None
        known = health.after_failures(known, 1, now=NOW).health
    assert known.probe_at == NOW + PROBE_AFTER


def register(session: Session, world: World, partner_id: UUID) -> endpoints.Endpoint:
    made, _ = endpoints.register(
        session, act(world.keyring), partner_id=partner_id, url="https://x.example/hook", event_types=["*"]
    )
    return made


@pytest.fixture
def endpoint(world: World) -> endpoints.Endpoint:
    partner_id = world.partner("greengrocer").partner_id
    with world.transaction() as session:
        return register(session, world, partner_id)


def ended(endpoint: endpoints.Endpoint, *, succeeded: bool, is_behind: bool = False, started_at=NOW) -> Result:
    claim = Claim(
        ids.new(), ids.new(), endpoint.endpoint_id, endpoint.partner_id, ids.new(), 1, 1, 1, started_at, 1, None, 1, b""
    )
    return answered(claim, succeeded=succeeded, is_behind=is_behind)


def answered(claim: Claim, *, succeeded: bool, is_behind: bool = False) -> Result:
    return Result(
        claim=claim, succeeded=succeeded, status_code=204 if succeeded else 500, error=None, duration_ms=1,
        response=b"", retry_in=None, is_behind=is_behind,
    )  # fmt: skip


def after(world: World, *results: Result) -> tuple[int, bool]:
    """Failures in a row, and whether the breaker is open, after these ended in one turn of the pump."""
    with world.transaction() as session:
        outcomes.hold(session, results)
        outcomes.record(session, results, now=NOW)
        row = session.execute(text("SELECT failures, probe_at IS NOT NULL FROM webhooks.endpoint_state")).one()
        return row[0], row[1]


def test_who_fails_now_and_then_is_sent_everything_however_many_end_in_one_turn(world, endpoint) -> None:
    good, bad = ended(endpoint, succeeded=True), ended(endpoint, succeeded=False)
    assert after(world, *[bad, good, good] * 30) == (0, False)
    assert after(world, *[good, bad, bad] * 30) == (2, False)
    assert after(world, good, bad) == (1, False)
    assert after(world, bad, bad, bad, bad) == (5, True)


def test_a_batch_that_fails_is_one_failure(world, endpoint) -> None:
    head, behind = ended(endpoint, succeeded=False), ended(endpoint, succeeded=False, is_behind=True)
    assert after(world, head, *[behind] * 49) == (1, False)


def test_once_it_is_open_only_the_probe_counts(world, endpoint) -> None:
    bad = ended(endpoint, succeeded=False)
    assert after(world, *[bad] * 40) == (5, True)
    assert after(world, *[bad] * 20) == (5, True)
    begun = NOW + PROBE_AFTER
    with world.transaction() as session:  # as who claims it does
        session.execute(text("UPDATE webhooks.endpoint_state SET probe_at = :at"), {"at": begun + LEASE})
    assert after(world, ended(endpoint, succeeded=False, started_at=begun), bad) == (6, True)
    assert after(world, ended(endpoint, succeeded=True)) == (0, False)


def test_what_ended_and_what_is_fanned_out_never_wait_for_each_other(world) -> None:
    """A turn once took an endpoint in order first, then one that failed; who fanned out took them by their ids."""
    partner_id = world.partner("greengrocer").partner_id
    with world.transaction() as session:
        first, second = sorted(register(session, world, partner_id).endpoint_id for _ in range(2))
        session.execute(
            text("UPDATE webhooks.endpoint SET ordering = 'strict' WHERE endpoint_id = :id"), {"id": second}
        )
        tell(session, partner_id)
    sequence(world)
    with world.transaction() as session:
        claims = queue.claim(session, now=clock.now(), free=Places().free([]))
    results = [answered(claim, succeeded=claim.endpoint_id == second) for claim in claims]
    pump = Pump(world.settings, world.database, world.keyring, redis_url=str(world.settings.redis_url))
    hold = text("SELECT FROM webhooks.endpoint_state WHERE endpoint_id = :id FOR UPDATE")
    with ThreadPoolExecutor(1) as thread:
        with world.transaction() as fans_out:
            fans_out.execute(hold, {"id": first})
            turn = thread.submit(pump._database_turn, results, None)
            until_somebody_waits(world)
            fans_out.execute(hold, {"id": second})
        assert turn.result(10).notices == []
    assert world.count("webhooks.attempt") == len(claims) == 2
