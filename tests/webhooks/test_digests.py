"""Each event is in one digest, and who changes a digest is found out."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from api import jobs
from kit import clock, ids, logs
from kit.secrets import signature_holds
from kit.settings import to_environment
from tests.conftest import World, act
from tests.webhooks.told import MIDNIGHT, ids_of, purge, sequence, tell, told
from tests.webhooks.told import partner_id as partner_id
from webhooks import digests, endpoints, feed
from webhooks.digests import DigestNotFound


def hash_of(event_ids: list[str]) -> bytes:
    return sha256("".join(f"{one}\n" for one in event_ids).encode()).digest()


def make(world: World, now: datetime) -> int:
    return digests.make_due(world.database, now=now, keyring=world.keyring)


def test_each_event_is_in_one_digest_and_it_is_what_a_puller_saw(world: World, partner_id: UUID) -> None:
    day, hour = timedelta(days=1), timedelta(hours=1)
    first = sorted(told(world, partner_id, "points.earned", "points.earned", at=MIDNIGHT - hour))
    with world.transaction() as late:
        latecomer = tell(late, partner_id, at=MIDNIGHT - timedelta(seconds=5))
        assert make(world, MIDNIGHT) == 0, "the day is not over long enough"
        assert make(world, MIDNIGHT + hour) == 1
    sequence(world)
    second = told(world, partner_id, "points.burned", at=MIDNIGHT + hour)
    quiet = world.partner("quiet").partner_id
    with world.transaction() as session:
        endpoints.register(session, act(world.keyring), partner_id=quiet, url="https://a.example", event_types=["*"])
    assert make(world, MIDNIGHT + 3 * day + hour) == 3 + 1
    assert make(world, MIDNIGHT + 3 * day + hour) == 0
    with world.database.reading() as session, ids.seen_by(ids.OUR_OWN):
        found = digests.of_partner(session, partner_id, before=MIDNIGHT.date() + 9 * day, limit=9)[::-1]
        assert [one.day for one in found] == [MIDNIGHT.date() + n * day for n in (-1, 0, 1, 2)]
        pulled: list[list[str]] = []
        for digest in found:
            page = feed.read(
                session, partner_id=partner_id, after=digest.after_position, event_types=["*"],
                limit=max(digest.events, 1),
            )  # fmt: skip
            pulled.append(ids_of(page)[: digest.events])
            assert digest.ids_hash == hash_of(pulled[-1])
        assert pulled == [first, [latecomer, *second], [], []]
        assert [one.after_position for one in found[1:]] == [one.last_position for one in found[:-1]]
        assert digests.get(session, partner_id=quiet, day=MIDNIGHT.date() + 2 * day).ids_hash == hash_of([])
        with pytest.raises(DigestNotFound):
            digests.get(session, partner_id=quiet, day=MIDNIGHT.date())
        key = digests.public_key(world.keyring)
        said = digests.signed(session, found[0])
        assert f"events 2\nids {hash_of(first).hex()}\n" in said
        assert signature_holds(said.encode(), found[0].signature, public_key=key)
        for lie in ("events 3", f"partner {ids.show(ids.PARTNER, quiet)}", f"day {found[1].day}"):
            name = lie.partition(" ")[0]
            changed = "\n".join(lie if line.startswith(name) else line for line in said.split("\n"))
            assert not signature_holds(changed.encode(), found[0].signature, public_key=key)


def test_the_first_digest_after_an_update_begins_with_what_is_kept(world: World, partner_id: UUID) -> None:
    day = timedelta(days=1)
    made = [told(world, partner_id, "points.earned", at=MIDNIGHT + n * day)[0] for n in range(4)]
    purge(world, *made[:2])
    assert make(world, MIDNIGHT + 4 * day + timedelta(hours=1)) == 2
    with world.database.reading() as session:
        found = digests.of_partner(session, partner_id, before=MIDNIGHT.date() + 9 * day, limit=9)
    assert [one.ids_hash for one in found] == [hash_of([made[3]]), hash_of([made[2]])]


def test_the_job_makes_those_of_yesterday(world: World, partner_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in to_environment(world.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logs, "configure", lambda format_: None)  # for a process of the job's own
    yesterday = clock.now() - timedelta(days=1)
    told(world, partner_id, "points.earned", at=yesterday - timedelta(hours=1))
    jobs.forget_what_is_over()
    jobs.forget_what_is_over()
    with world.database.reading() as session:
        [*_, first] = digests.of_partner(session, partner_id, before=clock.now().date(), limit=9)
    assert (first.day, first.events) == ((yesterday - timedelta(hours=1)).date(), 1)
