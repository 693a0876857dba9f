"""What events say of themselves is what they are."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import jsonschema
import pytest
from sqlalchemy import text

from coalition import adjustments, closing, erasure, ledger, members, merges, upkeep
from kit import ids, outbox
from partners import lifecycle
from settlement import nights
from tests.conftest import APPROVED, NOW, World
from webhooks.event_types import EVENT_TYPES


def post(world: World, partner: UUID, command, now=NOW) -> ledger.Transaction:
    asked = ledger.Request(partner_id=partner, key=None, request_hash=None, now=now)
    with world.transaction() as session:
        if isinstance(command, adjustments.Adjustment):
            return adjustments.adjust(session, asked, command).unwrap()
        return ledger.post(session, asked, command).unwrap()


def make_one_of_each(world: World) -> None:
    """Do everything that has an event, at least once."""
    partner = world.partner("greengrocer").partner_id
    member, other = world.member(), world.member("7001000000130470")
    hour = NOW + timedelta(hours=1)
    old = NOW - timedelta(days=727)
    world.earn(partner, member, 10, effective_at=old)
    world.earn(partner, member, 10, effective_at=old + timedelta(days=28))
    world.earn(partner, member, 50, due_at=hour)
    kept = [
        post(world, partner, ledger.Hold(member_id=member, reference=f"h{n}", points=2, due_at=hour)).transaction_id
        for n in range(3)
    ]
    post(world, partner, ledger.Capture(original_id=kept[0], reference="c"))
    post(world, partner, ledger.Void(original_id=kept[1], reference="v"))
    upkeep.lapse_holds(world.database, now=hour)
    upkeep.vest(world.database, now=hour)
    burned = world.burn(partner, member, 5)
    post(world, partner, ledger.Reversal(original_id=burned.transaction_id, reference="x"))
    post(
        world,
        partner,
        adjustments.Adjustment(
            member_id=member, reference="a", points=1, credit=True, reason="a gift", made_by="ann"
        ),
    )  # fmt: skip
    with world.transaction() as session:
        for blocked in (True, False):
            merges.block(session, member_id=member, blocked=blocked, now=NOW)
        merges.merge(session, member_id=other, into=member, reference="m", now=NOW, approval=APPROVED).unwrap()
        gone = members.enrol(session, external_id="gone", partner_id=partner, now=NOW, keyring=world.keyring)
        erasure.erase(session, member_id=gone.member_id, forfeit=False, now=NOW)
        lifecycle.suspend(session, partner_id=partner, step=lifecycle.Step("a test", "ann", NOW))
    for n in range(3):
        day, over = NOW.date() + timedelta(days=n), NOW + timedelta(days=n + 1)
        nights.run(world.database, day=day, now=over, keyring=world.keyring)


def test_every_event_fits_its_schema_and_every_type_has_one(world: World) -> None:
    make_one_of_each(world)
    with world.transaction() as session:
        rows = session.execute(text("SELECT type, data FROM kit.event ORDER BY event_id")).all()
    assert {row.type for row in rows} == set(EVENT_TYPES)
    for row in rows:
        kind = EVENT_TYPES[row.type]
        shown = ids.show_fields(row.data)
        jsonschema.validate(shown, kind.schema, format_checker=jsonschema.FormatChecker())
        assert set(shown) == set(kind.fields), row.type
    closed = closing.close_day(world.database, day=NOW.date(), now=NOW + timedelta(days=9), keyring=world.keyring)
    assert closed.postings > 0


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_an_example_is_an_event_as_it_is_sent(name: str) -> None:
    kind = EVENT_TYPES[name]
    jsonschema.validate(kind.example["data"], kind.schema)
    frozen = outbox.freeze(event_id=ids.new(), type_=name, occurred_at=NOW, data={})
    assert set(kind.example) == set(json.loads(frozen))
