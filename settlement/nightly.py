"""The night: end the business day, settle it, and calculate the runs that end with it. Each stage runs once.

A stage is one transaction, keyed by the day or the run: a night killed anywhere goes on where it was, two at once take
turns and change nothing twice, and a day calculated again gives the same bytes, or stops and says so. What can't be
priced is set aside, and a day that fails keeps no other waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, closing, programme
from kit import audit, ids, logs, outbox
from kit.audit import Act
from kit.db import Database, Session, wait_for_lock
from kit.errors import CoalitionError, Conflict, Unavailable
from settlement import (
    cycles,
    policies,
    run_failures,
    run_parties,
    runs,
    set_aside,
    settled_days,
    statement_form,
    statements,
)
from settlement.run_failures import RunFailure
from settlement.runs import Change, Run
from settlement.set_aside import SetAside
from settlement.statements import Content

log = logging.getLogger("settlement")
LOCK = "settlement"  # one at a time: which day takes in what was set aside must not be decided twice


class RunDiffers(Conflict):
    code = "run_differs"
    title = "Settlement differs"
    description = "The calculation of a settled day now gives another result. Somebody changed its rows or prices."
    remedy = (
        "Stop and run `coalition ledger verify`: it names what was changed. Restore the rows from a backup, or ask "
        "whoever changed them."
    )


@dataclass(frozen=True)
class SettledDay:
    """A settled day; `settled_now` is False when it had been settled before and came out the same.

    `run_id` is the run of the day alone. `payments` counts those of the runs that end with it, `set_aside` what it left
    out for want of a price, `taken_in` what earlier days had left out.
    """

    day: date
    settled_now: bool
    postings: int
    payments: int
    set_aside: int
    taken_in: int
    content_hash: bytes
    run_id: UUID


def run(database: Database, act: Act, *, day: date) -> SettledDay:
    """Settle `day` from wherever it stands, and the runs that can be calculated then. Raises DayNotOver, RunDiffers."""
    seal = closing.close_day(database, act, day=day)
    with database.transaction() as session:
        wait_for_lock(session, LOCK)
        runs.open_new(session, at=act.now, by=act.decider)
        is_new = not settled_days.is_settled(session, day)
        if is_new:
            settled_days.keep(session, day, act.now)
        elif (difference := _difference_now(session, day)) is not None:
            raise RunDiffers(f"{day} now gives another result than when it was settled: {difference}")
        run_failures.forget(session, day)
        left_out, taken_in = set_aside.of_day(session, day), set_aside.taken_in(session, day)
        content_hash = settled_days.content_hash(session, day) or b""
        if is_new:
            audit.append(session, act, "day.settled", day.isoformat(), content_hash=content_hash.hex())
    if is_new:
        _report(day, left_out, taken_in)
    with database.reading() as session:
        due = [one for one in runs.due(session) if one.first_day <= day <= one.last_day]
    for one in due:
        calculate(database, act, one.run_id)
    with database.reading() as session:
        own = runs.of_day(session, day)
        payments = sum(len(runs.payments(session, one.run_id)) for one in runs.ending_on(session, day))
    return SettledDay(day, is_new, seal.postings, payments, len(left_out), len(taken_in), content_hash, own.run_id)


def _difference_now(session: Session, day: date) -> str | None:
    # Of days that the version before settled the night takes over what they came to; `ledger verify` compares them.
    return None if settled_days.is_of_the_version_before(session, day) else first_difference(session, day)


def _report(day: date, left_out: list[SetAside], taken_in: list[SetAside]) -> None:
    for one in left_out:
        logs.event(
            log, "points set aside", level=logging.WARNING, day=day, code=one.code, points=one.points,
            payer=ids.show(ids.PARTNER, one.payer_id), payee=ids.show(ids.PARTNER, one.payee_id),
            issued_on=one.issued_on,
        )  # fmt: skip
    if taken_in:
        logs.event(log, "points set aside before are settled", day=day, flows=len(taken_in))


def calculate(database: Database, act: Act, run_id: UUID) -> Run | None:
    """Bring a closed run to its positions, payments and statements; None: it is calculated, or a day isn't settled."""
    with database.transaction() as session:
        wait_for_lock(session, LOCK)
        found = runs.get(session, run_id, lock=True)
        if found.state != runs.CLOSED or not settled_days.all_settled(session, found.first_day, found.last_day):
            return None
        run_failures.forget(session, found.last_day)
        if found.is_daily and settled_days.is_of_the_version_before(session, found.last_day):
            return _take_over(session, act, found)
        return _calculate(session, act, found)


_TAKEN_OVER = (
    """
    INSERT INTO settlement.run_position (run_id, party_id, currency, opening_minor, amount_minor)
    SELECT :run_id, partner_id, currency, 0, amount_minor FROM settlement.net_position WHERE day = :day
    """,
    """
    INSERT INTO settlement.run_payment (payment_id, run_id, n, payer_id, payee_id, currency, amount_minor)
    SELECT gen_random_uuid(), :run_id, seq, payer_id, payee_id, currency, amount_minor
    FROM settlement.payment WHERE day = :day
    """,
    """
    INSERT INTO settlement.run_statement (statement_id, run_id, partner_id, content_hash)
    SELECT statement_id, :run_id, partner_id, content_hash FROM settlement.statement WHERE day = :day
    """,
)


def _take_over(session: Session, act: Act, found: Run) -> Run:
    """What the version before settled stays as partners were told it, and asks nobody for money again."""
    for statement in _TAKEN_OVER:
        session.execute(text(statement), {"run_id": found.run_id, "day": found.last_day})
    kept = settled_days.content_hash(session, found.last_day)
    made = replace(found, netting=policies.DIRECT, content_hash=kept)
    for state in (runs.INSTRUCTED, runs.SETTLED):
        made = runs.note(session, made, Change(state, act.now, act.decider, "settled by the version before"))
    audit.append(session, act, "settlement.taken_over", made, cycle=made.cycle)
    return made


def _calculate(session: Session, act: Act, found: Run) -> Run:
    policy = policies.get(session)
    content = _content(session, found, policy.netting)
    runs.keep(session, found, content.positions, content.payments)
    names = {party_id: (party.code, party.name) for party_id, party in content.parties.items()}
    run_parties.keep(session, found, run_parties.as_they_are(session, found, names))
    hashes = {}
    for partner in statements.recipients(session, content):
        said = statements.terms(content, partner.partner_id)
        hashes[partner.partner_id] = statement_form.content_hash(said)
        _keep_statement(session, found, said, partner.partner_id, act.now)
    made = replace(found, netting=policy.netting, content_hash=_hash(session, found, hashes))
    made = runs.note(session, made, Change.into(runs.CALCULATED, act))
    if not content.payments:  # nothing to approve, nothing to pay
        made = runs.note(session, made, Change(runs.SETTLED, act.now, act.decider, "there is nothing to pay"))
    content_hash = made.content_hash.hex() if made.content_hash else None
    audit.append(session, act, "settlement.calculated", made, cycle=made.cycle, content_hash=content_hash)
    return made


def _content(session: Session, found: Run, how: str) -> Content:
    fund = programme.get(session).programme_id
    empty = statements.gather(session, found, [], [])
    positions, payments = runs.net(empty.owed, how=how, fund=fund, opening=runs.unpaid(session))
    return replace(empty, positions=positions, payments=payments)


def _hash(session: Session, found: Run, hashes: dict[UUID, bytes]) -> bytes:
    """SHA-256 over what a run's days and statements are known by."""
    days = [settled_days.content_hash(session, day) or b"" for day in runs.span(found).days]
    digest = sha256(b"".join(days))
    for partner_id in sorted(hashes):
        digest.update(partner_id.bytes + hashes[partner_id])
    return digest.digest()


def _keep_statement(session: Session, found: Run, said: dict[str, Any], partner_id: UUID, now: datetime) -> None:
    statement_id, content_hash = ids.new(), statement_form.content_hash(said)
    session.execute(
        text("""
            INSERT INTO settlement.run_statement (statement_id, run_id, partner_id, content_hash)
            VALUES (:statement_id, :run_id, :partner_id, :content_hash)
        """),
        {
            "statement_id": statement_id,
            "run_id": found.run_id,
            "partner_id": partner_id,
            "content_hash": content_hash,
        },
    )
    outbox.append(
        session,
        outbox.Event(
            type="settlement.statement_ready",
            subject_id=partner_id,
            partner_id=partner_id,
            occurred_at=programme.get(session).time(now),
            data={
                "statement_id": statement_id,
                "partner_id": partner_id,
                "cycle": found.cycle,
                "first_day": found.first_day,
                "last_day": found.last_day,
                "day": found.last_day,
                "content_hash": content_hash.hex(),
                "net": [{"currency": one["currency"], "amount_minor": one["net_minor"]} for one in said["positions"]],
            },
        ),
    )


def first_difference(session: Session, day: date) -> str | None:
    """How what is kept of a settled day, or of a run that ends with it, differs from what comes out now."""
    if (found := settled_days.first_difference(session, day)) is not None:
        return found
    of_before = settled_days.is_of_the_version_before(session, day)
    for one in runs.ending_on(session, day):
        if one.is_daily and of_before:
            continue
        if one.content_hash is not None and (found := _run_difference(session, one)) is not None:
            return f"{one.cycle} run: {found}"
    return None


def _run_difference(session: Session, one: Run) -> str | None:
    """Positions, payments and statements again; what stood open before is as it was kept."""
    content = statements.content(session, one)
    opening = {(each.party_id, each.currency): each.opening_minor for each in content.positions}
    fund = programme.get(session).programme_id
    positions, payments = runs.net(content.owed, how=one.netting or policies.DIRECT, fund=fund, opening=opening)
    if positions != content.positions:
        return "net positions: other ones come out"
    if [vars(each) | {"payment_id": None} for each in payments] != [
        vars(each) | {"payment_id": None} for each in content.payments
    ]:
        return "payments: other ones come out"
    kept = runs.statement_hashes(session, one.run_id)
    due = {
        partner.partner_id: statement_form.content_hash(statements.terms(content, partner.partner_id))
        for partner in statements.recipients(session, content)
    }
    if kept != due:
        odd = sorted(partner for partner in kept.keys() | due.keys() if kept.get(partner) != due.get(partner))
        return f"statement of {odd[0]}: another one comes out"
    return None if _hash(session, one, kept) == one.content_hash else "content: another hash comes out"


def run_due(
    database: Database, act: Act, *, unless_failed_since: datetime | None = None
) -> Iterator[SettledDay | RunFailure]:
    """Settle every day that is over, the oldest first; a day that fails is written down, and the next one runs.

    So it is with a run that a night left uncalculated, which counts for its last day. What failed after
    `unless_failed_since` is passed over. Raises DatabaseUnavailable: then none can run.
    """
    with database.transaction() as session:
        business_days.close_over(session, now=act.now)
        failed = {failure.day for failure in run_failures.all_of_them(session)
                  if unless_failed_since is not None and failure.last_at > unless_failed_since}  # fmt: skip
        days = [day for day in due_days(session, now=act.now) if day not in failed]
        # A night was killed before them, or they failed; those of the last of `days` come with it, in their order.
        left = [one for one in runs.due(session) if one.last_day not in failed.union(days)]
    for one in left:
        with _written_down(database, one.last_day, act.now) as failures:
            calculate(database, act, one.run_id)
        yield from failures
    for day in days:
        with _written_down(database, day, act.now) as failures:
            yield run(database, act, day=day)
        yield from failures


@contextmanager
def _written_down(database: Database, day: date, now: datetime) -> Iterator[list[RunFailure]]:
    """Write down that the block fails, which is then in the list that it gets; DatabaseUnavailable goes on."""
    failures: list[RunFailure] = []
    try:
        yield failures
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 -- a fault of ours, too, must not keep the other days waiting
        failures.append(_write_down(database, day, error, now))


def _write_down(database: Database, day: date, error: Exception, now: datetime) -> RunFailure:
    failure = run_failures.of(day, error, now)
    with database.transaction() as session:
        is_new = run_failures.keep(session, failure)
    if is_new:
        log.error(
            "the settlement of %s failed: %s (%s)", day, failure.detail, failure.code,
            exc_info=None if isinstance(error, CoalitionError) else error,
        )  # fmt: skip
    return failure


def due_days(session: Session, *, now: datetime) -> list[date]:
    """The days that are over and whose daily run is not calculated yet, oldest first; reads no history."""
    current = programme.get(session)
    due = unsettled_days(session)
    day = current.open_day
    while current.time(now) >= current.ends_at(day):
        due.append(day)
        day += timedelta(days=1)
    return due


def unsettled_days(session: Session) -> list[date]:
    """The closed days whose daily run is not calculated yet, oldest first; reads no history."""
    found = [one.first_day for one in runs.due(session, cycle=cycles.DAILY)]
    found += [one.first_day for one in runs.open_before(session, programme.get(session).open_day)]
    found += business_days.closed_after(session, runs.last_daily(session))
    return sorted(set(found))
