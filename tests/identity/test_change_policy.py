"""Who may change what a member is found by and proves itself with: every way in, and who is kept out of it."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor, wait
from uuid import UUID

import pytest
from sqlalchemy import text

from coalition import member_identifiers, merges, pins, rotating_codes, verifications
from coalition.identifiers import EMAIL, Identifier
from coalition.members import MemberNotFound
from coalition.verifications import ToldBack
from identity.sign_in import people
from kit import audit, clock, ids
from tests.api.test_members_api import coalition, remove, sent_code
from tests.api.test_members_api import identifier as path_of_identifier
from tests.conftest import APPROVED, CARD, NOW, World, act
from tests.identity.sign_in_kit import Browser
from tests.service import Caller

__all__ = ["coalition"]

ANN, MALLORY, PHONE, PIN = "ann@example.com", "mallory@example.com", "+447700900123", "8305"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def station(caller) -> Caller:
    return caller("fuelway")


@pytest.fixture
def ann(grocer) -> UUID:
    return enrol(grocer, card=CARD)


def enrol(caller: Caller, **body: str) -> UUID:
    return caller.inner(caller.post("/v1/members", body).json["member_id"])


def add(caller: Caller, member_id: UUID, **body: str):
    return caller.post(f"/v1/members/{caller.shown(member_id)}/identifiers", body)


def identifier(caller: Caller, member_id: UUID, kind: str) -> str:
    return path_of_identifier(caller, caller.shown(member_id), kind)


def set_pin(world: World, member_id: UUID, pin: str = PIN) -> None:
    with world.transaction() as session:
        pins.put(session, act(world.keyring), member_id=member_id, pin=pin)


def code_of(world: World, member_id: UUID, *, new: bool = True) -> str:
    with world.transaction() as session:
        if new:
            rotating_codes.issue(session, act(world.keyring), member_id=member_id)
        return rotating_codes.current(session, member_id=member_id, keyring=world.keyring, now=clock.now())


def verify(caller: Caller, member_id: UUID, caplog, **proof: str):
    """Verify the member's first address through the API; the last answer."""
    caplog.set_level(logging.INFO, "mail")
    path = identifier(caller, member_id, "email")
    started = caller.post(f"{path}/verification", proof or None)
    if started.status_code != 202:
        return started
    return caller.post(f"{path}/verification/confirm", {"code": sent_code(caplog)})


def refused(answer, *accepts: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (403, "member_proof_required"), answer.json
    assert answer.json["accepts"] == list(accepts or ("code", "pin", "sign_in"))


def test_only_who_enrolled_a_member_vouches_for_it(grocer, station, ann) -> None:
    for body in ({"email": MALLORY}, {"phone": PHONE}, {"card": "7001000000130470"}):
        refused(add(station, ann, **body))
    refused(remove(station, identifier(station, ann, "card")))
    assert add(grocer, ann, email=ANN).status_code == 201
    refused(station.post(f"{identifier(station, ann, 'email')}/verification"))


def test_vouching_ends_with_the_members_first_proof(world: World, grocer, ann) -> None:
    assert add(grocer, ann, email=ANN).status_code == 201
    set_pin(world, ann)
    refused(add(grocer, ann, phone=PHONE))
    refused(remove(grocer, identifier(grocer, ann, "card")))
    refused(grocer.post(f"{identifier(grocer, ann, 'email')}/verification"))


def test_a_rotating_code_ends_vouching_and_so_does_a_verified_address(world: World, grocer, ann, caplog) -> None:
    add(grocer, ann, email=ANN)
    assert verify(grocer, ann, caplog).status_code == 200
    refused(add(grocer, ann, phone=PHONE))
    bob = enrol(grocer, card="7001000000130470")
    code_of(world, bob)
    refused(add(grocer, bob, phone=PHONE))


def test_a_passkey_ends_vouching_too(world: World, grocer, ann) -> None:
    """It lies where partners have nothing to look for, and still has to count when one asks."""
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO partners.passkey (passkey_id, credential_id, kind, subject_id, public_key, sign_count,
                                              transports, backed_up, name, created_at)
                VALUES (:id, '\x01', 'member', :member_id, '\x02', 0, '{}', false, 'Phone', :now)
            """),
            {"id": ids.new(), "member_id": ann, "now": NOW},
        )
    refused(add(grocer, ann, email=MALLORY))
    set_pin(world, ann)
    assert add(grocer, ann, email=ANN, pin=PIN).status_code == 201
    refused(grocer.post(f"{identifier(grocer, ann, 'email')}/verification", {"pin": PIN}), "sign_in")


def test_a_pin_lets_any_partner_change_it_and_a_wrong_one_counts(world: World, station, ann) -> None:
    set_pin(world, ann)
    assert add(station, ann, phone=PHONE, pin=PIN).status_code == 201
    assert station.post(f"{identifier(station, ann, 'phone')}/removal", {"pin": PIN}).status_code == 204
    told = [add(station, ann, phone=PHONE, pin="9999").json["code"] for _ in range(6)]
    assert told == ["wrong_pin"] * 5 + ["secrets_locked"]
    assert add(station, ann, phone=PHONE, pin=PIN).json["code"] == "secrets_locked"


def test_a_code_is_good_for_one_change(world: World, station, ann) -> None:
    code = code_of(world, ann)
    assert station.post("/v1/members/lookup", {"code": code}).json["member_id"] == station.shown(ann)
    assert add(station, ann, phone=PHONE, code=code).status_code == 201
    again = add(station, ann, email=ANN, code=code)
    assert (again.status_code, again.json["code"]) == (403, "wrong_code")
    typed = code_of(world, ann).rpartition(".")[2]
    assert add(station, ann, email=ANN, code=typed).status_code == 201


def test_a_code_is_not_used_up_by_what_was_refused(world: World, grocer, station, ann) -> None:
    grocer.post("/v1/members", {"phone": PHONE})
    code = code_of(world, ann)
    assert add(station, ann, phone=PHONE, code=code).json["code"] == "identifier_in_use"
    dry = station.post(f"/v1/members/{station.shown(ann)}/identifiers?dry_run=true", {"email": ANN, "code": code})
    assert dry.status_code == 201
    assert add(station, ann, email=ANN, code=code).status_code == 201


def test_another_members_code_or_pin_proves_nothing(world: World, grocer, station, ann) -> None:
    bob = enrol(grocer, card="7001000000130470")
    set_pin(world, bob)
    assert add(station, ann, email=MALLORY, code=code_of(world, bob)).json["code"] == "wrong_code"
    assert add(station, ann, email=MALLORY, pin=PIN).json["code"] == "wrong_pin"
    nobody = ids.new()
    assert add(station, nobody, email=MALLORY, pin=PIN).json["code"] == "member_not_found"
    assert add(station, nobody, email=MALLORY).json["code"] == "member_not_found"


def test_an_external_id_is_its_partners_own_and_takes_no_proof(world: World, station, ann) -> None:
    set_pin(world, ann)
    assert add(station, ann, external_id="F-1").status_code == 201
    assert station.post("/v1/members/lookup", {"external_id": "F-1"}).json["member_id"] == station.shown(ann)
    assert remove(station, identifier(station, ann, "external")).status_code == 204


def test_what_signs_a_member_in_is_changed_by_signing_in(world: World, grocer, station, ann, caplog) -> None:
    """A till that learned the PIN in a purchase must not be able to make the account its own."""
    add(grocer, ann, email=ANN)
    set_pin(world, ann)
    assert verify(station, ann, caplog, pin=PIN).status_code == 200, "the first address: nothing stronger is there"
    own = identifier(station, ann, "email")
    assert add(station, ann, email=MALLORY, pin=PIN).status_code == 201, "to be found by, not to sign in with"
    members_path = f"/v1/members/{station.shown(ann)}/identifiers"
    planted = next(
        f"{members_path}/{one['identifier_id']}"
        for one in station.get(members_path).json["data"]
        if one["masked"].startswith("m")
    )
    refused(station.post(f"{planted}/verification", {"pin": PIN}), "sign_in")
    refused(station.post(f"{planted}/verification", {"code": code_of(world, ann)}), "sign_in")
    refused(station.post(f"{own}/removal", {"pin": PIN}), "sign_in")
    assert station.post(f"{planted}/removal", {"pin": PIN}).status_code == 204


def find(world: World, address: str):
    with world.transaction() as session:
        return people.find(session, "member", address, world.keyring)


def test_an_address_nobody_confirmed_signs_in_a_member_without_proofs_only(world, grocer, ann, site, mailbox) -> None:
    add(grocer, ann, email=ANN)
    add(grocer, ann, email=MALLORY)
    Browser(site).sign_in(mailbox, "member", ANN)
    stranger = Browser(site)
    assert stranger.ask("member", MALLORY).status_code == 303, "answered as ever"
    assert len(mailbox.messages) == 1
    assert find(world, MALLORY) is None
    assert find(world, ANN).subject_id == ann


def test_a_code_on_its_way_signs_nobody_in_once_the_member_has_a_proof(world, grocer, ann, site, mailbox) -> None:
    add(grocer, ann, email=MALLORY)
    stranger = Browser(site)
    stranger.ask("member", MALLORY)
    code = mailbox.code()
    set_pin(world, ann)
    assert stranger.enter("member", code).status_code == 422


def test_of_two_addresses_that_come_back_at_once_one_signs_in(world: World, grocer, ann) -> None:
    for address in (ANN, MALLORY):
        add(grocer, ann, email=address)

    def come_back(address: str):
        with world.transaction() as session:
            return people.confirm(session, "member", address, now=clock.now(), keyring=world.keyring)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(come_back, (ANN, MALLORY)))
    assert sorted(one is None for one in found) == [False, True]


def test_vouching_and_a_first_proof_at_once_come_one_after_the_other(world: World, app, grocer, ann) -> None:
    """While the member's PIN is being set, a change that would still be vouched for waits, and is refused."""
    with ThreadPoolExecutor(1) as pool:
        with world.transaction() as session:
            pins.put(session, act(world.keyring), member_id=ann, pin=PIN)
            till = Caller(app.test_client(), grocer.token, grocer.partner_id)
            waiting = pool.submit(add, till, ann, email=MALLORY)
            assert not wait([waiting], timeout=0.5).done
        refused(waiting.result(timeout=30))


def test_an_enrolment_adds_nothing_to_a_member_that_is_there(world: World, station, ann) -> None:
    taken = station.post("/v1/members", {"card": CARD, "email": MALLORY})
    assert (taken.status_code, taken.json["code"]) == (409, "card_in_use")
    assert find(world, MALLORY) is None


def test_a_merge_brings_no_address_that_signs_in_unconfirmed(world: World, grocer, ann) -> None:
    set_pin(world, ann)
    mallory = enrol(grocer, email=MALLORY)
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=mallory, into=ann, reference="M-1").unwrap()
    assert find(world, MALLORY) is None
    refused(add(grocer, ann, phone=PHONE))
    assert add(grocer, mallory, phone=PHONE).json["code"] == "member_merged"


def test_a_stranger_learns_nothing_by_asking(world: World, grocer, station, ann) -> None:
    """Refused before it is looked at whose the identifier is, or what the member has."""
    grocer.post("/v1/members", {"email": ANN})
    free, taken = add(station, ann, email=MALLORY), add(station, ann, email=ANN)
    set_pin(world, ann)
    proved = add(station, ann, email=ANN)
    for answer in (free, taken, proved):
        refused(answer)
        assert answer.json["detail"] == free.json["detail"]


def test_members_change_it_on_their_own_page(world: World, grocer, ann, site, mailbox) -> None:
    add(grocer, ann, email=ANN)
    add(grocer, ann, email="second@example.com")
    add(grocer, ann, external_id="CRM-1")
    browser, elsewhere = Browser(site), Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    elsewhere.sign_in(mailbox, "member", ANN)
    page = browser.get("/credentials").text
    assert "s•••@e•••.com" in page
    assert "CRM" not in page
    second = identifier_of(world, "s•••@e•••.com")
    assert browser.post(f"/credentials/{second}/code", {}, page="/credentials").status_code == 303
    message = mailbox.wait(3)[-1]
    assert message["To"] == "second@example.com"
    code = next(word for word in message.get_payload().split() if word.isdigit())
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert browser.post(f"/credentials/{second}/confirm", {"code": wrong}, page="/credentials").status_code == 403
    assert browser.post(f"/credentials/{second}/confirm", {"code": code}, page="/credentials").status_code == 303
    assert find(world, "second@example.com").subject_id == ann
    first = identifier_of(world, "a•••@e•••.com")
    assert browser.post(f"/credentials/{first}/remove", {}, page="/credentials").status_code == 303
    assert find(world, ANN) is None
    assert elsewhere.get("/credentials").status_code == 303, "what the address began is over"
    assert browser.get("/credentials").status_code == 200


def identifier_of(world: World, masked: str) -> str:
    with world.transaction() as session:
        found = session.scalar(
            text("SELECT identifier_id FROM coalition.member_identifier WHERE masked = :masked"), {"masked": masked}
        )
    return ids.show(ids.IDENTIFIER, found)


def test_members_set_their_pin_on_their_own_page(world: World, grocer, station, ann, site, mailbox) -> None:
    add(grocer, ann, email=ANN)
    browser = Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    for given, again in (("8305", "8306"), ("1234", "1234"), ("83a5", "83a5")):
        assert browser.post("/credentials/pin", {"pin": given, "again": again}, page="/credentials").status_code == 422
    assert browser.post("/credentials/pin", {"pin": PIN, "again": PIN}, page="/credentials").status_code == 303
    assert add(station, ann, phone=PHONE, pin=PIN).status_code == 201


def test_nobody_changes_what_is_anothers_on_that_page(world: World, grocer, ann, site, mailbox) -> None:
    add(grocer, ann, email=ANN)
    bob = enrol(grocer, email="bob@example.com")
    browser = Browser(site)
    browser.sign_in(mailbox, "member", "bob@example.com")
    theirs = identifier_of(world, "a•••@e•••.com")
    for what, fields in (("code", {}), ("confirm", {"code": "123456"}), ("remove", {})):
        assert browser.post(f"/credentials/{theirs}/{what}", fields, page="/credentials").status_code == 404
    unsigned = browser.http.post(
        f"/credentials/{theirs}/remove", data={"csrf_token": "x"}, base_url="https://localhost"
    )
    assert unsigned.status_code == 403
    assert grocer.get(f"/v1/members/{grocer.shown(bob)}").status_code == 200


def test_the_page_is_for_who_signed_in_lately(site) -> None:
    assert Browser(site).get("/credentials").location == "/sign-in/member?next=/credentials"


def test_what_the_coalition_does_by_hand_is_audited(grocer, ann, coalition) -> None:
    ann = ids.show_our_own(ann)
    coalition("member", "pin", ann, "--pin", PIN)
    coalition("member", "code", ann, "--new")
    coalition("member", "code", ann)
    coalition("member", "unlock", ann)
    coalition("member", "export", ann)
    coalition("member", "erase", ann, "--yes")
    listed = coalition("audit", "list")
    for action in ("pin_set", "code_issued", "code_shown", "unlocked", "exported", "erased"):
        assert f"member.{action}" in listed
    assert PIN not in re.findall(r"\w+", listed)


def test_who_changed_what_is_audited(world: World, grocer, station, ann, site, mailbox, caplog) -> None:
    add(grocer, ann, email=ANN)
    add(station, ann, email=MALLORY)
    add(grocer, ann, email="second@example.com")
    assert verify(grocer, ann, caplog).status_code == 200
    browser = Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    browser.post("/credentials/pin", {"pin": PIN, "again": PIN}, page="/credentials")
    second = identifier_of(world, "s•••@e•••.com")
    browser.post(f"/credentials/{second}/code", {}, page="/credentials")
    code = next(word for word in mailbox.wait(2)[-1].get_payload().split() if word.isdigit())
    assert browser.post(f"/credentials/{second}/confirm", {"code": code}, page="/credentials").status_code == 303
    add(station, ann, phone=PHONE, pin=PIN)
    station.post(f"{identifier(station, ann, 'phone')}/removal", {"pin": PIN})
    browser.post(f"/credentials/{identifier_of(world, '•' * 12 + '8503')}/remove", {}, page="/credentials")
    with world.transaction() as session:
        found = [entry.facts for entry in reversed(audit.newest(session, limit=50))]
    # A name that was refused is a lookup too, and written down as the partner's, some time later.
    listed = [entry for entry in found if entry["action"] not in ("members.looked_up", "client.created")]
    assert {entry["subject"] for entry in listed} == {ids.show_our_own(ann)}
    assert [(entry["kind"], entry["action"], entry.get("facts", {}).get("proved")) for entry in listed] == [
        ("client", "member.identifier_added", False),
        ("client", "member.identifier_added", False),
        ("client", "member.verification_started", False),
        ("client", "member.identifier_verified", None),
        ("member", "member.pin_set", None),
        ("member", "member.verification_started", True),
        ("member", "member.identifier_verified", None),
        ("client", "member.identifier_added", True),
        ("client", "member.identifier_removed", True),
        ("member", "member.identifier_removed", True),
    ]
    assert not any(secret in str(listed) for secret in (ANN, PHONE, MALLORY))
    assert PIN not in re.findall(r"\w+", str(listed)), "as a word: four digits may stand in an id by chance"


def test_a_verification_of_a_member_erased_meanwhile_confirms_nothing(world: World, grocer, ann) -> None:
    add(grocer, ann, email=ANN)
    which = {"member_id": ann, "partner_id": grocer.partner_id}
    with world.transaction() as session:
        kept = member_identifiers.add(
            session, act(world.keyring), identifier=Identifier(EMAIL, ANN, ""), now=NOW, proved=False, **which
        )
        ours, now = {**which, "identifier_id": kept.identifier_id}, clock.now()
        challenge = verifications.start(session, act(world.keyring, now=now), proved=False, **ours)
    told = ToldBack(code=challenge.code, **ours)
    verifications.check(world.database, told, keyring=world.keyring, now=now)
    with world.transaction() as session:
        session.execute(text("UPDATE coalition.member SET erased_at = now()"))
    with world.transaction() as session, pytest.raises(MemberNotFound):
        verifications.confirm(session, act(world.keyring, now=now), told)
