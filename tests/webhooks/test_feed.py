"""The feed: all of a partner's events, each once, in one order, whenever they were committed."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from kit import clock, event_feed, ids, logins, outbox
from kit.db import Tenant
from tests.conftest import World
from tests.webhooks.told import MIDNIGHT, TYPES, ids_of, pages, place, purge, sequence, tell, told
from tests.webhooks.told import partner_id as partner_id
from webhooks import feed
from webhooks.feed import CursorExpired, Start, TimeInFuture


@settings(max_examples=15)
@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(TYPES)), max_size=5), max_size=5),
    limit=st.integers(1, 4),
    wanted=st.sampled_from([["*"], ["points.*"], ["member.enrolled"], ["points.burned", "member.*"]]),
    purged=st.integers(0, 12),
)
def test_pages_are_complete_and_in_order_whatever_is_wanted(
    shared_world: World, batches, limit, wanted, purged
) -> None:
    world = shared_world
    with world.transaction() as session:
        owners = [ids.new(), ids.new()]
        model: list[tuple[str, str]] = []
    for batch in batches:
        with world.transaction() as session:
            made = [(owner, type_, tell(session, owners[owner], type_)) for owner, type_ in batch]
        sequence(world)
        model += [(type_, event_id) for owner, type_, event_id in made if owner == 0]
    kept = model[purged:]
    purge(world, *[event_id for _, event_id in model[:purged]])
    expected = [event_id for type_, event_id in kept if any(feed.matches([one], type_) for one in wanted)]
    start = place(world, owners[0], Start.BEGINNING)
    found = list(pages(world, owners[0], start, limit=limit, event_types=wanted))
    assert [event_id for page in found for event_id in ids_of(page)] == expected
    assert all(len(page.events) <= limit for page in found)
    if model[:purged]:
        with pytest.raises(CursorExpired):
            next(pages(world, owners[0], limit=limit, event_types=wanted))
    assert place(world, owners[0], Start.END) >= found[-1].position


def test_events_are_the_very_bodies_that_webhooks_send(world: World, partner_id: UUID) -> None:
    member_id = world.member()
    world.earn(partner_id, member_id, 10)
    sequence(world)
    [page] = pages(world, partner_id, limit=10)
    with world.transaction() as session:
        bodies = session.scalars(text("SELECT body FROM kit.event WHERE partner_id = :id"), {"id": partner_id}).all()
    assert page.events == [json.loads(bytes(body)) for body in bodies]
    assert page.events[0]["type"] == "points.earned"


def test_what_is_not_sequenced_is_not_seen_and_few_of_many_are_found_in_parts(
    world: World, partner_id: UUID, monkeypatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_LOOKED_AT", 3)
    made = told(world, partner_id, *["points.earned"] * 4, "member.enrolled", *["points.earned"] * 3)
    with world.transaction() as session:
        tell(session, partner_id)
    found = list(pages(world, partner_id, limit=2, event_types=["member.*"]))
    assert [ids_of(page) for page in found] == [[], [made[4]], []]
    assert [page.has_more for page in found] == [True, True, False]
    assert [event_id for page in pages(world, partner_id, limit=5) for event_id in ids_of(page)] == made
    [empty] = pages(world, partner_id, found[-1].position, limit=2)
    assert (empty.events, empty.position, empty.has_more) == ([], found[-1].position, False)


def write(world: World, partner_id: UUID, number: int, together: threading.Barrier) -> list[str]:
    """Write some events in each of several transactions, which others do at the same time."""
    written: list[str] = []
    for turn in range(12):
        with world.transaction() as session:
            written += [tell(session, partner_id) for _ in range(3)]
            together.wait(timeout=30)  # all have taken their ids, and now commit in another order each time
            for _ in range(5 * ((number + turn) % 4)):
                session.execute(text("SELECT 1"))
    return written


def read_until(world: World, partner_id: UUID, over: threading.Event) -> list[str]:
    """What a poller sees that reads all the while, and once more when it is over."""
    seen: list[str] = []
    after, is_last = 0, False
    while not is_last:
        is_last = over.is_set()
        for page in pages(world, partner_id, after, limit=5):
            seen += ids_of(page)
            after = page.position
    return seen


def sequence_until(world: World, over: threading.Event) -> None:
    while not over.is_set():
        sequence(world)


def test_who_commits_late_is_never_skipped(world: World, partner_id: UUID) -> None:
    together, written_all, sequenced_all = threading.Barrier(4), threading.Event(), threading.Event()
    with ThreadPoolExecutor(6) as threads:
        reading = threads.submit(read_until, world, partner_id, sequenced_all)
        try:
            sequencing = threads.submit(sequence_until, world, written_all)
            writers = [threads.submit(write, world, partner_id, number, together) for number in range(4)]
            written = [event_id for one in writers for event_id in one.result()]
        finally:
            written_all.set()
            sequencing.result()
            sequence(world)
            sequenced_all.set()
        seen = reading.result()
    assert len(seen) == 4 * 12 * 3
    assert sorted(seen) == sorted(written)


def test_an_older_id_that_commits_last_comes_last(world: World, partner_id: UUID) -> None:
    with world.transaction() as late:
        early = tell(late, partner_id)
        others = told(world, partner_id, "points.earned", "points.earned")
        [page] = pages(world, partner_id, limit=10)
        assert ids_of(page) == others
    sequence(world)
    [after] = pages(world, partner_id, page.position, limit=10)
    assert ids_of(after) == [early]
    assert early < others[0]


def test_one_begins_at_a_time_and_nothing_of_it_is_left_out(world: World, partner_id: UUID) -> None:
    times = [MIDNIGHT + timedelta(minutes=20 * n) for n in range(9)]
    made = [told(world, partner_id, "points.earned", at=at)[0] for at in times]
    late = told(world, partner_id, "points.earned", at=times[5] - timedelta(minutes=1))[0]  # by a slow transaction
    told(world, world.partner("fuel").partner_id, *TYPES)

    def read(where: feed.Where) -> list[str]:
        after = place(world, partner_id, where)
        return [event_id for page in pages(world, partner_id, after, limit=4) for event_id in ids_of(page)]

    everything = [*made, late]
    assert read(Start.BEGINNING) == read(MIDNIGHT - timedelta(days=40)) == everything
    assert read(times[3]) == everything[3:]
    assert read(times[3] + timedelta(seconds=1)) == everything[4:]
    assert read(times[8] + timedelta(seconds=1)) == read(Start.END) == []
    with pytest.raises(TimeInFuture):
        read(clock.now() + timedelta(hours=1))


def test_who_reads_one_partner_s_feed_walks_through_nobody_else_s(world: World, partner_id: UUID) -> None:
    loud = world.partner("loud").partner_id
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data, position, body)
                SELECT gen_random_uuid(), gen_random_uuid(), :loud, 'points.earned', now(), '{}', n, '{}'
                FROM generate_series(1, 3000) n
            """),
            {"loud": loud},
        )
    [event_id] = told(world, partner_id, "points.earned")
    # What this connection read and nobody else: the statistics of all count others', and late.
    walked = text("SELECT pg_stat_get_xact_tuples_returned('kit.event_position'::regclass)")
    with world.database.reading() as session:
        before = session.scalar(walked)
        found = event_feed.find(session, partner_id=partner_id, event_id=ids.parse(ids.EVENT, event_id))
        assert found
        assert event_feed.find(session, partner_id=loud, event_id=found.event_id) is None
        assert event_feed.last(session, partner_id=partner_id) == found.position == 3001
        assert event_feed.before_kept(session, partner_id=partner_id) == 3000
        assert event_feed.before_time(session, partner_id=partner_id, at=MIDNIGHT) == 3000
        assert event_feed.last_before(session, partner_id=partner_id, at=clock.now() + timedelta(hours=2)) == 3001
        assert event_feed.count(session, partner_id=partner_id, after=0, types=None) == 1
        assert list(event_feed.ids_between(session, partner_id=partner_id, after=0, until=3001)) == [found.event_id]
        stretch = event_feed.read(session, partner_id=partner_id, after=0, types=None, limit=10)
        assert len(stretch.bodies) == 1
        assert len(outbox.between(session, partner_id=partner_id, after=0, up_to=3001, limit=10)) == 1
        assert session.scalar(walked) - before < 100


def test_a_partner_s_own_requests_read_from_a_place_on_not_what_is_before_it(world: World, partner_id: UUID) -> None:
    """Row-level security lets only leakproof functions into an index, and a partner's requests are under it."""
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data, position, body)
                SELECT gen_random_uuid(), gen_random_uuid(), :id, 'points.earned', now(), '{}', n, '{}'
                FROM generate_series(1, 3000) n
            """),
            {"id": partner_id},
        )
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        owner.execute("ANALYZE kit.event")
    tenants = logins.tenant_database(world.settings, pool_size=1)
    try:
        with tenants.of(Tenant(partner_id)).reading() as session:
            place = {"partner_id": partner_id, "after": 2990, "look_at": 100, "types": None, "limit": 50}
            asked = f"EXPLAIN (ANALYZE, FORMAT JSON) {event_feed._READ.text}"
            [plan] = session.scalar(text(asked), place)
    finally:
        tenants.close()
    scans = [node for node in _nodes(plan["Plan"]) if node.get("Relation Name") == "event"]
    assert [(node["Actual Rows"], node.get("Rows Removed by Filter", 0)) for node in scans] == [(10, 0)]


def _nodes(plan: dict) -> list[dict]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]
