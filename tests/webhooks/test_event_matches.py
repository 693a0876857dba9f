"""What an event tells of the endpoints it went to, and of those it did not."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from kit import clock, ids, outbox
from tests.conftest import NOW, World, act
from tests.webhooks.told import partner_id as partner_id
from tests.webhooks.told import purge, sequence, told
from webhooks import endpoints, event_matches
from webhooks.event_matches import EventNotFound


def test_an_event_tells_which_endpoints_it_went_to_and_why_not_to_others(world: World, partner_id: UUID) -> None:
    def endpoint(types: list[str]) -> UUID:
        with world.transaction() as session:
            made, _ = endpoints.register(
                session, act(world.keyring, now=clock.now()), partner_id=partner_id, url="https://a.example",
                event_types=types,
            )  # fmt: skip
        return made.endpoint_id

    wants, other, filtering, changed = (endpoint(types) for types in (["*"], ["member.*"], ["member.*"], ["member.*"]))
    [event_id] = told(world, partner_id, "points.earned")
    late = endpoint(["*"])
    with world.transaction() as session:
        for one, filter_ in ((filtering, '{"data": {"points": {"$gte": 2}}}'), (changed, None)):
            session.execute(
                text("""
                    UPDATE webhooks.endpoint SET event_types = '{*}', filter = CAST(:filter AS jsonb)
                    WHERE endpoint_id = :id
                """),
                {"id": one, "filter": filter_},
            )
        found = event_matches.get(session, event_id=ids.parse(ids.EVENT, event_id), partner_id=partner_id)
        reasons = {match.endpoint_id: match.reason for match in found.endpoints}
        with pytest.raises(EventNotFound):
            event_matches.get(session, event_id=ids.parse(ids.EVENT, event_id), partner_id=ids.new())
    assert found.event["id"] == event_id
    assert reasons == {
        wants: None, other: "event_type", filtering: "filter", changed: "unknown", late: "registered_later"
    }  # fmt: skip
    [match] = [match for match in found.endpoints if match.matched]
    assert (match.endpoint_id, match.delivery_state) == (wants, "pending")
    with world.transaction() as session:
        about = outbox.Event(
            type="webhook_endpoint.failing", subject_id=partner_id, partner_id=partner_id, occurred_at=NOW,
            data={"endpoint_id": str(other)},
        )  # fmt: skip
        outbox.append(session, about)
    sequence(world)
    with world.transaction() as session:
        found = event_matches.get(session, event_id=about.event_id, partner_id=partner_id)
        assert {match.endpoint_id: match.reason for match in found.endpoints}[other] == "about_itself"
    purge(world, event_id)
    with pytest.raises(EventNotFound), world.transaction() as session:
        event_matches.get(session, event_id=ids.parse(ids.EVENT, event_id), partner_id=partner_id)
