"""A member that signs in goes on signing in: neither its own page nor a partner's code undoes that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from uuid import UUID

import pytest

from coalition import mail_addresses
from identity import member_credentials
from identity.member_credentials import LastSignIn
from kit import ids
from tests.conftest import CARD, World
from tests.identity.sign_in_kit import Authenticator, Browser
from tests.identity.test_change_policy import (
    ANN,
    MALLORY,
    PHONE,
    PIN,
    add,
    enrol,
    find,
    identifier_of,
    refused,
    set_pin,
)
from tests.identity.test_passkeys import register
from tests.service import Caller

KEYS = "/passkeys/member"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def ann(grocer) -> UUID:
    """Ann, whose partner left another address with her."""
    member_id = enrol(grocer, card=CARD)
    for address in (ANN, MALLORY):
        assert add(grocer, member_id, email=address).status_code == 201
    return member_id


@pytest.fixture
def signed_in(ann, site, mailbox) -> Browser:
    """Ann's browser, signed in with her own address."""
    browser = Browser(site)
    browser.sign_in(mailbox, "member", ANN)
    return browser


def remove_address(browser: Browser, world: World):
    return browser.post(f"/credentials/{identifier_of(world, 'a•••@e•••.com')}/remove", {}, page="/credentials")


def remove_passkey(browser: Browser):
    passkey = browser.get(KEYS).text.partition(f'action="{KEYS}/')[2].partition("/name")[0]
    return browser.post(f"{KEYS}/{passkey}/remove", {}, page=KEYS)


def is_last(answer) -> bool:
    return answer.status_code == 409 and LastSignIn.title in answer.text


def test_the_last_confirmed_address_stays(world: World, grocer, ann, signed_in) -> None:
    """Without it a partner's address would sign in, and the partner that left it there would vouch again."""
    assert is_last(remove_address(signed_in, world))
    assert find(world, ANN).subject_id == ann
    assert find(world, MALLORY) is None
    refused(add(grocer, ann, phone=PHONE))
    other = identifier_of(world, "m•••@e•••.com")
    assert signed_in.post(f"/credentials/{other}/remove", {}, page="/credentials").status_code == 303


def test_a_pin_is_no_way_to_sign_in(world: World, grocer, ann, signed_in) -> None:
    """With it alone, any till that learned it could verify an address of its own."""
    set_pin(world, ann)
    assert is_last(remove_address(signed_in, world))
    assert add(grocer, ann, phone=PHONE, pin=PIN).status_code == 201


def test_an_address_goes_where_a_passkey_stays_and_then_that_stays(world: World, grocer, ann, signed_in) -> None:
    assert register(signed_in, Authenticator(), kind="member").status_code == 201
    assert remove_address(signed_in, world).status_code == 303
    assert find(world, MALLORY) is None
    assert is_last(remove_passkey(signed_in))
    assert world.count("partners.passkey") == 1
    refused(add(grocer, ann, phone=PHONE))


def test_a_passkey_goes_where_an_address_stays(world: World, signed_in) -> None:
    assert register(signed_in, Authenticator(), kind="member").status_code == 201
    assert remove_passkey(signed_in).status_code == 303
    assert is_last(remove_address(signed_in, world))


def test_the_last_two_taken_away_at_once_leave_one(world: World, app, ann, signed_in) -> None:
    """Who takes the passkey away waits for who takes the address away, and is refused."""
    assert register(signed_in, Authenticator(), kind="member").status_code == 201
    with ThreadPoolExecutor(1) as pool:
        with world.transaction() as session, member_credentials.keeping_sign_in(session, ann):
            address = ids.parse(ids.IDENTIFIER, identifier_of(world, "a•••@e•••.com"))
            session.exec_driver_sql("DELETE FROM coalition.member_identifier WHERE identifier_id = %s", (address,))
            waiting = pool.submit(remove_passkey, signed_in)
            assert not wait([waiting], timeout=0.5).done
        assert is_last(waiting.result(timeout=30))
    with world.transaction() as session:
        assert not mail_addresses.has_confirmed(session, member_id=ann)
        assert member_credentials.of_member(session, ann).on_pages
