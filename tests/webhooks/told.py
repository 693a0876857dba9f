"""Events told to a partner, and its feed read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from kit import clock, ids, outbox
from tests.conftest import NOW, World
from webhooks import feed
from webhooks.fan_out import fan_out

TYPES = ("points.earned", "points.burned", "member.enrolled")
MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def partner_id(world: World) -> UUID:
    return world.partner("greengrocer").partner_id


def id_at(at: datetime) -> UUID:
    """An id as it is made at that time."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | ids.new().int & (2**76 - 1))


def tell(session, partner_id: UUID, type_: str = "points.earned", at: datetime | None = None) -> str:
    event = outbox.Event(
        type=type_, subject_id=ids.new(), partner_id=partner_id, occurred_at=at or NOW, data={"points": 1},
        event_id=id_at(at) if at else ids.new(),
    )  # fmt: skip
    outbox.append(session, event)
    return ids.show(ids.EVENT, event.event_id)


def sequence(world: World) -> None:
    with world.transaction() as session:
        while fan_out(session, now=clock.now(), keyring=world.keyring):
            pass


def told(world: World, partner_id: UUID, *types: str, at: datetime | None = None) -> list[str]:
    """Events that are in the feed."""
    with world.transaction() as session:
        made = [tell(session, partner_id, type_, at) for type_ in types]
    sequence(world)
    return made


def purge(world: World, *event_ids: str) -> None:
    """Make events older than retention."""
    with world.transaction() as session:
        session.execute(
            text("UPDATE kit.event SET body = NULL WHERE event_id = ANY(:ids)"),
            {"ids": [ids.parse(ids.EVENT, one) for one in event_ids]},
        )


def pages(world: World, partner_id: UUID, after: int = 0, *, limit: int, event_types=("*",)) -> Iterator[feed.Page]:
    more = True
    while more:
        with world.database.reading() as session:
            page = feed.read(session, partner_id=partner_id, after=after, event_types=[*event_types], limit=limit)
        yield page
        after, more = page.position, page.has_more


def ids_of(page: feed.Page) -> list[str]:
    return [event["id"] for event in page.events]


def place(world: World, partner_id: UUID, where: feed.Where) -> int:
    with world.database.reading() as session:
        return feed.place(session, partner_id=partner_id, where=where, now=clock.now())
