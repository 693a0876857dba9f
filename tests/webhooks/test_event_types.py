"""What events say of themselves is what they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from sqlalchemy import text

from coalition import adjustments, closing, erasure, ledger, members, merges, programme, scheduled_postings
from coalition.event_types import EVENT_TYPES, PERSONAL, fields_of, patterns
from kit import ids, outbox
from partners import lifecycle
from settlement import (
    agreements,
    approvals,
    defaults,
    disputes,
    entries,
    exposure,
    funding,
    nightly,
    obligations,
    policies,
    runs,
)
from tests import pin_events
from tests.conftest import APPROVED, NOW, World, act


def post(world: World, partner: UUID, command, now=NOW) -> ledger.Transaction:
    asked = ledger.Request(partner_id=partner, key=None, request_hash=None, now=now)
    with world.transaction() as session:
        if isinstance(command, adjustments.Adjustment):
            return adjustments.adjust(session, APPROVED, asked, command).unwrap()
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
    scheduled_postings.lapse_holds(world.database, now=hour)
    scheduled_postings.vest(world.database, now=hour)
    burned = world.burn(partner, member, 5)
    post(world, partner, ledger.Reversal(original_id=burned.transaction_id, reference="x"))
    post(
        world,
        partner,
        adjustments.Adjustment(
            member_id=member, reference="a", points=1, credit=True
        ),
    )  # fmt: skip
    with world.transaction() as session:
        for blocked in (True, False):
            merges.block(session, act(), member_id=member, blocked=blocked)
        merges.merge(session, APPROVED, member_id=other, into=member, reference="m").unwrap()
        gone = members.enrol(session, external_id="gone", partner_id=partner, now=NOW, keyring=world.keyring)
        erasure.erase(session, act(), member_id=gone.member_id, forfeit=False)
        lifecycle.suspend(session, act(reason="a test", by="ann"), partner_id=partner)
        entries.add(
            session, act(reason="a test"), kind="promotion", payer_id=partner, currency="GBP", amount_minor=5,
            payee_id=programme.get(session).programme_id, reference="P1",
        )  # fmt: skip
    reach_a_limit(world)
    for n in range(3):
        day, over = NOW.date() + timedelta(days=n), NOW + timedelta(days=n + 1)
        nightly.run(world.database, act(world.keyring, now=over), day=day)
    with world.transaction() as session:
        for by in ("ann", "ben"):
            approvals.approve(session, act(by=by), run_id=runs.of_day(session, NOW.date()).run_id)
        (owed, *_) = [one for one in obligations.of_days(session, NOW.date(), NOW.date()) if one.kind == "promotion"]
        disputed = disputes.add(
            session, act(reason="a test"), party_id=partner, obligation_id=owed.obligation_id, line=None
        )
        disputes.resolve(session, replace(APPROVED, reason="a test"), dispute_id=disputed.dispute_id, outcome="upheld")
        defaults.declare(session, replace(APPROVED, reason="a test"), partner_id=partner)


def reach_a_limit(world: World) -> None:
    """Let an issuer come to 80 per cent of its exposure limit, and then to all of it."""
    station, member = world.partner("fuelway").partner_id, world.member("7001000000108419")
    with world.transaction() as session:
        agreements.agree(
            session, act(), partner_id=station, since=NOW.date(), redemption_price_minor=Decimal(1), currency="GBP",
            exposure_limit_minor=100,
        )  # fmt: skip
    for n, points in enumerate((80, 20)):
        world.earn(station, member, points)
        with world.transaction() as session:
            policies.put(session, act(), policies.Policy(beyond_limit=policies.PENDING))
            exposure.watch(session, act(world.keyring, now=NOW + timedelta(minutes=n)))
    world.earn(station, member, 1)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.ALLOW))
    funding.release(world.database, NOW)


def fits(type_: str, data: dict[str, Any]) -> None:
    """Raise unless `data`, as its row has it, is what the catalogue says of events of this type, and no more."""
    kind = EVENT_TYPES[type_]
    with ids.seen_by(ids.OUR_OWN):
        shown = ids.show_fields(data)
    schema = jsonschema.Draft202012Validator(kind.schema, format_checker=jsonschema.FormatChecker())
    schema.validate(shown)
    assert {field.name for field in kind.fields} <= set(shown), type_
    assert set(shown) <= {field.name for field in kind.every_field}, f"{type_}: a field the catalogue does not know"


def test_every_event_fits_its_schema_and_every_type_has_one(world: World) -> None:
    make_one_of_each(world)
    with world.transaction() as session:
        rows = session.execute(text("SELECT type, data FROM kit.event ORDER BY event_id")).all()
    # What happens to endpoints is told by the pump, which has tests of its own.
    assert {row.type for row in rows} == {name for name in EVENT_TYPES if not name.startswith("webhook_endpoint.")}
    for row in rows:
        fits(row.type, row.data)
    with pytest.raises(AssertionError, match="does not know"):
        fits("member.blocked", {**rows[0].data, **next(r.data for r in rows if r.type == "points.burned")})
    closed = closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=9)), day=NOW.date())
    assert closed.postings > 0


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_an_example_is_an_event_as_it_is_sent(name: str) -> None:
    kind = EVENT_TYPES[name]
    jsonschema.Draft202012Validator.check_schema(kind.body_schema)
    jsonschema.Draft202012Validator(kind.body_schema).validate(kind.example)
    frozen = outbox.freeze(event_id=ids.new(), type_=name, occurred_at=NOW, data={}, view=ids.OUR_OWN)
    assert set(kind.example) == set(json.loads(frozen))
    # Erased, it is an event still.
    erased = {field: None if field in PERSONAL else value for field, value in kind.example["data"].items()}
    jsonschema.Draft202012Validator(kind.schema).validate(erased)


def test_every_field_says_what_it_means_and_ids_are_shown_by_its_name() -> None:
    for field in (field for kind in EVENT_TYPES.values() for field in kind.every_field):
        assert re.fullmatch(r"[A-Z`].+\.", field.description), field.name
        if prefix := re.match(r"\^(ep|hld|mbr|pay|prt|stm|txn)_$", field.kind.get("pattern", "")):
            assert ids.PREFIX_OF_FIELD[field.name] == prefix[1]
    assert PERSONAL == ("card_masked",)


def test_patterns_are_of_types_and_tell_which_fields_there_are() -> None:
    assert patterns()[:6] == ["*", "member.*", "partner.*", "points.*", "settlement.*", "webhook_endpoint.*"]
    assert set(fields_of(["member.*"])) == {"member_id", "partner_id", "card_masked"}
    assert set(fields_of(["points.burned", "webhook_endpoint.test"])) > {"points", "endpoint_id", "message"}
    assert "awards" in fields_of(["*"])
    assert fields_of([]) == {}


def test_the_documents_table_is_made_of_the_catalogue() -> None:
    found = pin_events.DOCUMENT.read_text("utf-8")
    assert found == pin_events.with_table(found), "pin it: .venv/bin/python -m tests.pin_events"
    with pytest.raises(ValueError, match="no place"):
        pin_events.with_table("# Webhooks")
