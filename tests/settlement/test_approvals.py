"""Who may decide about a run, and in which state: two people, never the clock, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from kit import audit
from kit.audit import Act, ReasonMissing
from kit.errors import CoalitionError
from settlement import approvals, nightly, policies, runs, verify
from settlement.approvals import PersonMissing, SamePerson, WrongState
from settlement.runs import Run, RunNotFound
from tests.conftest import NOW, World, act, until_somebody_waits
from tests.settlement.months import agree

DAY = NOW.date()
MIDNIGHT = NOW + timedelta(days=1)
Step = Callable[..., Run]


def by(world: World, person: str, **said: str) -> Act:
    return act(world.keyring, now=MIDNIGHT, by=person, **said)


def do(world: World, step: Step, run_id: UUID, doing: Act) -> Run:
    with world.transaction() as session:
        return step(session, doing, run_id=run_id)


@pytest.fixture
def calculated(world: World) -> tuple[World, UUID]:
    """A day's run: 100 of the grocer's points were burned at the station."""
    grocer, station = world.partner("grocer"), world.partner("station")
    agree(world, grocer.partner_id, DAY)
    member = world.member()
    world.earn(grocer.partner_id, member, 100)
    world.burn(station.partner_id, member, 100)
    return world, nightly.run(world.database, act(world.keyring, now=MIDNIGHT), day=DAY).run_id


def test_a_run_goes_through_its_states_each_with_its_person(calculated) -> None:
    world, run_id = calculated
    assert do(world, approvals.approve, run_id, by(world, "ann")).state == "calculated", "one of two"
    assert do(world, approvals.approve, run_id, by(world, "ben", reason="as counted")).state == "approved"
    assert do(world, approvals.instruct, run_id, by(world, "cid")).state == "instructed"
    assert do(world, approvals.settle, run_id, by(world, "cid")).state == "settled"
    with world.transaction() as session:
        found = [(one.state, one.by, one.reason) for one in runs.changes(session, run_id)]
    assert [one[0] for one in found] == [
        "open", "closed", "calculated", "approved", "approved", "instructed", "settled",
    ]  # fmt: skip
    assert found[3:5] == [("approved", "ann", None), ("approved", "ben", "as counted")]


@pytest.mark.parametrize(
    "again",
    ["ann lee", "  ann lee ", "ANN LEE", "Ann  Lee", "\uff41\uff4e\uff4e lee"],
)
def test_the_same_person_can_not_approve_twice_however_the_name_is_typed(calculated, again: str) -> None:
    world, run_id = calculated
    do(world, approvals.approve, run_id, by(world, "Ann Lee"))
    with pytest.raises(SamePerson):
        do(world, approvals.approve, run_id, by(world, again))
    assert do(world, approvals.approve, run_id, by(world, "Ann Lees")).state == "approved"


def test_one_name_has_several_spellings_in_unicode(calculated) -> None:
    world, run_id = calculated
    do(world, approvals.approve, run_id, by(world, "Jos\u00e9 Stra\u00dfe"))
    with pytest.raises(SamePerson):
        do(world, approvals.approve, run_id, by(world, "JOSE\u0301 STRASSE"))


@pytest.mark.parametrize("step", [approvals.approve, approvals.instruct, approvals.abandon])
def test_the_clock_decides_nothing(calculated, step: Step) -> None:
    world, run_id = calculated
    if step is approvals.instruct:
        for person in ("ann", "ben"):
            do(world, approvals.approve, run_id, by(world, person))
    with pytest.raises(PersonMissing):
        do(world, step, run_id, audit.of_clock(MIDNIGHT, world.keyring))


def reach(world: World, run_id: UUID, state: str) -> None:
    """Bring a calculated run into `state`."""
    if state == "abandoned":
        do(world, approvals.abandon, run_id, by(world, "ann", reason="a wrong price"))
    approved = [(approvals.approve, "ann"), (approvals.approve, "ben")]
    steps = [*approved, (approvals.instruct, "ann"), (approvals.settle, "ann")]
    for step, person in steps[: {"approved": 2, "instructed": 3, "settled": 4}.get(state, 0)]:
        do(world, step, run_id, by(world, person))


ALLOWED = {
    "open": (), "closed": (), "calculated": ("approve", "abandon"), "approved": ("instruct", "abandon"),
    "instructed": ("settle",), "settled": (), "abandoned": (),
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "step"),
    [(state, step) for state, allowed in ALLOWED.items()
     for step in ("approve", "instruct", "settle", "abandon") if step not in allowed],
)  # fmt: skip
def test_a_step_that_the_state_does_not_allow_is_refused_and_changes_nothing(calculated, state: str, step: str) -> None:
    world, run_id = calculated
    if state in ("open", "closed"):
        with world.transaction() as session:
            session.execute(text("UPDATE settlement.run SET state = :state, content_hash = NULL, netting = NULL"),
                            {"state": state})  # fmt: skip
    else:
        reach(world, run_id, state)
    changes = world.count("settlement.run_change")
    with pytest.raises(WrongState) as refused:
        do(world, getattr(approvals, step), run_id, by(world, "zoe", reason="why not"))
    assert refused.value.fields["state"] == state
    assert world.count("settlement.run_change") == changes


def test_a_run_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(RunNotFound):
        do(world, approvals.approve, UUID(int=1), by(world, "ann"))


def test_a_run_is_given_up_for_a_reason_only(calculated) -> None:
    world, run_id = calculated
    with pytest.raises(ReasonMissing):
        do(world, approvals.abandon, run_id, by(world, "ann"))


@pytest.mark.parametrize(
    ("people", "state", "refused"),
    [(("ann", "ben"), "approved", []), (("ann", "ANN"), "calculated", [SamePerson]),
     (("ann", "ben", "cid"), "approved", [WrongState])],
)  # fmt: skip
def test_approvers_at_once_count_one_by_one(calculated, people: tuple[str, ...], state: str, refused: list) -> None:
    world, run_id = calculated
    met: list[type] = []

    def approve(person: str) -> None:
        try:
            do(world, approvals.approve, run_id, by(world, person))
        except CoalitionError as error:
            met.append(type(error))

    threads = [threading.Thread(target=approve, args=(person,)) for person in people]
    with world.transaction() as session:
        runs.get(session, run_id, lock=True)
        for thread in threads:
            thread.start()
        until_somebody_waits(world, how_many=len(people))
    for thread in threads:
        thread.join()
    with world.transaction() as session:
        assert runs.get(session, run_id).state == state
    assert met == refused


def test_one_person_is_enough_where_the_policy_says_so(calculated) -> None:
    world, run_id = calculated
    with world.transaction() as session:
        policies.put(session, by(world, "ann"), policies.Policy(approvals=1))
    assert do(world, approvals.approve, run_id, by(world, "ann")).state == "approved"


@pytest.mark.parametrize("state", ["calculated", "approved"])
def test_an_abandoned_run_is_settled_by_another_attempt_with_the_same_positions(calculated, state: str) -> None:
    world, run_id = calculated
    reach(world, run_id, state)
    again = do(world, approvals.abandon, run_id, by(world, "ann", reason="the wrong way to pay"))
    assert (again.attempt, again.state) == (2, "closed")
    assert [one.day for one in nightly.run_due(world.database, act(world.keyring, now=MIDNIGHT))] == [DAY]
    with world.transaction() as session:
        first, second = (runs.positions(session, one) for one in (run_id, again.run_id))
        assert second == first != []
        paid = [[(one.payer_id, one.payee_id, one.amount_minor) for one in runs.payments(session, each)]
                for each in (run_id, again.run_id)]  # fmt: skip
        assert paid[0] == paid[1]
        assert [one.state for one in runs.newest(session, limit=9) if one.first_day == DAY and one.is_daily] == [
            "calculated", "abandoned",
        ]  # fmt: skip
        assert runs.of_day(session, DAY).run_id == again.run_id
        assert verify.first_broken(session) is None
    with pytest.raises(WrongState):
        do(world, approvals.approve, run_id, by(world, "ben"))
    assert do(world, approvals.approve, again.run_id, by(world, "ann")).state == "calculated", "it counts anew"
