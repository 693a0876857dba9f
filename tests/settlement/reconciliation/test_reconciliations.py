"""A partner's file is compared as a whole or not at all, by one at a time, and without a trace of who was erased."""

from __future__ import annotations

import csv
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from coalition import erasure, merges
from kit import ids
from kit.pairwise import view_of
from settlement.cycles import Span
from settlement.reconciliation import breaks, differences, mappings, reconciliations
from settlement.reconciliation.breaks import Asked
from settlement.reconciliation.differences import TooManyBreaks
from settlement.reconciliation.partner_files import MalformedPartnerFile
from settlement.reconciliation.passes import Tolerance
from settlement.reconciliation.reconciliations import ReconciliationRuns, ToleranceRefused
from settlement.spans import SpanRefused
from tests.conftest import CARD, NOW, World, act, until_somebody_waits
from tests.service import terminal

__all__ = ["terminal"]
DAY = NOW.date()
MAPPING: dict[str, Any] = {
    "fields": {"reference": "Receipt", "day": "Day", "kind": "Type", "points": "Points", "member": "Member"},
    "kinds": {"SALE": "earn", "SPEND": "burn", "NOTE": None},
}  # fmt: skip
HEAD = "Receipt,Day,Type,Points,Member"
OTHER_CARD = "7001000000130470"


def compare(world: World, partner_id: Any, *lines: str, span: Span | None = None, **more: Any) -> Any:
    with world.transaction() as session:
        return reconciliations.reconcile(
            session, act(world.keyring, **more), io.BytesIO("\n".join([HEAD, *lines]).encode()), partner_id=partner_id,
            span=span or Span(DAY, DAY), tolerance=Tolerance(),
        )  # fmt: skip


def listed(world: World, **asked: Any) -> list[breaks.Break]:
    with world.transaction() as session:
        return breaks.find(session, Asked(**asked), after=ids.UUID(int=0), limit=100)


@pytest.fixture
def grocer(world: World) -> Any:
    partner_id = world.partner("grocer").partner_id
    with world.transaction() as session:
        mappings.put(session, act(world.keyring, reason="agreed"), partner_id=partner_id, said=MAPPING)
    return partner_id


def shown(world: World, partner_id: Any, member_id: Any) -> str:
    with ids.seen_by(view_of(world.keyring, partner_id)):
        return ids.show(ids.MEMBER, member_id)


def test_a_break_has_an_owner_and_an_age_until_it_is_resolved_or_gone(world: World, grocer: Any) -> None:
    world.earn(grocer, world.member(), 5, reference="A1")
    first = compare(world, grocer, f"A1,{DAY},SALE,6,", f"A2,{DAY},SALE,1,", f"A3,{DAY},NOTE,1,")
    assert (first.reconciliation.lines, first.reconciliation.passed_over, first.new) == (2, 1, 2)
    differs, missing = listed(world)
    assert [(one.type, one.difference, one.line) for one in (differs, missing)] == [
        ("missing_here", 1, 3), ("points_differ", 1, 2),
    ]  # fmt: skip
    with world.transaction() as session:
        breaks.assign(session, act(world.keyring), break_id=differs.break_id, owner="Leo")
        breaks.resolve(session, act(world.keyring, reason="a test line"), break_id=missing.break_id)
        with pytest.raises(breaks.BreakIsResolved):
            breaks.resolve(session, act(world.keyring, reason="again"), break_id=missing.break_id)
        with pytest.raises(breaks.BreakNotFound):
            breaks.assign(session, act(world.keyring), break_id=ids.new(), owner="Leo")
    later = compare(world, grocer, f"A2,{DAY},SALE,1,", f"A1,{DAY},SALE,6,", now=NOW + timedelta(days=3))
    assert (later.is_new, later.new, later.reopened, later.gone) == (True, 0, 0, 0)
    owned, resolved = listed(world)
    assert (owned.owner, owned.line, owned.first_seen_at, owned.state) == ("Leo", 2, NOW, "open")
    assert (resolved.state, resolved.reason, resolved.difference) == ("resolved", "a test line", 1)
    mended = compare(world, grocer, f"A1,{DAY},SALE,5,", now=NOW + timedelta(days=4))
    assert (mended.reconciliation.breaks, mended.gone) == (0, 1)
    gone = listed(world, state="resolved", owner="Leo")[0]
    assert (gone.is_gone, gone.resolved_by, gone.reason) == (True, "reconciliation", differences.GONE)
    back = compare(world, grocer, f"A2,{DAY},SALE,1,", f"A1,{DAY},SALE,5,", now=NOW + timedelta(days=5))
    assert (back.new, back.reopened) == (0, 1)
    again = listed(world, state="open")[0]
    assert (again.break_id, again.owner, again.first_seen_at, again.reason) == (gone.break_id, "Leo", NOW, None)


def test_a_refused_file_leaves_nothing(world: World, grocer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.earn(grocer, world.member(), 5, reference="A1")
    with pytest.raises(MalformedPartnerFile, match="line 3"):
        compare(world, grocer, f"A9,{DAY},SALE,6,", f"A2,{DAY},SALE,x,")
    monkeypatch.setattr(differences, "MOST_BREAKS", 2)
    with pytest.raises(TooManyBreaks):
        compare(world, grocer, f"A9,{DAY},SALE,6,", f"A8,{DAY},SALE,6,")
    for table in ("reconciliation", "reconciliation_break", "compared_row", "compared_pair"):
        assert world.count(f"settlement.{table}") == 0
    assert compare(world, grocer, f"A9,{DAY},SALE,6,").new == 2


@pytest.mark.parametrize("span", [Span(DAY, DAY - timedelta(1)), Span(DAY, DAY + timedelta(366))])
def test_a_span_that_is_none_or_too_long_is_refused(world: World, grocer: Any, span: Span) -> None:
    with pytest.raises(SpanRefused):
        compare(world, grocer, span=span)


@pytest.mark.parametrize("tolerance", [Tolerance(-1, 0), Tolerance(0, 32), Tolerance(1_000_001, 0)])
def test_a_tolerance_that_is_too_wide_is_refused(world: World, grocer: Any, tolerance: Tolerance) -> None:
    with pytest.raises(ToleranceRefused), world.transaction() as session:
        reconciliations.reconcile(
            session, act(world.keyring), io.BytesIO(b"x"), partner_id=grocer, span=Span(DAY, DAY), tolerance=tolerance
        )


def test_of_two_at_once_one_is_refused_and_another_partners_goes_on(world: World, grocer: Any) -> None:
    other = world.partner("fuel").partner_id
    with world.transaction() as session:
        mappings.put(session, act(world.keyring, reason="agreed"), partner_id=other, said=MAPPING)
    world.earn(grocer, world.member(), 5, reference="A1")
    reading, go_on = threading.Event(), threading.Event()

    def hold(_read: int) -> None:
        reading.set()
        assert go_on.wait(30)

    def slowly() -> int:
        with world.transaction() as session:
            return reconciliations.reconcile(
                session, act(world.keyring), io.BytesIO(f"{HEAD}\nA2,{DAY},SALE,6,\n".encode()), partner_id=grocer,
                span=Span(DAY, DAY), tolerance=Tolerance(), told=hold,
            ).new  # fmt: skip

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slowly)
        try:
            assert reading.wait(30)
            with pytest.raises(ReconciliationRuns):
                compare(world, grocer, f"A2,{DAY},SALE,6,")
            assert compare(world, other, f"A2,{DAY},SALE,6,").new == 1
        finally:
            go_on.set()
        assert first.result(30) == 2
    assert world.count("settlement.compared_row") == 0


def test_who_is_killed_in_the_middle_leaves_nothing(world: World, grocer: Any) -> None:
    def kill(_read: int) -> None:
        with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
            )

    with pytest.raises(Exception, match="database"), world.transaction() as session:
        reconciliations.reconcile(
            session, act(world.keyring), io.BytesIO(f"{HEAD}\nA2,{DAY},SALE,6,\n".encode()), partner_id=grocer,
            span=Span(DAY, DAY), tolerance=Tolerance(), told=kill,
        )  # fmt: skip
    with psycopg.connect(str(world.settings.database_url)) as owner:
        for table in ("reconciliation", "reconciliation_break", "compared_row", "compared_pair"):
            assert owner.execute(f"SELECT count(*) FROM settlement.{table}").fetchone() == (0,)


def test_an_erased_member_stands_in_no_break_of_before_or_after(world: World, grocer: Any) -> None:
    member, kept = world.member(), world.member(OTHER_CARD)
    world.earn(grocer, member, 5, reference="A1")
    world.earn(grocer, kept, 5, reference="B1")
    line = f"A2,{DAY},SALE,9,{shown(world, grocer, member)}"
    compare(world, grocer, line)
    assert sorted(one.member_id == member for one in listed(world)) == [False, True, True]
    with world.transaction() as session:
        erasure.erase(session, act(world.keyring), member_id=member, forfeit=True)
    assert [one.member_id for one in listed(world) if one.member_id] == [kept]
    compare(world, grocer, line, now=NOW + timedelta(hours=1))
    assert [one.member_id for one in listed(world) if one.member_id] == [kept]


def test_who_was_merged_into_an_erased_member_stands_in_no_break_either(world: World, grocer: Any) -> None:
    merged, living = world.member(), world.member(OTHER_CARD)
    world.earn(grocer, merged, 5, reference="A1")
    line = f"A2,{DAY},SALE,9,{shown(world, grocer, merged)}"
    compare(world, grocer, line)
    assert [one.member_id for one in listed(world)] == [merged, merged]
    with world.transaction() as session:
        said = act(world.keyring, reason="twice")
        merges.merge(session, said, member_id=merged, into=living, reference="M1").unwrap()
        erasure.erase(session, act(world.keyring), member_id=living, forfeit=True)
    assert [one.member_id for one in listed(world)] == [None, None]
    again = compare(world, grocer, line, now=NOW + timedelta(hours=1))
    assert again.reconciliation.breaks == 2
    assert [one.member_id for one in listed(world)] == [None, None]


def test_an_erasure_waits_for_the_breaks_of_a_reconciliation_and_clears_them(world: World, grocer: Any) -> None:
    member = world.member()
    world.earn(grocer, member, 5, reference="A1")

    def erase() -> None:
        with world.transaction() as session:
            erasure.erase(session, act(world.keyring), member_id=member, forfeit=True)

    with ThreadPoolExecutor(1) as pool:
        with world.transaction() as session:
            reconciliations.reconcile(
                session, act(world.keyring), io.BytesIO(HEAD.encode()), partner_id=grocer, span=Span(DAY, DAY),
                tolerance=Tolerance(),
            )  # fmt: skip
            erased = pool.submit(erase)
            until_somebody_waits(world)
        erased.result(30)
    assert [one.member_id for one in listed(world)] == [None]


def test_a_merged_member_is_matched_as_the_one_it_is_now(world: World, grocer: Any) -> None:
    gone, living = world.member(), world.member(OTHER_CARD)
    world.earn(grocer, gone, 5, reference="A1")
    with world.transaction() as session:
        merges.merge(session, act(world.keyring, reason="twice"), member_id=gone, into=living, reference="M1").unwrap()
    done = compare(world, grocer, f",{DAY},SALE,5,{shown(world, grocer, living)}")
    assert (done.reconciliation.by_member, done.reconciliation.breaks) == (1, 0)
    assert compare(world, grocer, f",{DAY},SALE,5,{shown(world, grocer, gone)}").reconciliation.breaks == 0


def test_members_are_found_by_card_and_strangers_are_named_as_such(world: World, grocer: Any) -> None:
    with world.transaction() as session:
        mappings.put(
            session, act(world.keyring, reason="cards"), partner_id=grocer, said={**MAPPING, "member_by": "card"}
        )
    world.earn(grocer, world.member(), 5, reference="A1")
    done = compare(world, grocer, f",{DAY},SALE,5,{CARD}", f",{DAY},SALE,5,{OTHER_CARD}", f",{DAY},SALE,5,none")
    assert (done.reconciliation.by_member, done.new) == (1, 2)
    assert {one.type for one in listed(world)} == {"unknown_member"}
    with psycopg.connect(str(world.settings.database_url)) as owner:
        kept = owner.execute("SELECT b::text FROM settlement.reconciliation_break b").fetchall()
    assert not any(OTHER_CARD in row for (row,) in kept), "a card number is not written down"


def test_formulas_of_a_file_are_text_in_what_we_print(world: World, grocer: Any, terminal: Any, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    formulas = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "＝1", "x;=1"]
    theirs.write_text("\n".join([HEAD, *(f"{one},{DAY},SALE,6," for one in formulas)]), "utf-8")
    words = ("settlement", "reconcile", "grocer", theirs, "--first-day", DAY, "--last-day", DAY)
    done = terminal(*words, "--json")
    assert json.loads(done.output)["new"] == len(formulas)
    printed = terminal("settlement", "breaks", "--csv", "--partner", "grocer").output
    cells = [row["line_reference"] for row in csv.DictReader(io.StringIO(printed))]
    assert cells == ["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(1)", "'＝1", "x;'=1"]
    assert "6 breaks, 0 of them new" in terminal(*words).output
    refused = terminal(*words, "--most-lines", 5)
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)


def test_a_mapping_that_is_no_json_changes_nothing(world: World, grocer: Any, terminal: Any, tmp_path: Path) -> None:
    file = tmp_path / "mapping.json"
    for content, said in ((b"{", "no JSON"), (b"\xff", "no JSON"), (b" " * 70_000, "more than 65536 bytes")):
        file.write_bytes(content)
        done = terminal("settlement", "mapping", "set", "grocer", file, "--reason", "x")
        assert said in done.output
    assert '"Receipt"' in terminal("settlement", "mapping", "show", "grocer").output
    assert terminal("settlement", "breaks").output == "there are none yet\n"
    with world.transaction() as session:
        assert session.scalar(text("SELECT max(version) FROM settlement.partner_mapping")) == 1
