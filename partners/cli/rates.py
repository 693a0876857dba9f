"""`coalition rate …`: what an amount earns at a partner, for the operator."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from coalition import programme, rates
from coalition.rates import Rate, RateChange
from kit import ids, money
from kit.terminal import desk, json_option, one_line_errors
from partners import accounts
from partners.cli.records import (
    DAY,
    FIRST,
    MOST_LISTED,
    Decision,
    changing_terms,
    decided,
    noted,
    owner,
    report,
    report_all,
    show_command,
)

MINOR = click.IntRange(1, rates.MOST_MINOR)


@click.group(help="What an amount earns.")
def rate() -> None:
    pass


@rate.command(
    "set", help="Set the rate of PARTNER_CODE: --minor-per-unit minor units earn POINTS_PER_UNIT points (a decimal)."
)
@click.argument("partner_code")
@click.argument("points_per_unit")
@click.option(
    "--minor-per-unit",
    type=MINOR,
    help=(
        "If you leave it out: the minor units of 1.00 in the programme's currency, which is 100 for GBP and 1 for JPY."
    ),
)
@click.option("--since", type=DAY, help="The first day. If you leave it out: the open business day.")
@noted
@json_option
@one_line_errors
def set_rate(
    *,
    partner_code: str,
    points_per_unit: str,
    minor_per_unit: int | None,
    since: datetime | None,
    decision: Decision,
    as_json: bool,
) -> None:
    points = rates.points(points_per_unit)
    with desk() as ctx, changing_terms(ctx) as session:
        current = programme.get(session)
        made = rates.set_rate(
            session,
            decision.act(ctx),
            partner_id=accounts.by_code(session, partner_code).partner_id,
            points_per_unit=points,
            minor_per_unit=minor_per_unit or money.minor_units(current.currency),
            currency=current.currency,
            since=since.date() if since else current.open_day,
        )
    report(made, _said(made), as_json=as_json)


@rate.command(
    "correct",
    help=(
        "Correct the rate RATE_ID (rate_…) before any business day that it covers is over. What you leave out stays as "
        "it is."
    ),
)
@click.argument("rate_id")
@click.option("--points-per-unit", help="A decimal.")
@click.option("--minor-per-unit", type=MINOR)
@click.option("--since", type=DAY, help="The first day.")
@decided
@json_option
@one_line_errors
def correct_rate(
    *,
    rate_id: str,
    points_per_unit: str | None,
    minor_per_unit: int | None,
    since: datetime | None,
    decision: Decision,
    as_json: bool,
) -> None:
    changes: RateChange = {}
    if points_per_unit is not None:
        changes["points_per_unit"] = rates.points(points_per_unit)
    if minor_per_unit is not None:
        changes["minor_per_unit"] = minor_per_unit
    if since is not None:
        changes["since"] = since.date()
    if not changes:
        raise click.UsageError("say what to correct: --points-per-unit, --minor-per-unit, --since")
    with desk() as ctx, changing_terms(ctx) as session:
        made = rates.correct(session, decision.act(ctx), rate_id=ids.parse(ids.RATE, rate_id), changes=changes)
    report(made, _said(made), as_json=as_json)


@rate.command(
    "withdraw",
    help=(
        "Withdraw the rate RATE_ID (rate_…) before any business day that it covers is over. The previous rate "
        "continues."
    ),
)
@click.argument("rate_id")
@decided
@json_option
@one_line_errors
def withdraw_rate(*, rate_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, changing_terms(ctx) as session:
        gone = rates.withdraw(session, decision.act(ctx), rate_id=ids.parse(ids.RATE, rate_id))
    report(gone, f"{rate_id} is withdrawn", as_json=as_json)


@rate.command("list", help="List what an amount earned, earns and will earn at PARTNER_CODE.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_rates(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = rates.of_partner(session, partner_id=owner(session, partner_code), after=FIRST, limit=MOST_LISTED)
    columns = ("rate_id", "since", "until", "points_per_unit", "minor_per_unit", "currency")
    report_all(sorted(found, key=lambda one: one.since), columns, as_json=as_json)


show_command(rate, prefix=ids.RATE, get=rates.get)


def _said(made: Rate) -> str:
    until = f" to before {made.until}" if made.until else ""
    shown: Any = ids.show(ids.RATE, made.rate_id)
    per = f"{made.points_per_unit:f} points for each {money.show(made.minor_per_unit, made.currency)}"
    return f"{shown}: {per} from {made.since}{until}"
