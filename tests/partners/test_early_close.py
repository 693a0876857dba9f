"""`coalition ledger close-day`: early, to try a night where nobody's money is behind it, and for many days at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result

from coalition import business_days, programme
from kit import audit, clock
from tests.conftest import NOW, World

Terminal = Callable[..., Result]


def test_a_live_coalition_refuses_to_end_its_day_early(world: World, terminal: Terminal) -> None:
    refused = terminal("ledger", "close-day", "--early")
    assert refused.exit_code == 1
    assert "--early works only in a sandbox or a demo" in refused.stderr
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


def test_more_days_than_a_coalition_stands_still_are_closed_with_a_reason_only(
    world: World, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_days, "MOST_DAYS_AT_ONCE", 2)
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=3))
    for words in (("ledger", "close-day"), ("settlement", "run")):
        refused = terminal(*words)
        assert refused.exit_code == 1
        [line] = refused.stderr.splitlines()
        assert "--however-many" in line
        assert line.endswith("(clock_doubtful)")
    assert terminal("ledger", "close-day", "--however-many").exit_code == 2
    said = ("--reason", "we stood still", "--by", "Ann")
    assert terminal("ledger", "close-day", "--however-many", *said).exit_code == 0
    with world.transaction() as session:
        assert programme.get(session).open_day == NOW.date() + timedelta(days=3)
        facts = audit.newest(session, limit=1)[0].facts["facts"]
    assert (facts["reason"], facts["by"]) == ("we stood still", "Ann")
