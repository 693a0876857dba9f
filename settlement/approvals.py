"""What people decide about a run that is calculated: approve it, instruct its payments, abandon it, call it settled."""

from __future__ import annotations

from uuid import UUID

from coalition.approvals import same_person
from kit import audit, ids
from kit.audit import Act, Actor
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Forbidden
from settlement import defaults, payments, policies, runs
from settlement.runs import ABANDONED, APPROVED, CALCULATED, INSTRUCTED, SETTLED, Change, Run

CLOCK, CLIENT = "clock", "client"


class WrongState(Conflict):
    code = "run_state"
    title = "Not in this state"
    description = (
        "The settlement run's `state` does not allow this step. A run goes from calculated to approved, instructed and "
        "settled. You can abandon it before it is instructed."
    )
    remedy = "Look at the run with `coalition settlement show`, and take the step that its state allows."
    facts = ("state",)


class SamePerson(Forbidden):
    code = "same_person"
    title = "Approved by the same person"
    description = "This person approved the settlement run already. It takes two different people."
    remedy = "Ask a second person to approve the run. `coalition settlement policy` sets how many people it takes."


class PersonMissing(Forbidden):
    code = "person_missing"
    title = "A person has to decide"
    description = "Only a person can approve a settlement run, not a job."
    remedy = "Run the command yourself, or name who decides with --by, in the API with `decided_by`."


class MoneyBooked(Conflict):
    code = "money_booked"
    title = "Money is booked"
    description = (
        "Money came for payments of the settlement run, so it cannot be abandoned: it would be asked for again."
    )
    remedy = "Take the entries back with `coalition settlement unmatch` first, or let the run go on."


def approve(session: Session, act: Act, *, run_id: UUID) -> Run:
    """Approve a calculated run; with as many people as the policy asks for it is `approved`.

    Raises RunNotFound, WrongState, PersonMissing, and SamePerson for whoever approved it before.
    """
    wait_for_lock(session, payments.LOCK)
    found = in_state(session, run_id, CALCULATED)
    by_a_person(act.actor, act.by)
    before = [change.by for change in runs.changes(session, run_id) if change.state == APPROVED]
    if any(same_person(by, act.decider) for by in before):
        raise SamePerson(f"{act.decider} has approved this run already")
    is_enough = len(before) + 1 >= policies.get(session).approvals
    runs.write_down(session, found, Change.into(APPROVED, act))
    made = found
    if is_enough:
        made = runs.enter(session, found, APPROVED)
        payments.tell(session, made, now=act.now)
        defaults.cover_open(session, at=act.now, by=act.decider)
    audit.append(session, act, "settlement.approved", made, state=made.state)
    return made


def instruct(session: Session, act: Act, *, run_id: UUID) -> Run:
    """Say that the payments of an approved run are on their way, made without a file of ours.

    Raises RunNotFound, WrongState, PersonMissing.
    """
    found = in_state(session, run_id, APPROVED)
    by_a_person(act.actor, act.by)
    made = runs.note(session, found, Change.into(INSTRUCTED, act))
    audit.append(session, act, "settlement.instructed", made)
    return made


def settle(session: Session, act: Act, *, run_id: UUID) -> Run:
    """Say that all payments of an instructed run have come. Raises RunNotFound, WrongState."""
    found = in_state(session, run_id, INSTRUCTED)
    made = runs.note(session, found, Change.into(SETTLED, act))
    audit.append(session, act, "settlement.settled", made)
    return made


def abandon(session: Session, act: Act, *, run_id: UUID) -> Run:
    """Give up a run that is not instructed, for a reason; its days are settled by another attempt, which is returned.

    Raises RunNotFound, WrongState, PersonMissing, ReasonMissing, MoneyBooked.
    """
    wait_for_lock(session, payments.LOCK)
    found = in_state(session, run_id, CALCULATED, APPROVED)
    by_a_person(act.actor, act.by)
    audit.require_reason(act)
    if payments.is_money_booked(session, run_id):
        raise MoneyBooked("money is booked for payments of this run")
    runs.note(session, found, Change.into(ABANDONED, act))
    again = runs.open_attempt(session, found, at=act.now, by=act.decider)
    audit.append(session, act, "settlement.abandoned", found, next_run=ids.show(ids.SETTLEMENT_RUN, again.run_id))
    return again


def in_state(session: Session, run_id: UUID, *states: str) -> Run:
    """A run in one of `states`, which nobody else changes before the transaction ends; raises WrongState."""
    found = runs.get(session, run_id, lock=True)
    if found.state not in states:
        raise WrongState(f"the run is {found.state}, not {' or '.join(states)}", state=found.state)
    return found


def by_a_person(actor: Actor, by: str | None) -> None:
    """Raises PersonMissing for what the clock does, or a client that does not say for whom."""
    if actor.kind == CLOCK or (actor.kind == CLIENT and by is None):
        raise PersonMissing("a person has to decide this")
