"""Earns beyond an issuer's limit: pending and unfunded until there is room, then funded in the order of earning."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, text

from coalition import data_export, erasure, ledger, member_accounts, merges, point_movements, scheduled_postings, verify
from coalition.ledger import Award
from kit import ids
from settlement import exposure, funding, obligations, outstanding, policies
from tests.conftest import APPROVED, NOW, World, act, request
from tests.settlement.small_coalition import DAY, agree, night

MINUTE = timedelta(minutes=1)


class Stage:
    """A grocer with a limit of 100 p, whose points cost a penny, and a station."""

    def __init__(self, world: World, **terms: Any) -> None:
        self.world = world
        self.grocer, self.station = world.partner("greengrocer"), world.partner("fuelway")
        agree(world, self.grocer.partner_id, **{"redemption_price_minor": "1", "exposure_limit_minor": 100, **terms})
        agree(world, self.station.partner_id, redemption_price_minor="1")
        self.member = world.member()
        self.minutes = 0
        self.choose(policies.PENDING)

    def choose(self, beyond_limit: str) -> None:
        with self.world.transaction() as session:
            policies.put(session, act(), policies.Policy(beyond_limit=beyond_limit, approvals=1))

    def watch(self) -> None:
        self.minutes += 1
        with self.world.transaction() as session:
            exposure.watch(session, act(self.world.keyring, now=NOW + self.minutes * MINUTE))

    def release(self) -> int:
        return funding.release(self.world.database, NOW + self.minutes * MINUTE)

    def earn(self, points: int | None, **more: Any) -> ledger.Transaction:
        return self.world.earn(self.grocer.partner_id, self.member, points, **more)

    def burn(self, points: int) -> ledger.Transaction:
        return self.world.burn(self.station.partner_id, self.member, points)

    def post(self, command: ledger.Command, partner_id: UUID | None = None) -> ledger.Outcome:
        with self.world.transaction() as session:
            return ledger.post(session, request(partner_id or self.grocer.partner_id), command)

    def raise_limit(self, minor: int) -> None:
        self.change_terms("exposure_limit_minor = %(minor)s", minor=minor)

    def change_terms(self, terms: LiteralString, **said: object) -> None:
        with psycopg.connect(str(self.world.settings.database_url)) as owner:
            owner.execute(
                f"UPDATE settlement.agreement SET {terms} WHERE partner_id = %(id)s",
                {"id": self.grocer.partner_id, **said},
            )

    def wallet(self, member: UUID | None = None) -> tuple[int, int]:
        with self.world.transaction() as session:
            row = session.execute(
                text("SELECT available, pending FROM coalition.wallet WHERE member_id = :id"),
                {"id": member or self.member},
            ).one()
        return row.available, row.pending

    def is_whole(self) -> None:
        with self.world.transaction() as session:
            assert [found for found in verify.run(session) if found.broken] == []
            assert sum(one.change for one in flows_of_all_days(session)) == sum(outstanding.now(session).values())


def flows_of_all_days(session) -> list[outstanding.Flow]:
    days = session.scalars(text("SELECT DISTINCT business_date FROM coalition.posting"))
    return [flow for day in days for flow in outstanding.flows(session, day)]


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


def over(stage: Stage) -> Stage:
    """The stage with the limit reached, and looked at."""
    stage.earn(100)
    stage.watch()
    return stage


def test_an_earn_beyond_the_limit_is_pending_and_says_so_until_its_issuer_is_below(stage: Stage) -> None:
    earned = over(stage).earn(40)
    assert (earned.unfunded, earned.available_after, earned.pending_after) == (40, 100, 40)
    refused = stage.post(ledger.Burn(member_id=stage.member, points=101, reference="B")).refusal
    assert refused
    assert refused.code == "insufficient_points"
    assert stage.release() == 0, "at its limit there is no room"
    assert scheduled_postings.vest(stage.world.database, now=NOW + timedelta(days=1)) == 0
    stage.raise_limit(101)
    assert stage.release() == 1
    assert stage.wallet() == (140, 0)
    stage.is_whole()
    with stage.world.transaction() as session:
        (told,) = session.scalars(text("SELECT data FROM kit.event WHERE type = 'points.funded'"))
        (earn_told,) = session.scalars(text("SELECT data FROM kit.event WHERE data ? 'unfunded'"))
    assert (told["points"], told["kind"], told["available_after"]) == (40, "fund", 140)
    assert earn_told["unfunded"] == 40
    assert stage.release() == 0


def test_what_is_not_funded_does_not_count_and_counts_once_it_is(stage: Stage) -> None:
    over(stage).earn(40)

    def counted() -> tuple[int, int]:
        with stage.world.transaction() as session:
            (one,) = [one for one in exposure.read(session) if one.partner_id == stage.grocer.partner_id]
            (lot,) = point_movements.between(session, DAY, DAY)
        assert lot.closing == one.outstanding_points
        return one.outstanding_points, one.unfunded_points

    assert counted() == (100, 40)
    stage.raise_limit(1000)
    stage.release()
    assert counted() == (140, 0)


def test_funded_on_earn_the_issuer_owes_on_the_day_of_release_the_price_of_the_day_of_earning(world: World) -> None:
    stage = Stage(world, funding="on_earn", issue_price_minor="0.5")
    over(stage)
    stage.earn(100)  # 100 p owed: at its limit
    stage.watch()
    stage.earn(40)
    night(world, 0)
    agree(world, stage.grocer.partner_id, since=DAY + timedelta(days=1), redemption_price_minor="1", funding="on_earn",
          issue_price_minor="3", exposure_limit_minor=100_000)  # fmt: skip
    assert stage.release() == 1
    night(world, 1)

    def owed(n: int) -> list[tuple[str, int, int]]:
        with world.transaction() as session:
            kept = obligations.of_days(session, DAY + timedelta(days=n), DAY + timedelta(days=n))
        return [(one.kind, one.points, one.amount_minor) for one in kept]

    assert owed(0) == [("issue", 200, 100)]
    assert owed(1) == [("issue", 40, 20)]
    stage.is_whole()


def test_what_is_funded_is_of_the_store_where_it_was_earned(world: World) -> None:
    stage = Stage(world, funding="on_earn", issue_price_minor="0.5")
    place = ids.new()
    over(stage).earn(100)
    stage.watch()
    assert stage.earn(40, location_id=place).unfunded == 40
    stage.earn(2)
    stage.raise_limit(1000)
    assert stage.release() == 2
    with world.transaction() as session:
        made_at = session.execute(text("SELECT points, location_id FROM coalition.txn WHERE kind = 'fund'")).all()
        assert {tuple(row) for row in made_at} == {(40, place), (2, None)}
    night(world, 0)
    with world.transaction() as session:
        kept = session.execute(text("SELECT points, location_id FROM settlement.location_share")).all()
    assert [tuple(row) for row in kept] == [(40, place)]
    stage.is_whole()


def test_lots_are_funded_in_the_order_of_earning_while_exposure_was_below_before_each(stage: Stage) -> None:
    over(stage)
    first, second, third = (stage.earn(points).transaction_id for points in (30, 30, 30))
    stage.burn(50)
    stage.change_terms("deposit_minor = 40")
    assert stage.release() == 2, "60, 90, 120"
    with stage.world.transaction() as session:
        left = session.scalars(text("SELECT lot_id FROM coalition.lot WHERE is_unfunded")).all()
    assert left == [third]
    assert first != second
    stage.is_whole()


def test_while_points_wait_new_ones_wait_behind_them(stage: Stage) -> None:
    over(stage).earn(10)
    stage.raise_limit(1000)
    stage.watch()
    assert stage.earn(5).unfunded == 5, "what came first is not funded yet"
    assert stage.release() == 2
    stage.watch()
    assert stage.earn(5).unfunded == 0


def test_under_another_choice_what_waits_is_still_funded(stage: Stage) -> None:
    over(stage).earn(10)
    stage.choose(policies.REFUSE)
    stage.watch()
    assert stage.release() == 0
    stage.choose(policies.ALLOW)
    stage.watch()
    assert stage.release() == 1
    stage.watch()
    assert stage.earn(5).unfunded == 0


def test_without_an_agreement_in_force_what_waits_waits(stage: Stage) -> None:
    over(stage).earn(10)
    stage.change_terms("valid = daterange(lower(valid) - 10, lower(valid))")
    stage.watch()
    assert stage.release() == 0


def test_a_release_that_stops_at_its_bound_lets_the_watch_look_again_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    over(stage)
    for points in (1, 2, 3):
        stage.earn(points)
    stage.raise_limit(1000)
    stage.watch()
    monkeypatch.setattr(funding, "MOST_A_RUN", 2)
    for released, looked in ((2, []), (1, None)):
        assert stage.release() == released
        with stage.world.transaction() as session:
            assert exposure.watch(session, act(stage.world.keyring, now=NOW + stage.minutes * MINUTE)) == looked
    assert stage.wallet() == (106, 0)
    stage.is_whole()


def test_the_lots_of_an_issuer_without_room_are_not_read(stage: Stage) -> None:
    over(stage).earn(40)
    engine, in_order = stage.world.database.engine, "coalesce(l.origin_id, l.lot_id), l.lot_id"
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    def release() -> tuple[int, int]:
        asked.clear()
        return stage.release(), sum(in_order in statement and "is_unfunded" in statement for statement in asked)

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert release() == (0, 0)
        stage.raise_limit(101)
        assert release() == (1, 1)
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_return_takes_unfunded_points_from_where_they_are(stage: Stage) -> None:
    earned = over(stage).earn(40)
    part = stage.post(ledger.Reversal(original_id=earned.transaction_id, points=15, reference="R1")).unwrap()
    assert (part.points, part.available_after, part.pending_after) == (15, 100, 25)
    stage.is_whole()
    rest = stage.post(ledger.Reversal(original_id=earned.transaction_id, reference="R2")).unwrap()
    assert (rest.points, rest.available_after, rest.pending_after) == (25, 100, 0)
    stage.raise_limit(1000)
    assert stage.release() == 0
    stage.is_whole()


def test_a_debt_is_repaid_by_what_is_funded_and_not_before(stage: Stage) -> None:
    with stage.world.transaction() as session:
        session.execute(text("UPDATE coalition.programme SET return_policy = 'debt'"))
    first = stage.earn(100)
    stage.watch()
    stage.burn(100)
    stage.post(ledger.Reversal(original_id=first.transaction_id, reference="R")).unwrap()
    stage.raise_limit(1)
    stage.watch()
    earned = stage.earn(130)
    assert (earned.debt_repaid, earned.unfunded) == (0, 130)
    stage.is_whole()
    stage.raise_limit(1000)
    assert stage.release() == 1
    assert stage.wallet() == (30, 0)
    stage.is_whole()


def test_points_that_vest_later_are_funded_into_pending_and_vest_then(stage: Stage) -> None:
    soon = NOW + timedelta(hours=2)
    over(stage)
    earned = stage.earn(40, due_at=soon)
    assert (earned.unfunded, earned.pending_after) == (40, 40)
    stage.raise_limit(1000)
    assert stage.release() == 1
    assert stage.wallet() == (100, 40)
    stage.is_whole()
    assert scheduled_postings.vest(stage.world.database, now=soon) == 1
    assert stage.wallet() == (140, 0)
    stage.is_whole()


def test_points_whose_vesting_time_passed_unfunded_are_available_once_they_are_funded(stage: Stage) -> None:
    over(stage).earn(40, due_at=NOW + MINUTE)
    stage.minutes = 10
    assert scheduled_postings.vest(stage.world.database, now=NOW + 10 * MINUTE) == 0
    stage.raise_limit(1000)
    assert stage.release() == 1
    assert stage.wallet() == (140, 0)
    stage.is_whole()


def test_of_awards_those_of_the_issuer_beyond_its_limit_wait(stage: Stage) -> None:
    over(stage)
    awards = (Award(points=7), Award(points=9, issuer_id=stage.grocer.partner_id), Award(points=2))
    earned = stage.world.earn(stage.station.partner_id, stage.member, None, awards=awards)
    assert (earned.points, earned.unfunded, earned.available_after, earned.pending_after) == (18, 9, 109, 9)
    assert [award.points for award in earned.awards] == [7, 9, 2]
    again = stage.post(
        ledger.Earn(member_id=stage.member, reference=earned.reference, awards=awards), stage.station.partner_id
    )
    assert again.replayed
    assert again.unwrap().unfunded == 9
    stage.is_whole()
    back = stage.post(ledger.Reversal(original_id=earned.transaction_id, points=10, reference="R"),
                      stage.station.partner_id).unwrap()  # fmt: skip
    assert (back.available_after, back.pending_after) == (107, 1), "the last award first"
    stage.is_whole()


def test_what_is_never_funded_expires_without_having_been_issued(stage: Stage) -> None:
    over(stage)
    stage.earn(None, awards=(Award(points=40, expires_on=DAY + timedelta(days=2)),))
    assert scheduled_postings.expire(stage.world.database, day=DAY, now=NOW) == 0
    night(stage.world, 0)
    now = NOW + timedelta(days=1)
    assert scheduled_postings.expire(stage.world.database, day=DAY + timedelta(days=1), now=now) == 1
    assert stage.wallet() == (100, 0)
    with stage.world.transaction() as session:
        assert outstanding.flows(session, DAY + timedelta(days=1)) == []
    stage.raise_limit(1000)
    assert stage.release() == 0
    stage.is_whole()


def test_what_expires_tonight_is_not_funded_for_a_day_it_has_not(stage: Stage) -> None:
    over(stage)
    stage.earn(None, awards=(Award(points=40, expires_on=DAY + timedelta(days=2)),))
    for n in (0, 1):
        with stage.world.transaction() as session:
            session.execute(text("SELECT coalition.ledger_close_day(:day, :now)"),
                            {"day": DAY + timedelta(days=n), "now": NOW})  # fmt: skip
    stage.raise_limit(1000)
    assert stage.release() == 0


def test_a_merge_takes_unfunded_points_along_in_their_place_in_the_order(stage: Stage) -> None:
    over(stage).earn(40)
    into = stage.world.member("7001000000178511")
    later = stage.world.earn(stage.grocer.partner_id, into, 60)
    with stage.world.transaction() as session:
        merges.merge(session, APPROVED, member_id=stage.member, into=into, reference="M")
    assert stage.wallet(into) == (100, 100)
    stage.is_whole()
    stage.raise_limit(101)
    assert stage.release() == 1
    assert stage.wallet(into) == (140, 60)
    with stage.world.transaction() as session:
        left = session.scalars(text("SELECT lot_id FROM coalition.lot WHERE is_unfunded")).all()
    assert left == [later.transaction_id]
    stage.is_whole()


def test_what_waits_is_in_what_a_member_is_told_and_goes_with_its_member(stage: Stage) -> None:
    over(stage).earn(40)
    with stage.world.transaction() as session:
        explained = member_accounts.explain(session, stage.member)
        exported = data_export.of_member(session, member_id=stage.member, keyring=stage.world.keyring)
    assert "'is_unfunded': True" in f"{explained}"
    assert [lot["is_unfunded"] for lot in exported["lots"]] == [False, True]
    with stage.world.transaction() as session:
        left = erasure.erase(session, APPROVED, member_id=stage.member, forfeit=True)
    assert (left.forfeited, left.pending) == (140, 0)
    stage.raise_limit(1000)
    assert stage.release() == 0
    stage.is_whole()


def test_a_limit_of_nothing_lets_nothing_more_be_spent(world: World) -> None:
    stage = Stage(world, exposure_limit_minor=0)
    stage.earn(1)
    stage.watch()
    stage.earn(1)
    assert stage.release() == 0
    stage.burn(1)
    assert stage.release() == 0, "what was burned is owed"
    assert stage.wallet() == (0, 1)


def test_settled_and_sealed_days_hold_with_unfunded_points(stage: Stage) -> None:
    over(stage).earn(40)
    night(stage.world, 0)
    stage.raise_limit(1000)
    stage.release()
    stage.burn(120)
    night(stage.world, 1)
    with stage.world.transaction() as session:
        point_movements.require_seals(session, DAY + timedelta(days=1))
        day: date = DAY + timedelta(days=1)
        flows = {(flow.kind, flow.issued_on): flow.points for flow in outstanding.flows(session, day)}
    assert flows == {("issue", DAY): 40, ("redemption", DAY): 120}
    stage.is_whole()


def test_an_unknown_lot_is_not_funded(stage: Stage) -> None:
    lot = scheduled_postings.Waiting(stage.grocer.partner_id, stage.member, ids.new(), DAY, 5)
    assert scheduled_postings.fund(stage.world.database, [lot], now=NOW) == 0
