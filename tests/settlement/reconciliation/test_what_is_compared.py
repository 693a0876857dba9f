"""What the two sides are: returns as a partner's file has them, breaks known again, and a bound on what is near."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest

from coalition import ledger, merges
from settlement.cycles import Span
from settlement.reconciliation import breaks, passes, reconciliations
from settlement.reconciliation.passes import Tolerance, TooManyToMatch
from tests.conftest import NOW, World, act, audited, request
from tests.service import terminal
from tests.settlement.reconciliation.test_reconciliations import DAY, HEAD, OTHER_CARD, compare, grocer, listed, shown

__all__ = ["grocer", "terminal"]
ONE_DAY = timedelta(days=1)


def post(world: World, partner_id: Any, command: ledger.Command) -> None:
    with world.transaction() as session:
        ledger.post(session, request(partner_id), command).unwrap()


def test_an_earn_taken_back_is_a_clawback_and_a_burn_given_back_a_reversal(world: World, grocer: Any) -> None:
    member, other, station = world.member(), world.member(OTHER_CARD), world.partner("fuel").partner_id
    earned = world.earn(grocer, member, 50, reference="E1")
    burned = world.burn(grocer, member, 5, reference="B1")
    held = world.earn(grocer, other, 7, reference="E2")
    with world.transaction() as session:
        said = act(world.keyring, reason="twice")
        merges.merge(session, said, member_id=other, into=member, reference="M1").unwrap()
    world.burn(station, member, 45)
    parts = tuple(ledger.Part(original_id=one.transaction_id) for one in (earned, burned))
    post(world, grocer, ledger.Return(reference="R1", parts=parts))
    post(world, grocer, ledger.Reversal(reference="R2", original_id=held.transaction_id, points=4))
    done = compare(
        world, grocer, f"E1,{DAY},SALE,50,", f"B1,{DAY},SPEND,5,", f"E2,{DAY},SALE,7,", f"R1,{DAY},clawback,50,",
        f"R1,{DAY},reversal,5,", f"R2,{DAY},clawback,4,",
    )  # fmt: skip
    assert listed(world) == [], "what was spent already was taken back as well"
    assert (done.reconciliation.by_reference, done.reconciliation.postings) == (6, 6)


def test_a_line_whose_reference_comes_again_on_another_day_is_another_break(world: World, grocer: Any) -> None:
    both = Span(DAY, DAY + ONE_DAY)
    compare(world, grocer, f"A1,{DAY},SALE,6,", span=both)
    (first,) = listed(world)
    with world.transaction() as session:
        breaks.resolve(session, act(world.keyring, reason="a test line"), break_id=first.break_id)
    later = compare(world, grocer, f"A1,{DAY},SALE,6,", f"A1,{DAY + ONE_DAY},SALE,6,", span=both)
    assert (later.new, later.reopened) == (1, 0)
    assert [(one.type, one.day, one.state) for one in listed(world)] == [
        ("missing_here", DAY, "resolved"), ("duplicate", DAY + ONE_DAY, "open"),
    ]  # fmt: skip
    alone = compare(world, grocer, f"A1,{DAY + ONE_DAY},SALE,6,", span=both)
    assert (alone.new, alone.reopened) == (1, 0), "it is no duplicate any more, and not what was resolved"


def test_what_was_resolved_is_open_again_once_it_differs_by_something_else(world: World, grocer: Any) -> None:
    world.earn(grocer, world.member(), 5, reference="A1")
    compare(world, grocer, f"A1,{DAY},SALE,6,")
    (rounded,) = listed(world)
    with world.transaction() as session:
        breaks.assign(session, act(world.keyring), break_id=rounded.break_id, owner="Leo")
        breaks.resolve(session, act(world.keyring, reason="rounding"), break_id=rounded.break_id)
    same = compare(world, grocer, f"A1,{DAY},SALE,6,", now=NOW + ONE_DAY)
    assert (same.new, same.reopened, listed(world)[0].reason) == (0, 0, "rounding")
    wrong = compare(world, grocer, f"A1,{DAY},SALE,5005,", now=NOW + 2 * ONE_DAY)
    assert (wrong.new, wrong.reopened, wrong.gone) == (0, 1, 0)
    (again,) = listed(world)
    assert (again.break_id, again.owner, again.first_seen_at) == (rounded.break_id, "Leo", NOW)
    assert (again.state, again.reason, again.resolved_by, again.difference) == ("open", None, None, 5000)
    assert compare(world, grocer, f"A1,{DAY},SALE,5005,", now=NOW + 3 * ONE_DAY).reopened == 0


def test_that_breaks_are_open_again_is_audited_and_told(
    world: World, grocer: Any, terminal: Any, tmp_path: Any
) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text(f"{HEAD}\nA1,{DAY},SALE,6,\n", "utf-8")
    words = ("settlement", "reconcile", "grocer", theirs, "--first-day", DAY, "--last-day", DAY)
    terminal(*words)
    compare(world, grocer, now=NOW + ONE_DAY)
    assert [one.is_gone for one in listed(world)] == [True]
    assert "1 breaks, 0 of them new and 1 open again; 0 are gone" in terminal(*words).output
    noted = audited(world.database)[0]
    assert (noted["action"], noted["facts"]["reopened"]) == ("settlement.reconciled", 1)


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_tolerance_over_more_than_can_be_compared_is_refused(
    world: World, grocer: Any, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setattr(passes, "MOST_DIFFERENT", 3)
    member = world.member()

    def reconcile(many: int, tolerance: Tolerance) -> reconciliations.Reconciled:
        lines = [f",{DAY},SALE,{100 + n},{shown(world, grocer, member)}" for n in range(many)]
        with world.transaction() as session:
            return reconciliations.reconcile(
                session, act(world.keyring), io.BytesIO("\n".join([HEAD, *lines, *lines]).encode()),
                partner_id=grocer, span=Span(DAY, DAY), tolerance=tolerance,
            )  # fmt: skip

    if side == "ours":
        for n in range(4):
            world.earn(grocer, member, n + 1)
        with pytest.raises(TooManyToMatch):
            reconcile(0, Tolerance(points=1))
    else:
        assert reconcile(3, Tolerance(points=1)).reconciliation.breaks == 6
        with pytest.raises(TooManyToMatch):
            reconcile(4, Tolerance(points=1))
    assert reconcile(4, Tolerance()).reconciliation.breaks >= 8
