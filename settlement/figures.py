"""The reports that the coalition's admin asks for, each in every form: one verb for each, for whoever shows it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from coalition import programme
from kit.db import Session
from settlement import defaults, flows, periods, reports, settled_days, statements
from settlement import exposure as exposures
from settlement.accounting import breakage as breakages
from settlement.accounting import liability as liabilities
from settlement.accounting import movements as movement_rows
from settlement.cycles import Span
from settlement.files import day as day_files
from settlement.files import period as period_files
from settlement.files.reports import Report, of_table
from settlement.periods import EVERYTHING, Asked
from settlement.reports import DayNotSettled
from settlement.tables import Table


def of_day(session: Session, day: date) -> Report:
    """Who owes whom for a settled day; raises DayNotSettled."""
    return day_files.report(reports.get(session, day), flows.between(session, day, day))


def of_period(session: Session, days: Span, asked: Asked = EVERYTHING) -> Report:
    """Who owes whom for a span of settled days; raises MalformedPeriod, DayNotSettled."""
    return period_files.report(periods.get(session, days, asked), flows.between(session, days.first, days.last, asked))


def matrix(session: Session, days: Span) -> Report:
    """Whose points were redeemed where in a span; raises SpanRefused, DayNotSettled."""
    pairs = flows.matrix(session, days.first, days.last)
    return _of_span(flows.table(pairs, days.first, days.last), "matrix", days)


def movements(session: Session, days: Span) -> Report:
    """How points moved in a span; raises SpanRefused, DayNotSettled, MovementsDiffer. Reads all postings until it."""
    rows = movement_rows.read(session, days.first, days.last)
    return _of_span(movement_rows.table(rows, days.first, days.last), "movements", days)


def breakage(session: Session, days: Span) -> Report:
    """Points that expired and are expected to; raises and reads what `movements` does."""
    rows = breakages.read(session, days.first, days.last)
    return _of_span(breakages.table(rows, days.first, days.last), "breakage", days)


def liability(session: Session, day: date | None = None) -> Report:
    """What outstanding points come to at the end of a settled day, or of the last one.

    Raises DayNotSettled, MovementsDiffer.
    """
    chosen = day or settled_days.last(session)
    if chosen is None:
        raise DayNotSettled("no day is settled yet")
    rows = movement_rows.at_end_of(session, chosen)
    return of_table(liabilities.table(rows, chosen), name="liability", dated=chosen)


def exposure(session: Session, partner_id: UUID | None = None) -> Report:
    """What issuers owe now for points that nothing covers, or one of them does."""
    found = [one for one in exposures.read(session) if partner_id in (None, one.partner_id)]
    made = exposures.table(found, statements.parties(session))
    return of_table(made, name="exposure", dated=programme.get(session).open_day)


def claims(session: Session) -> Report:
    """What was paid in the place of partners in default."""
    made = defaults.table(defaults.claims(session), statements.parties(session))
    return of_table(made, name="claims", dated=programme.get(session).open_day)


def _of_span(made: Table, name: str, days: Span) -> Report:
    return of_table(made, name=f"{name}_{days.first}", dated=days.last)
