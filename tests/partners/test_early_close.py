"""`coalition ledger close-day --early`: a night to try, where nobody's money is behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from click.testing import Result

from coalition import programme
from tests.conftest import NOW, World

Terminal = Callable[..., Result]


def test_a_live_coalition_refuses_to_end_its_day_early(world: World, terminal: Terminal) -> None:
    refused = terminal("ledger", "close-day", "--early")
    assert refused.exit_code == 1
    assert "--early works in a sandbox or a demo only" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_demo_ends_its_open_day_and_settles_it_before_its_clock_says_so(world: World, terminal: Terminal) -> None:
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW)
    closed = terminal("ledger", "close-day", "--early", "--json")
    assert closed.exit_code == 0, closed.output
    assert json.loads(closed.stdout)["day"] == NOW.date().isoformat()
    settled = terminal("settlement", "run", "--json")
    assert settled.exit_code == 0, settled.output
    assert json.loads(settled.stdout)["day"] == NOW.date().isoformat()
    with world.transaction() as session:
        assert programme.get(session).open_day == NOW.date() + timedelta(days=1)


def test_the_day_that_ends_early_is_the_open_one_and_no_other(world: World, terminal: Terminal) -> None:
    assert terminal("ledger", "close-day", "2026-03-02", "--early").exit_code == 2
