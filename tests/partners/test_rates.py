"""Rates and agreements at the terminal: set, listed, shown, corrected and withdrawn before they bite."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import psycopg
import pytest

from coalition import closing, ledger
from kit import audit, clock, ids
from settlement import agreements
from tests.conftest import NOW, World, act

DAY = NOW.date()
SOON, LATER = (f"{DAY + timedelta(days=n)}" for n in (10, 20))
SAID = ("--reason", "a slip of the pen", "--by", "Ann Admin")
# The commands about what is dated, and the words for a value.
KINDS = [("rate set", "--points-per-unit", "points_per_unit"),
         ("agreement create", "--redemption-price", "redemption_price_minor")]  # fmt: skip


class Clerk:
    """Somebody at the terminal, with a partner `grocer`."""

    def __init__(self, terminal: Any, make: str, option: str, field: str) -> None:
        self.terminal, self.make, self.option, self.field = terminal, make.split(), option, field
        self.noun = self.make[0]

    def ask(self, *words: str) -> Any:
        done = self.terminal(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def put(self, value: str, *since: str) -> str:
        made = self.ask(*self.make, "grocer", value, *(("--since", *since) if since else ()))
        return str(made[f"{self.noun}_id"])

    def refused(self, *words: str) -> str:
        done = self.terminal(*words)
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.output
        [line] = done.stderr.splitlines()
        return str(line)

    def spans(self) -> list[tuple[str, str | None, str]]:
        found = self.ask(self.noun, "list", "grocer")["data"]
        return [(one["since"], one["until"], one[self.field]) for one in found]


@pytest.fixture(params=KINDS, ids=["rate", "agreement"])
def clerk(request, world: World, terminal, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    world.partner("grocer")
    return Clerk(terminal, *request.param)


@pytest.mark.parametrize(("currency", "minor"), [("GBP", 100), ("JPY", 1), ("KWD", 1_000), ("CLF", 10_000)])
def test_a_rate_is_per_one_of_the_programmes_currency_unless_said_otherwise(
    world: World, terminal, currency: str, minor: int
) -> None:
    world.partner("grocer")
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE coalition.programme SET currency = %s", (currency,))
    done = terminal("rate", "set", "grocer", "2", "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert (made["minor_per_unit"], made["currency"]) == (minor, currency)


@pytest.mark.parametrize("points", ["many", "0", "-1", "NaN", "1e-9", "1e-400", "1e7", "1" * 5_000])
def test_a_rate_out_of_bounds_is_refused_in_one_line(world: World, terminal, points: str) -> None:
    world.partner("grocer")
    done = terminal("rate", "set", "grocer", "--", points)
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert line.endswith("(malformed_rate)")


def test_what_is_dated_is_listed_and_shown_with_its_days(clerk: Clerk) -> None:
    clerk.put("1.5")
    soon = clerk.put("2", SOON)
    assert clerk.spans() == [(f"{DAY}", SOON, "1.5"), (SOON, None, "2")]
    shown = clerk.ask(clerk.noun, "show", soon)
    assert (shown[f"{clerk.noun}_id"], shown["since"], shown[clerk.field]) == (soon, SOON, "2")
    assert soon in clerk.terminal(clerk.noun, "show", soon).output


def test_a_second_one_for_the_same_day_is_refused_in_one_line(clerk: Clerk) -> None:
    clerk.put("2", SOON)
    assert "(version_taken)" in clerk.refused(*clerk.make, "grocer", "3", "--since", SOON)
    assert clerk.spans() == [(SOON, None, "2")]


def test_one_between_two_others_lasts_until_the_next(clerk: Clerk) -> None:
    clerk.put("1")
    clerk.put("3", LATER)
    clerk.put("2", SOON)
    assert clerk.spans() == [(f"{DAY}", SOON, "1"), (SOON, LATER, "2"), (LATER, None, "3")]


def test_a_wrong_one_to_come_is_corrected_in_value_and_day(clerk: Clerk) -> None:
    clerk.put("1")
    wrong = clerk.put("20", SOON)
    right = clerk.ask(clerk.noun, "correct", wrong, clerk.option, "2", *SAID)
    assert (right[f"{clerk.noun}_id"], right[clerk.field]) == (wrong, "2")
    clerk.ask(clerk.noun, "correct", wrong, "--since", LATER, *SAID)
    assert clerk.spans() == [(f"{DAY}", LATER, "1"), (LATER, None, "2")]
    assert clerk.terminal(clerk.noun, "correct", wrong, *SAID).exit_code == 2, "nothing to correct was named"


def test_a_wrong_one_to_come_is_withdrawn_and_the_one_before_goes_on(clerk: Clerk) -> None:
    clerk.put("1")
    wrong = clerk.put("20", SOON)
    clerk.put("3", LATER)
    clerk.ask(clerk.noun, "withdraw", wrong, *SAID)
    assert clerk.spans() == [(f"{DAY}", LATER, "1"), (LATER, None, "3")]
    assert f"({clerk.noun}_not_found)" in clerk.refused(clerk.noun, "show", wrong)
    assert f"({clerk.noun}_not_found)" in clerk.refused(clerk.noun, "withdraw", wrong, *SAID)


def test_who_decided_it_and_why_stand_in_the_audit_with_what_it_said(world: World, clerk: Clerk) -> None:
    wrong = clerk.put("20", SOON)
    assert clerk.terminal(clerk.noun, "withdraw", wrong).exit_code == 2, "a reason is needed"
    clerk.ask(clerk.noun, "withdraw", wrong, *SAID)
    with world.transaction() as session:
        entry = audit.newest(session, limit=1)[0].facts
    assert (entry["action"], entry["subject"]) == (f"{clerk.noun}.withdrawn", wrong)
    facts = entry["facts"]
    assert (facts["reason"], facts["by"], facts["since"]) == ("a slip of the pen", "Ann Admin", SOON)
    assert "20" in facts.values()


def test_what_holds_on_a_day_that_is_over_stays_as_it_is(world: World, clerk: Clerk) -> None:
    first = clerk.put("1")
    closing.close_day(world.database, act(world.keyring, now=datetime(2026, 3, 3, 1, tzinfo=UTC)), day=DAY)
    for words in (("correct", first, clerk.option, "2"), ("withdraw", first), ("correct", first, "--since", SOON)):
        assert "(day_is_over)" in clerk.refused(clerk.noun, *words, *SAID)
    closed = clerk.refused(*clerk.make, "grocer", "2", "--since", f"{DAY}")
    assert "(version_taken)" in closed or "(day_is_over)" in closed
    soon = clerk.put("2", SOON)
    assert "(day_is_over)" in clerk.refused(clerk.noun, "correct", soon, "--since", f"{DAY}", *SAID)
    assert clerk.spans() == [(f"{DAY}", SOON, "1"), (SOON, None, "2")]


def test_after_midnight_nothing_is_set_for_the_day_that_is_over_though_nobody_closed_it(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = clerk.put("1")
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=1))
    for words in (("correct", first, clerk.option, "3"), ("withdraw", first)):
        assert "(day_is_over)" in clerk.refused(clerk.noun, *words, *SAID)
    clerk.put("2")
    assert clerk.spans() == [(f"{DAY}", f"{DAY + timedelta(days=1)}", "1"), (f"{DAY + timedelta(days=1)}", None, "2")]


def test_one_that_begins_on_the_open_day_can_still_be_put_right(world: World, clerk: Clerk) -> None:
    wrong = clerk.put("10")
    member = world.member()
    with world.transaction() as session:
        partner_id = ids.parse(ids.PARTNER, clerk.ask("partner", "show", "grocer")["partner_id"])
        request = ledger.Request(partner_id=partner_id, key="k", request_hash=b"h" * 32, now=NOW)
        earned = ledger.post(session, request, ledger.Earn(member_id=member, reference="R", points=5)).unwrap()
    clerk.ask(clerk.noun, "correct", wrong, clerk.option, "1", *SAID)
    assert clerk.spans() == [(f"{DAY}", None, "1")]
    assert (earned.points, world.available(member)) == (5, 5)


def test_a_day_does_not_close_while_what_it_is_priced_by_is_corrected(world: World) -> None:
    partner = world.partner("grocer")
    with world.transaction() as session:
        made = agreements.agree(
            session, act(), partner_id=partner.partner_id, redemption_price_minor=agreements.price("1"), currency="GBP",
            since=DAY,
        )  # fmt: skip
    with world.transaction() as session:
        agreements.correct(
            session, act(), agreement_id=made.agreement_id, changes={"redemption_price_minor": Fraction(2)}
        )
        with psycopg.connect(str(world.settings.database_url)) as other:
            other.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SELECT coalition.ledger_close_day(%s, %s)", (DAY, NOW + timedelta(days=1)))
