"""The books are opened once: in a currency there is, in a zone somebody chose, and nothing contradicts them later."""

from __future__ import annotations

import pytest

from coalition import programme
from coalition.programme import ProgrammeMismatch, UnknownCurrency
from kit import money
from kit.db import Database
from kit.secret_key import SecretKey
from tests.conftest import NOW, World

KEY = SecretKey(bytes(32), "live")


@pytest.fixture
def database(fresh_database):
    made = Database(fresh_database())
    yield made
    made.close()


def opened(database: Database, currency: str | None, time_zone: str | None, **more) -> tuple[str, str]:
    with database.transaction() as session:
        found = programme.ensure(session, now=NOW, currency=currency, time_zone=time_zone, key=KEY, **more)
    return found.currency, found.time_zone


@pytest.mark.parametrize("code", ["ABC", "XXX", "XTS", "XAU", "DEM"])
def test_books_are_opened_in_no_currency_that_is_none_today(database: Database, code: str) -> None:
    with pytest.raises(UnknownCurrency, match=f"{code} is no currency"):
        opened(database, code, "UTC")
    assert opened(database, None, None) == ("GBP", "UTC"), "and nothing was left of it"


def test_every_exponent_we_know_is_of_a_currency_there_is() -> None:
    assert set(money._EXPONENTS) <= money.currencies()


def test_what_is_not_set_is_as_the_books_are_kept_and_what_is_set_may_not_differ(database: Database) -> None:
    assert opened(database, "KWD", "Asia/Kuwait") == ("KWD", "Asia/Kuwait")
    assert opened(database, None, None) == ("KWD", "Asia/Kuwait")
    with pytest.raises(ProgrammeMismatch, match="COALITION_TIME_ZONE is UTC, but"):
        opened(database, None, "UTC")


def test_a_sandbox_is_opened_like_live_where_nobody_says_otherwise(world: World, database: Database) -> None:
    with world.transaction() as session:
        live = programme.get(session)
    assert opened(database, None, "Asia/Kuwait", like=live) == (live.currency, "Asia/Kuwait")
