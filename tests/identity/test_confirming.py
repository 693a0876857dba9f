"""Codes to confirm an address: good for who asked for them, and only while that one still might."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest

from coalition import merges
from tests.api.test_members_api import sent_code
from tests.conftest import APPROVED, CARD, World
from tests.identity.sign_in_kit import Browser
from tests.identity.test_change_policy import ANN, MALLORY, PIN, add, enrol, find, identifier_of, refused, set_pin
from tests.service import Caller


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def station(caller) -> Caller:
    return caller("fuelway")


@pytest.fixture
def ann(grocer) -> UUID:
    """Ann, whose partner left another address with her."""
    member_id = enrol(grocer, card=CARD)
    for address in (ANN, MALLORY):
        assert add(grocer, member_id, email=address).status_code == 201
    return member_id


@pytest.fixture
def planted(world: World, ann) -> str:
    return identifier_of(world, "m•••@e•••.com")


def path_of(caller: Caller, member_id: UUID, identifier_id: str) -> str:
    return f"/v1/members/{caller.shown(member_id)}/identifiers/{identifier_id}/verification"


def start(caller: Caller, member_id: UUID, identifier_id: str, caplog, **proof: str) -> str:
    """Have a code sent; the code."""
    caplog.set_level(logging.INFO, "mail")
    answer = caller.post(path_of(caller, member_id, identifier_id), proof or None)
    assert answer.status_code == 202, answer.text
    return sent_code(caplog)


def confirm(caller: Caller, member_id: UUID, identifier_id: str, code: str):
    return caller.post(f"{path_of(caller, member_id, identifier_id)}/confirm", {"code": code})


def is_wrong(answer) -> bool:
    return (answer.status_code, answer.json["code"]) == (403, "wrong_verification_code")


def ask_on_page(browser: Browser, identifier_id: str, mailbox, *, messages: int) -> str:
    assert browser.post(f"/credentials/{identifier_id}/code", {}, page="/credentials").status_code == 303
    return next(word for word in mailbox.wait(messages)[-1].get_payload().split() if word.isdigit())


def test_what_vouching_began_it_does_not_finish_once_the_member_signs_in(
    world: World, grocer, ann, planted, site, mailbox, caplog
) -> None:
    code = start(grocer, ann, planted, caplog)
    browser = Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    refused(confirm(grocer, ann, planted, code), "sign_in")
    assert find(world, MALLORY) is None
    on_page = browser.post(f"/credentials/{planted}/confirm", {"code": code}, page="/credentials")
    assert on_page.status_code == 403, "a code a partner asked for is none of the page's"


def test_a_code_the_member_asked_for_is_good_on_its_page_only(
    world: World, grocer, station, ann, planted, site, mailbox
) -> None:
    """The partner that left its own address there reads the mail."""
    browser = Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    code = ask_on_page(browser, planted, mailbox, messages=2)
    for partner in (grocer, station):
        for _ in range(6):
            refused(confirm(partner, ann, planted, code), "sign_in")
    assert find(world, MALLORY) is None
    on_page = browser.post(f"/credentials/{planted}/confirm", {"code": code}, page="/credentials")
    assert on_page.status_code == 303, "and no partner used up its tries"


def test_a_code_one_partner_asked_for_is_no_others(world: World, grocer, station, ann, planted, caplog) -> None:
    code = start(grocer, ann, planted, caplog)
    assert is_wrong(confirm(station, ann, planted, code))
    assert confirm(grocer, ann, planted, code).status_code == 200


def test_a_trial_confirms_nothing(world: World, grocer, ann, planted, caplog) -> None:
    code = start(grocer, ann, planted, caplog)
    path = f"{path_of(grocer, ann, planted)}/confirm"
    tried = grocer.post(f"{path}?dry_run=true", {"code": code})
    assert (tried.status_code, tried.json["verified_at"] is not None) == (200, True)
    assert world.count("coalition.member_identifier WHERE verified_at IS NOT NULL") == 0
    assert grocer.post(path, {"code": code}).status_code == 200


@pytest.mark.parametrize("into_ann", [True, False])
def test_a_merge_ends_what_was_begun_with_either(world: World, grocer, ann, planted, caplog, into_ann) -> None:
    code = start(grocer, ann, planted, caplog)
    bob = enrol(grocer, card="7001000000130470")
    set_pin(world, ann if into_ann else bob)
    gone, left = (bob, ann) if into_ann else (ann, bob)
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=gone, into=left, reference="M-1").unwrap()
    assert world.count("coalition.identifier_verification") == 0
    assert is_wrong(confirm(grocer, left, planted, code))
    assert confirm(grocer, left, planted, start(grocer, left, planted, caplog, pin=PIN)).status_code == 200
    assert find(world, MALLORY).subject_id == left
