"""`coalition settlement report`: who owes whom for a day or a period; and the way from a run to each posting."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from kit import ids
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners.cli.records import DAY, FIRST, MOST_LISTED, report_all
from settlement import drill_down, figures, periods, runs, statements
from settlement.cli.forms import form_options, put, require_file
from settlement.cli.statements import settlement as settlement
from settlement.cycles import Span
from settlement.periods import Asked


@settlement.command(
    "report",
    help=(
        "Print who owes whom for DAY, or for a period: --month, --week, --quarter, or --from and --until. All of its "
        "days have to be settled."
    ),
)
@click.argument("day", type=DAY, required=False)
@click.option("--from", "since", type=DAY, help="The first day of a period.")
@click.option("--until", type=DAY, help="Its last day.")
@click.option("--month", help="A calendar month, such as 2026-03.")
@click.option("--week", help="A week from Monday on (ISO 8601), such as 2026-W09.")
@click.option("--quarter", help="A quarter, such as 2026-Q1.")
@click.option("--partner", help="Of a period, what this partner owes and is owed. Its code, or `coalition`.")
@click.option("--counterparty", help="Of that, what is between it and this one.")
@click.option("--by", type=click.Choice(["store"]), help="Tell what fell to each store, and to none that was named.")
@form_options
@json_option
@one_line_errors
def report(
    *, day: datetime | None, form: str, output: Path | None, as_json: bool, partner: str | None,
    counterparty: str | None, by: str | None, **said: Any,
) -> None:  # fmt: skip
    form = "json" if as_json else form
    require_file(form, output)
    span = _span(day, **said)
    if day is not None and (partner or counterparty or by):
        raise click.UsageError("for a day of a partner or by store, use --from and --until")
    with desk() as ctx, ctx.database.reading() as session:
        if day is not None:
            made = figures.of_day(session, day.date())
        elif span is not None:
            asked = Asked(_party(session, partner), _party(session, counterparty), by_location=by is not None)
            made = figures.of_period(session, span, asked)
    put(made, form, output)


def _span(
    day: datetime | None,
    *,
    since: datetime | None,
    until: datetime | None,
    month: str | None,
    week: str | None,
    quarter: str | None,
) -> Span | None:
    if [bool(day), bool(since or until), bool(month), bool(week), bool(quarter)].count(True) != 1:
        raise click.UsageError("give one of DAY, --from with --until, --month, --week and --quarter")
    if bool(since) != bool(until):
        raise click.UsageError("--from and --until go together")
    if day is not None:
        return None
    days = {"first": since and since.date(), "last": until and until.date()}
    return periods.chosen(**days, month_of=month, week_of=week, quarter_of=quarter)


def _party(session: Session, code: str | None) -> UUID | None:
    return None if code is None else statements.party_id(session, code)


@settlement.command("obligations", help="List who owes whom in the run RUN_ID (srn_…), with the obligations' ids.")
@click.argument("run_id")
@click.option("--partner", help="Only what this partner owes or is owed. Its code, or `coalition`.")
@json_option
@one_line_errors
def list_obligations(*, run_id: str, partner: str | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        run = runs.get(session, ids.parse(ids.SETTLEMENT_RUN, run_id))
        codes = {party_id: party.code for party_id, party in statements.parties(session).items()}
        wanted = _party(session, partner)
        found = drill_down.obligations(session, run, wanted, after=FIRST, limit=MOST_LISTED)
    data = [
        {
            "obligation_id": one.obligation_id, "day": one.day, "payer": codes[one.payer_id],
            "payee": codes[one.payee_id], "kind": one.kind, "agreement_id": one.agreement_id, "points": one.points,
            "amount_minor": one.amount_minor, "currency": one.currency,
        }
        for one in found
    ]  # fmt: skip
    columns = ("obligation_id", "day", "payer", "payee", "kind", "points", "amount_minor", "currency")
    report_all(data, columns, as_json=as_json)


@settlement.command("lines", help="List the postings that the obligation OBLIGATION_ID (obl_…) is made of.")
@click.argument("obligation_id")
@click.option("--after", type=click.IntRange(0), default=0, help="Go on behind this line.")
@json_option
@one_line_errors
def list_lines(*, obligation_id: str, after: int, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        wanted = drill_down.obligation(session, ids.parse(ids.OBLIGATION, obligation_id))
        found = drill_down.lines(session, wanted.obligation_id, after=after, limit=MOST_LISTED)
    columns = ("n", "transaction_id", "seq", "reference", "posted_on", "location_id", "points", "amount_minor")
    report_all(found, columns, as_json=as_json)
