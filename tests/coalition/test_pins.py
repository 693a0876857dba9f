"""PINs: which are taken, how they are kept, how often they may be wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from coalition import pins, throttle
from coalition.members import MemberNotFound
from coalition.pins import MalformedPin, WeakPin, WrongPin
from coalition.throttle import FIRST_DELAY_S, FREE_TRIES, LONGEST_DELAY_S, SecretsLocked
from kit import ids
from kit.errors import CoalitionError
from tests.conftest import NOW, World, act

PIN, OTHER = "8305", "926144"


@pytest.fixture
def member(world: World):
    made = world.member()
    put(world, made, PIN)
    return made


def put(world: World, member, pin: str) -> None:
    with world.transaction() as session:
        pins.put(session, act(world.keyring), member_id=member, pin=pin)


def tell(world: World, member, pin: str, now=NOW) -> str:
    """What comes of a try: its code, or right."""
    try:
        pins.check(world.database, member_id=member, pin=pin, keyring=world.keyring, now=now)
    except CoalitionError as error:
        return error.code
    return "right"


@pytest.mark.parametrize("pin", ["", "123", "1" * 13, "12a4", "١٢٣٤", "8305\n", " 8305"])
def test_a_pin_is_four_to_twelve_digits(pin: str) -> None:
    with pytest.raises(MalformedPin):
        pins.check_strength(pin)


@pytest.mark.parametrize("pin", ["0000", "1234", "7890", "4321", "0987", "1212", "123123", "77777777", "456789"])
def test_what_everybody_tries_first_is_refused(pin: str) -> None:
    with pytest.raises(WeakPin):
        pins.check_strength(pin)


@pytest.mark.parametrize("pin", ["8305", "1235", "1357", "112233", "104729"])
def test_other_pins_are_taken(pin: str) -> None:
    assert pins.check_strength(pin) == pin


def test_a_pin_is_right_wrong_and_changed_by_who_knows_it(world: World, member) -> None:
    assert tell(world, member, PIN) == "right"
    assert tell(world, member, OTHER) == "wrong_pin"
    change = {"member_id": member}
    with pytest.raises(WrongPin):
        pins.change(world.database, act(world.keyring), old=OTHER, new=OTHER, **change)
    with pytest.raises(WeakPin):
        pins.change(world.database, act(world.keyring), old=PIN, new="1234", **change)
    pins.change(world.database, act(world.keyring), old=PIN, new=OTHER, **change)
    assert (tell(world, member, PIN), tell(world, member, OTHER)) == ("wrong_pin", "right")


def test_who_has_no_pin_is_answered_like_who_has_another(world: World) -> None:
    assert tell(world, world.member(), PIN) == "wrong_pin"
    assert tell(world, ids.new(), PIN) == "wrong_pin"
    with pytest.raises(MemberNotFound):
        put(world, ids.new(), PIN)


def test_one_pin_of_two_members_is_kept_as_two_things(world: World, member) -> None:
    put(world, world.member("7001000000130470"), PIN)
    with world.transaction() as session:
        rows = session.execute(text("SELECT pin_salt, pin_hash FROM coalition.member_secret")).all()
    assert len({bytes(row.pin_hash) for row in rows}) == len({bytes(row.pin_salt) for row in rows}) == 2


def test_the_wait_after_five_wrong_ones_grows_up_to_a_day_and_a_right_one_ends_it(world: World, member) -> None:
    now, waits = NOW, []
    for _ in range(FREE_TRIES):
        assert tell(world, member, OTHER, now) == "wrong_pin"
    for _ in range(8):
        with pytest.raises(SecretsLocked) as locked:
            pins.check(world.database, member_id=member, pin=PIN, keyring=world.keyring, now=now)
        waits.append(locked.value.fields["retry_after_s"])
        now += timedelta(seconds=waits[-1] - 1)
        assert tell(world, member, PIN, now) == "secrets_locked"
        now += timedelta(seconds=1)
        assert tell(world, member, OTHER, now) == "wrong_pin"
    assert waits[:3] == [FIRST_DELAY_S, FIRST_DELAY_S * 4, FIRST_DELAY_S * 16]
    assert waits[-1] == LONGEST_DELAY_S
    assert tell(world, member, PIN, now + timedelta(days=1)) == "right"
    assert tell(world, member, OTHER, now + timedelta(days=1)) == "wrong_pin"
    assert tell(world, member, PIN, now + timedelta(days=1)) == "right"


def test_an_admin_ends_a_lock(world: World, member) -> None:
    assert [tell(world, member, OTHER) for _ in range(6)][-1] == "secrets_locked"
    with world.transaction() as session:
        throttle.clear(session, member)
    assert tell(world, member, PIN) == "right"


def test_twenty_at_once_get_no_more_answers_than_one_after_the_other(world: World, member) -> None:
    guesses = [f"{9000 + 7 * n}" for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        told = sorted(pool.map(lambda guess: tell(world, member, guess), guesses))
    assert told == ["secrets_locked"] * (20 - FREE_TRIES) + ["wrong_pin"] * FREE_TRIES
    assert tell(world, member, PIN) == "secrets_locked"


def test_right_pins_at_once_may_lock_but_are_never_called_wrong(world: World, member) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(lambda _: tell(world, member, PIN), range(80)))
    assert told <= {"right", "secrets_locked"}
