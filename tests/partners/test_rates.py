"""Earning rates at the terminal and through the admin API: set, listed, shown, corrected and withdrawn."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import World


@pytest.mark.parametrize(("currency", "minor"), [("GBP", 100), ("JPY", 1), ("KWD", 1_000), ("CLF", 10_000)])
def test_a_rate_is_per_one_of_the_programmes_currency_unless_said_otherwise(
    world: World, terminal, currency: str, minor: int
) -> None:
    world.partner("grocer")
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE coalition.programme SET currency = %s", (currency,))
    done = terminal("rate", "set", "grocer", "2")
    assert done.exit_code == 0, done.output
    with psycopg.connect(str(world.settings.database_url)) as owner:
        kept = owner.execute("SELECT minor_per_unit, currency FROM coalition.earning_rate").fetchall()
    assert kept == [(minor, currency)]
