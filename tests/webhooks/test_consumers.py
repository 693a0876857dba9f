"""Named consumers: they go on from where they were, forward only unless they seek, and are never led past a gap."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from kit import audit, clock
from tests.conftest import NOW, World, act
from tests.webhooks.told import MIDNIGHT, ids_of, pages, place, purge, told
from tests.webhooks.told import partner_id as partner_id
from webhooks import consumers, feed
from webhooks.consumers import ConsumerExists, ConsumerNotFound, CursorBehind, TooManyConsumers
from webhooks.feed import CursorExpired, Start


def consumer(world: World, partner_id: UUID, name: str = "crm", *, start: feed.Where, types=("*",)):
    with world.transaction() as session:
        return consumers.create(
            session, act(world.keyring, now=clock.now()), partner_id=partner_id, name=name, event_types=[*types],
            start=start,
        )  # fmt: skip


def test_what_is_beyond_retention_is_refused_and_never_skipped(world: World, partner_id: UUID) -> None:
    made = told(world, partner_id, "points.earned", "points.burned", "points.earned")
    [page] = pages(world, partner_id, limit=10)
    end = page.position
    consumer(world, partner_id, start=Start.BEGINNING)
    purge(world, made[0], made[1])
    with pytest.raises(CursorExpired) as refused, world.database.reading() as session:
        consumers.poll(session, partner_id=partner_id, name="crm", limit=10)
    assert refused.value.fields == {"oldest_at": NOW.isoformat()}
    for where in (0, MIDNIGHT - timedelta(days=400)):
        with pytest.raises(CursorExpired):
            place(world, partner_id, where)
    with world.transaction() as session:
        consumers.seek(session, act(), partner_id=partner_id, name="crm", to=Start.BEGINNING)
        assert ids_of(consumers.poll(session, partner_id=partner_id, name="crm", limit=10)) == [made[2]]
    purge(world, made[2])
    assert place(world, partner_id, Start.BEGINNING) == end
    assert place(world, partner_id, end) == end, "who had read it all missed nothing"
    with pytest.raises(CursorExpired) as refused:
        next(pages(world, partner_id, limit=10))
    assert refused.value.fields == {"oldest_at": None}
    [new] = told(world, partner_id, "points.earned")
    assert [ids_of(page) for page in pages(world, partner_id, end, limit=10)] == [[new]]


def test_a_consumer_goes_on_from_what_it_committed(world: World, partner_id: UUID) -> None:
    made = told(world, partner_id, *["points.earned"] * 3, "member.enrolled")
    assert consumer(world, partner_id, start=Start.BEGINNING, types=["points.*"]).lag == 3
    assert consumer(world, partner_id, "new", start=Start.END).lag == 0
    with pytest.raises(ConsumerExists):
        consumer(world, partner_id, start=Start.END)
    named = {"partner_id": partner_id, "name": "crm"}
    with world.transaction() as session:
        first = consumers.poll(session, **named, limit=2)
        assert ids_of(first) == ids_of(consumers.poll(session, **named, limit=2)) == made[:2]
        assert consumers.commit(session, **named, position=first.position, now=NOW).lag is None
        assert consumers.get(session, **named).lag == 1
        second = consumers.poll(session, **named, limit=2)
        assert ids_of(second) == made[2:3]
        assert consumers.commit(session, **named, position=second.position, now=NOW).committed_at == NOW
        consumers.commit(session, **named, position=second.position, now=NOW)
        assert consumers.get(session, **named).lag == 0, "twice is once"
        with pytest.raises(CursorBehind):
            consumers.commit(session, **named, position=first.position, now=NOW)
        moved = consumers.seek(session, act(world.keyring), **named, to=first.position)
        assert moved.lag == 1
        assert [one.name for one in consumers.of_partner(session, partner_id)] == ["crm", "new"]
        consumers.remove(session, act(world.keyring), **named)
        for verb in (consumers.get, consumers.check_exists):
            with pytest.raises(ConsumerNotFound):
                verb(session, **named)
        with pytest.raises(ConsumerNotFound):
            consumers.seek(session, act(world.keyring), **named, to=Start.END)
        with pytest.raises(ConsumerNotFound):
            consumers.remove(session, act(world.keyring), **named)
    for number in range(consumers.MOST_PER_PARTNER - 1):
        consumer(world, partner_id, f"c{number}", start=Start.END)
    with pytest.raises(TooManyConsumers):
        consumer(world, partner_id, "one-more", start=Start.END)
    with world.transaction() as session:
        actions = [entry.facts["action"] for entry in audit.newest(session, limit=100)]
    assert Counter(actions) == {
        "event_consumer.created": 51, "event_consumer.moved": 1, "event_consumer.removed": 1
    }, "commits are no matter of the audit"  # fmt: skip


def test_of_many_commits_at_once_the_latest_stays(world: World, partner_id: UUID) -> None:
    told(world, partner_id, *["points.earned"] * 12)
    consumer(world, partner_id, start=Start.BEGINNING)
    positions = [page.position for page in pages(world, partner_id, limit=1)]
    go, behind = threading.Barrier(len(positions)), []

    def commit(position: int) -> None:
        go.wait(timeout=30)
        try:
            with world.database.transaction() as session:
                consumers.commit(session, partner_id=partner_id, name="crm", position=position, now=clock.now())
        except CursorBehind:
            behind.append(position)

    threads = [threading.Thread(target=commit, args=(position,)) for position in positions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.database.reading() as session:
        assert consumers.get(session, partner_id=partner_id, name="crm").position == positions[-1]
    assert positions[-1] not in behind
