"""Whether the days get settled: what the operator is told, by the programme's own clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from coalition import programme
from kit.db import Session
from kit.exposition import Gauge
from settlement import nightly, run_failures, set_aside

LATE_AFTER = timedelta(hours=1)


def state(session: Session, now: datetime) -> str:
    """`ok`, or what a person has to see to; it names days, and never partners.

    `failed: 2026-03-02 (run_differs)`: its settlement fails. `late`: a day that ended an hour ago is not settled.
    `set aside`: points wait for an agreement that prices them.
    """
    if failures := run_failures.all_of_them(session):
        return f"failed: {failures[0].day} ({failures[0].code})"
    if late_s(session, now) >= LATE_AFTER.total_seconds():
        return "late"
    return "set aside" if set_aside.sums(session).pairs else "ok"


def late_s(session: Session, now: datetime) -> float:
    """For how many seconds the oldest day that is not settled has been over; 0 while it still runs."""
    current = programme.get(session)
    over = current.time(now) - current.ends_at(_oldest_unsettled(session, current.open_day))
    return max(over.total_seconds(), 0.0)


def _oldest_unsettled(session: Session, open_day: date) -> date:
    return min(nightly.unsettled_days(session), default=open_day)


def _unsettled_days(session: Session, now: datetime) -> float:
    current = programme.get(session)
    running = current.time(now).astimezone(current.zone).date()
    return max(float((running - _oldest_unsettled(session, current.open_day)).days), 0.0)


def _settled_until(session: Session, now: datetime) -> float:
    current = programme.get(session)
    return current.ends_at(_oldest_unsettled(session, current.open_day) - timedelta(days=1)).timestamp()


def _open_since(session: Session, now: datetime) -> float:
    current = programme.get(session)
    return current.ends_at(current.open_day - timedelta(days=1)).timestamp()


def _age(session: Session, now: datetime) -> float:
    return programme.get(session).time(now).timestamp() - _settled_until(session, now)


def _failing(session: Session, now: datetime) -> float:
    return float(len(run_failures.all_of_them(session)))


def _set_aside(session: Session, now: datetime) -> float:
    return float(set_aside.sums(session).points)


GAUGES = (
    Gauge("coalition_settlement_runs_failing", "Settlement runs that failed when they were last tried", _failing),
    Gauge("coalition_set_aside_points", "Points burned elsewhere that wait for an agreement to price them", _set_aside),
    Gauge("coalition_open_day_start_timestamp_seconds", "When the open business day began", _open_since),
    Gauge(
        "coalition_settled_until_timestamp_seconds",
        "End of the last day that is settled, all before it too",
        _settled_until,
    ),
    Gauge("coalition_settled_day_age_seconds", "Since that end, by the programme's clock", _age),
    Gauge("coalition_unsettled_days", "Days that are over and not settled", _unsettled_days),
    Gauge("coalition_settlement_late_seconds", "Since the oldest day that is not settled was over", late_s),
)
