"""The night: end the business day, then calculate it. Each stage is keyed by the day and runs once.

A night killed anywhere goes on where it was; two at once take turns and change nothing twice; a day calculated again
gives the same bytes, or stops and says so. What can't be priced is set aside, and a night that fails keeps none of the
others waiting.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from coalition import business_days, closing, programme
from coalition.business_days import Flow, FlowLine
from kit import ids, logs
from kit.db import Database, Session, wait_for_lock
from kit.errors import CoalitionError, Conflict, Unavailable
from kit.secrets import Keyring
from partners import accounts
from settlement import agreements, calculation, night_faults, set_aside, settled_days
from settlement.agreements import PriceBook
from settlement.calculation import Calculation
from settlement.night_faults import NightFault
from settlement.set_aside import SetAside

log = logging.getLogger("settlement")


class NightDiffers(Conflict):
    """A settled day, calculated again, comes out differently: its rows or prices were changed behind our back."""

    code = "night_differs"
    title = "Settlement differs"


@dataclass(frozen=True)
class Night:
    """A settled day; `settled_now` is False when it had been settled before and came out the same.

    `set_aside` counts what it left out for want of a price, `taken_in` what earlier days had left out.
    """

    day: date
    settled_now: bool
    postings: int
    payments: int
    set_aside: int
    taken_in: int
    content_hash: bytes


def run(database: Database, *, day: date, now: datetime, keyring: Keyring) -> Night:
    """Settle `day` from wherever it stands. Raises DayNotOver, NightDiffers."""
    closing.close_day(database, day=day, now=now, keyring=keyring)
    with database.transaction() as session:
        # One night at a time: which of them takes in what was set aside must not be decided twice.
        wait_for_lock(session, "settlement")
        is_new = not settled_days.is_settled(session, day)
        result = calculate(session, day)
        if is_new:
            settled_days.keep(session, result, now)
        elif (difference := settled_days.first_difference(session, result)) is not None:
            raise NightDiffers(f"{day} does not come out as it was settled: {difference}")
        night_faults.forget(session, day)
    if is_new:
        _report(result)
    return Night(
        day, is_new, result.seal.postings, len(result.payments), len(result.left_out), len(result.taken_in),
        result.content_hash(),
    )  # fmt: skip


def _report(result: Calculation) -> None:
    for one in result.left_out:
        logs.event(
            log, "points set aside", level=logging.WARNING, day=result.day, code=one.code, points=one.points,
            payer=ids.show(ids.PARTNER, one.payer_id), payee=ids.show(ids.PARTNER, one.payee_id),
            issued_on=one.issued_on,
        )  # fmt: skip
    if result.taken_in:
        logs.event(log, "points set aside before are settled", day=result.day, flows=len(result.taken_in))


def run_due(
    database: Database, *, now: datetime, keyring: Keyring, unless_failed_since: datetime | None = None
) -> Iterator[Night | NightFault]:
    """Settle every day that is over, the oldest first; a night that fails is written down, and the next one runs.

    One that failed after `unless_failed_since` is passed over. Raises DatabaseUnavailable: then none can run.
    """
    with database.transaction() as session:
        business_days.close_over(session, now=now)
        failed = {fault.day for fault in night_faults.all_of_them(session)
                  if unless_failed_since is not None and fault.last_at > unless_failed_since}  # fmt: skip
        days = [day for day in due_days(session, now=now) if day not in failed]
    for day in days:
        try:
            yield run(database, day=day, now=now, keyring=keyring)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- a fault of ours, too, must not keep the other days waiting
            yield _write_down(database, day, error, now)


def _write_down(database: Database, day: date, error: Exception, now: datetime) -> NightFault:
    fault = night_faults.of(day, error, now)
    with database.transaction() as session:
        is_new = night_faults.keep(session, fault)
    if is_new:
        log.error(
            "the night of %s failed: %s (%s)", day, fault.detail, fault.code,
            exc_info=None if isinstance(error, CoalitionError) else error,
        )  # fmt: skip
    return fault


def calculate(session: Session, day: date) -> Calculation:
    """The settlement of a sealed day, from its postings and the agreements; writes nothing. Raises DayNotClosed.

    What a day that was settled left out and took in stays so, whatever agreements came since.
    """
    seal = business_days.find_seal(session, day)
    if seal is None:
        raise business_days.DayNotClosed(f"{day} is not sealed")
    book = PriceBook(agreements.everything(session))
    flows = business_days.flows(session, day)
    if settled_days.is_settled(session, day):
        left_out, taken_in = set_aside.of_day(session, day), set_aside.taken_in(session, day)
    else:
        left_out = [_left_out(flow, day) for flow in flows if not _is_priced(flow, book)]
        taken_in = [one for one in set_aside.waiting(session, before=day) if _is_priced(one.flow, book)]
    unpriced = {_pair(one.flow) for one in left_out}
    return calculation.calculate(
        seal=seal,
        flows=[flow for flow in flows if _pair(flow) not in unpriced] + [one.flow for one in taken_in],
        flow_lines=_lines(session, day, left_out, taken_in),
        book=book,
        # Whoever joined later has no statement of that day, today and when it is calculated again.
        partners=accounts.everybody(session, created_before=business_days.closed_at(session, day)),
        left_out=left_out,
        taken_in=taken_in,
    )


def _is_priced(flow: Flow, book: PriceBook) -> bool:
    return flow.issuer_id == flow.redeemer_id or book.look_up(flow.issuer_id, flow.issued_on) is not None


def _left_out(flow: Flow, day: date) -> SetAside:
    return SetAside(day, flow.issuer_id, flow.redeemer_id, flow.issued_on, flow.points)


def _pair(flow: Flow | FlowLine) -> tuple[object, ...]:
    return flow.issuer_id, flow.redeemer_id, flow.issued_on


def _lines(session: Session, day: date, left_out: list[SetAside], taken_in: list[SetAside]) -> Iterator[FlowLine]:
    """The day's lines without what is left out, and those of earlier days that are taken in, in one order."""
    unpriced = {_pair(one.flow) for one in left_out}
    streams: list[Iterator[FlowLine]] = [
        (line for line in business_days.flow_lines(session, day) if _pair(line) not in unpriced)
    ]
    for earlier in sorted({one.day for one in taken_in}):
        wanted = {_pair(one.flow) for one in taken_in if one.day == earlier}
        streams.append(_of_pairs(session, earlier, wanted))
    return heapq.merge(*streams, key=_pair)


def _of_pairs(session: Session, day: date, wanted: set[tuple[object, ...]]) -> Iterator[FlowLine]:
    return (line for line in business_days.flow_lines(session, day) if _pair(line) in wanted)


def due_days(session: Session, *, now: datetime) -> list[date]:
    """The days that are over and not settled yet, oldest first."""
    current = programme.get(session)
    closed = [day for day, _ in business_days.closed_days(session)]
    settled = set(settled_days.all_of_them(session))
    due = [day for day in closed if day not in settled]
    day = current.open_day
    while current.time(now) >= current.ends_at(day):
        due.append(day)
        day += timedelta(days=1)
    return due
