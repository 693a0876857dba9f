"""The rotating code: shown by the wallet, good for a minute, for one partner and one spending."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from coalition import rotating_codes
from coalition.members import MemberNotFound
from coalition.rotating_codes import NoRotatingCode, WrongCode
from coalition.throttle import FREE_TRIES
from kit import ids
from kit.errors import CoalitionError
from tests.conftest import NOW, World, act

A, B = ids.new(), ids.new()


@pytest.fixture
def member(world: World):
    made = world.member()
    with world.transaction() as session:
        rotating_codes.issue(session, act(world.keyring), member_id=made)
    return made


def shown(world: World, member, now=NOW) -> str:
    with world.transaction() as session:
        return rotating_codes.current(session, member_id=member, keyring=world.keyring, now=now)


def use(world: World, code: str, *, partner=A, spending: bool = True, now=NOW) -> str:
    """What comes of using a code: the problem's code, or used."""
    try:
        read = rotating_codes.parse(code)
        with world.transaction() as session:
            member = rotating_codes.owner(session, read)
        whom = {"member_id": member, "partner_id": partner, "spending": spending}
        step = rotating_codes.check(world.database, digits=read.digits, keyring=world.keyring, now=now, **whom)
        with world.transaction() as session:
            rotating_codes.redeem(session, step=step, **whom)
    except CoalitionError as error:
        return error.code
    return "used"


def test_what_is_shown_names_its_wallet_but_not_the_member(world: World, member) -> None:
    code = shown(world, member)
    assert code.startswith("co1.")
    assert member.hex not in code
    assert str(member) not in code
    assert code != shown(world, member, NOW + timedelta(seconds=30))
    with world.transaction() as session:
        kept = session.scalar(text("SELECT s::text FROM coalition.member_secret s"))
    assert code.rpartition(".")[2] not in kept


def test_a_code_is_good_once(world: World, member) -> None:
    code = shown(world, member)
    assert [use(world, code), use(world, code), use(world, code, partner=B)] == ["used", "wrong_code", "wrong_code"]
    assert use(world, shown(world, member, NOW - timedelta(seconds=30))) == "wrong_code"
    later = NOW + timedelta(seconds=30)
    assert use(world, shown(world, member, later), now=later) == "used"


def test_who_was_shown_a_code_may_spend_with_it_once_and_nobody_else_may(world: World, member) -> None:
    code = shown(world, member)
    assert use(world, code, spending=False) == "used"
    assert use(world, code, partner=B) == "wrong_code"
    assert use(world, code, spending=False) == "wrong_code"
    assert [use(world, code), use(world, code)] == ["used", "wrong_code"]


@pytest.mark.parametrize(("seconds", "told"), [(-61, "wrong_code"), (-30, "used"), (30, "used"), (61, "wrong_code")])
def test_clocks_may_differ_by_a_step(world: World, member, seconds, told) -> None:
    assert use(world, shown(world, member), now=NOW + timedelta(seconds=seconds)) == told


@pytest.mark.parametrize(
    "code", ["", "1234567", "co1..12345678", "co2.abcdefghijklmnop.12345678", "٠" * 8, "11111111\n"]
)
def test_what_is_no_code_is_wrong(code: str) -> None:
    with pytest.raises(WrongCode):
        rotating_codes.parse(code)


def test_a_strangers_handle_is_wrong_and_a_new_code_ends_the_old(world: World, member) -> None:
    assert use(world, "co1.abcdefghijklmnop.12345678") == "wrong_code"
    old = shown(world, member)
    with world.transaction() as session:
        rotating_codes.issue(session, act(world.keyring), member_id=member)
    assert use(world, old) == "wrong_code"
    assert use(world, shown(world, member)) == "used"


def test_without_one_there_is_none_to_show(world: World) -> None:
    with pytest.raises(NoRotatingCode):
        shown(world, world.member())
    with world.transaction() as session, pytest.raises(MemberNotFound):
        rotating_codes.issue(session, act(world.keyring), member_id=ids.new())


def test_guessed_digits_lock_and_used_ones_count_as_guessed(world: World, member) -> None:
    code = shown(world, member)
    assert use(world, code) == "used"
    assert [use(world, code) for _ in range(FREE_TRIES + 1)] == ["wrong_code"] * FREE_TRIES + ["secrets_locked"]


def test_eight_at_once_use_one_code_once(world: World, member) -> None:
    code = shown(world, member)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: use(world, code), range(8)))
    assert told.count("used") == 1
    assert set(told) <= {"used", "wrong_code", "secrets_locked"}
