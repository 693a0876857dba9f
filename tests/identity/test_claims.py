"""Whoever enrols a guessed card first can't spend what other brands then issue on it: its word is good for its own."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from coalition import members
from identity import member_credentials
from identity.member_credentials import Credentials
from identity.sign_in import people, session_store
from kit import clock, ids
from tests.api.test_members_api import coalition, sent_code
from tests.conftest import CARD, World
from tests.identity.sign_in_kit import Browser
from tests.identity.test_change_policy import MALLORY, PIN, add, code_of, enrol, identifier, refused, set_pin
from tests.identity.test_step_up import agree
from tests.service import Caller

__all__ = ["coalition"]


@pytest.fixture
def squatter(caller) -> Caller:
    return caller("mallory")


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def ann(squatter) -> UUID:
    return enrol(squatter, card=CARD)


def earn(partner: Caller, reference: str = "E1", points: int = 5000) -> None:
    assert partner.post("/v1/earns", {"card": CARD, "points": points, "reference": reference}).status_code == 201


def burn(partner: Caller, reference: str, points: int = 3000, **proof: str):
    return partner.post("/v1/burns", {"card": CARD, "points": points, "reference": reference, **proof})


def test_vouching_ends_when_another_partner_posts(squatter, grocer, ann) -> None:
    assert add(squatter, ann, phone="+447700900124").status_code == 201
    earn(grocer)
    refused(add(squatter, ann, email=MALLORY), "code", "pin", "sign_in")
    assert add(squatter, ann, external_id="CRM-1").status_code == 201, "which is its own"


def test_vouching_goes_on_while_only_the_voucher_posts(squatter, ann) -> None:
    earn(squatter)
    assert add(squatter, ann, email=MALLORY).status_code == 201


def test_proofs_made_before_others_post_spend_nothing_of_theirs_at_the_voucher(world: World, squatter, grocer, ann):
    set_pin(world, ann)
    earn(squatter, "S1", 10)
    earn(grocer)
    in_an_hour = (clock.now() + timedelta(hours=1)).isoformat()
    held = squatter.post(
        "/v1/holds", {"card": CARD, "points": 3000, "reference": "H", "expires_at": in_an_hour, "pin": PIN}
    )
    agree(world, squatter.partner_id, ann, purchase=5000, day=5000)
    code = code_of(world, ann)
    for answer in (held, burn(squatter, "B1", pin=PIN), burn(squatter, "B2", code=code), burn(squatter, "B3")):
        assert (answer.status_code, answer.json["code"]) == (403, "claim_required")
        assert (answer.json["limit"], answer.json["limit_per_day"]) == (1000, 2000)
    items = [{"kind": "burn", "card": CARD, "points": 1500, "reference": "I"}]
    assert squatter.post("/v1/batches", {"items": items}).json["data"][0]["problem"]["code"] == "claim_required"
    assert world.available(ann) == 5010
    assert burn(squatter, "B4", 500).status_code == 201, "as much as a card alone"


def test_the_vouchers_own_points_are_spent_with_them(world: World, squatter, ann) -> None:
    set_pin(world, ann)
    earn(squatter)
    assert burn(squatter, "B1", pin=PIN).status_code == 201


@pytest.mark.parametrize("by", ["pin", "code"])
def test_a_proof_shown_at_another_partner_claims_the_member(world: World, squatter, grocer, ann, by: str) -> None:
    set_pin(world, ann)
    earn(grocer)
    proof = {"pin": PIN} if by == "pin" else {"code": code_of(world, ann)}
    assert burn(squatter, "B1", pin=PIN).json["code"] == "claim_required"
    assert burn(grocer, "B1", 1500, **proof).status_code == 201
    assert burn(squatter, "B2", pin=PIN).status_code == 201


def test_a_wrong_pin_elsewhere_claims_nothing(world: World, squatter, grocer, ann) -> None:
    set_pin(world, ann)
    earn(grocer)
    assert burn(grocer, "B1", pin="9999").json["code"] == "wrong_pin"
    assert burn(squatter, "B1", pin=PIN).json["code"] == "claim_required"


def test_the_coalitions_desk_claims_a_member_by_giving_it_a_pin(world: World, squatter, grocer, ann, coalition) -> None:
    earn(grocer)
    coalition("member", "pin", ids.show_our_own(ann), "--pin", PIN)
    assert burn(squatter, "B1", pin=PIN).status_code == 201


def test_what_a_squatter_proved_itself_with_ends_when_the_desk_claims_the_member(
    world: World, app, squatter, grocer, ann, coalition
) -> None:
    assert add(squatter, ann, email=MALLORY).status_code == 201
    thief = Browser(app)
    for made in (
        "UPDATE coalition.member_identifier SET verified_at = :now WHERE kind = 'email' AND member_id = :id",
        """INSERT INTO partners.passkey (passkey_id, credential_id, kind, subject_id, public_key, sign_count,
                                          transports, backed_up, name, created_at)
           VALUES (:passkey_id, '\x01', 'member', :id, '\x02', 0, '{}', false, 'Phone', :now)""",
    ):
        with world.transaction() as session:
            session.execute(text(made), {"id": ann, "passkey_id": ids.new(), "now": clock.now()})
    with world.transaction() as session:
        subject = people.get(session, kind="member", subject_id=ann)
        secret = session_store.begin(
            session, subject, methods=("otp",), user_agent="t", replaces=None, now=clock.now(), keyring=world.keyring
        )
        thief.set_cookie("member", secret)
    assert thief.get("/credentials").status_code == 200
    set_pin(world, ann)
    code_of(world, ann)
    agree(world, squatter.partner_id, ann, purchase=5000, day=5000)
    earn(grocer)
    shown = ids.show_our_own(ann)
    assert "have ended" in coalition("member", "pin", shown, "--pin", "7291")
    assert "no_rotating_code" in coalition("member", "code", shown)
    assert burn(squatter, "B1", pin=PIN).json["code"] == "wrong_pin"
    assert burn(squatter, "B2").json["code"] == "step_up_required", "no consent"
    assert thief.get("/credentials").status_code != 200
    with world.transaction() as session:
        assert member_credentials.of_member(session, ann) == Credentials(at_tills=True, on_pages=False)
    refused(add(squatter, ann, email="mallory2@example.com"), "code", "pin", "sign_in")
    # The member itself, who knows its PIN now, loses nothing when it comes again.
    agree(world, squatter.partner_id, ann, purchase=5000, day=5000)
    assert "ended" not in coalition("member", "pin", shown, "--pin", "8305")
    assert burn(squatter, "B3", 2500).status_code == 201


def test_a_code_on_its_way_to_a_squatters_address_ends_too(world: World, squatter, grocer, ann, coalition, caplog):
    caplog.set_level(logging.INFO, "mail")
    add(squatter, ann, email=MALLORY)
    path = identifier(squatter, ann, "email")
    assert squatter.post(f"{path}/verification").status_code == 202
    earn(grocer)
    coalition("member", "code", ids.show_our_own(ann), "--new")
    told = squatter.post(f"{path}/verification/confirm", {"code": sent_code(caplog)})
    assert told.json["code"] == "wrong_verification_code"


def test_a_member_of_before_is_claimed(world: World, squatter, grocer, ann) -> None:
    set_pin(world, ann)
    earn(grocer)
    with world.transaction() as session:
        members.claim(session, ann)
    assert burn(squatter, "B1", pin=PIN).status_code == 201
