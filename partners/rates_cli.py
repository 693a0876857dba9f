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
from partners.audit_cli import write_down_of
from partners.terminal import DAY, FIRST, MOST_LISTED, Decision, decided, noted, owner, show_command, tell, tell_all

MINOR = click.IntRange(1, rates.MOST_MINOR)


@click.group()
def rate() -> None:
    """What an amount earns."""


@rate.command("set")
@click.argument("partner_code")
@click.argument("points_per_unit")
@click.option(
    "--minor-per-unit",
    type=MINOR,
    help="As many as 1.00 of the programme's currency has, if left out: 100 for GBP, 1 for JPY.",
)
@click.option("--since", type=DAY, help="First day; the open business day, if left out.")
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
    """At PARTNER_CODE, let --minor-per-unit minor units earn POINTS_PER_UNIT points (a decimal)."""
    points = rates.points(points_per_unit)
    with desk() as at, at.database.transaction() as session:
        current = programme.get(session)
        made = rates.set_rate(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            points_per_unit=points,
            minor_per_unit=minor_per_unit or money.minor_units(current.currency),
            currency=current.currency,
            since=since.date() if since else current.open_day,
        )
        write_down_of(at, session, "rate.set", made, "rate_id", **made.facts, **decision.facts)
    tell(made, _said(made), as_json=as_json)


@rate.command("correct")
@click.argument("rate_id")
@click.option("--points-per-unit", help="A decimal.")
@click.option("--minor-per-unit", type=MINOR)
@click.option("--since", type=DAY, help="First day.")
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
    """Change RATE_ID (rate_…), while no day on which it holds is over; what is left out stays."""
    changes: RateChange = {}
    if points_per_unit is not None:
        changes["points_per_unit"] = rates.points(points_per_unit)
    if minor_per_unit is not None:
        changes["minor_per_unit"] = minor_per_unit
    if since is not None:
        changes["since"] = since.date()
    if not changes:
        raise click.UsageError("say what to correct: --points-per-unit, --minor-per-unit, --since")
    with desk() as at, at.database.transaction() as session:
        made = rates.correct(session, rate_id=ids.parse(ids.RATE, rate_id), changes=changes)
        write_down_of(at, session, "rate.corrected", made, "rate_id", **made.facts, **decision.facts)
    tell(made, _said(made), as_json=as_json)


@rate.command("withdraw")
@click.argument("rate_id")
@decided
@json_option
@one_line_errors
def withdraw_rate(*, rate_id: str, decision: Decision, as_json: bool) -> None:
    """Take back RATE_ID (rate_…), while no day on which it holds is over; the one before it goes on."""
    with desk() as at, at.database.transaction() as session:
        gone = rates.withdraw(session, rate_id=ids.parse(ids.RATE, rate_id))
        write_down_of(at, session, "rate.withdrawn", gone, "rate_id", **gone.facts, **decision.facts)
    tell(gone, f"{rate_id} is withdrawn", as_json=as_json)


@rate.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_rates(*, partner_code: str, as_json: bool) -> None:
    """List what an amount earned, earns and will earn at PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        found = rates.of_partner(session, partner_id=owner(session, partner_code), after=FIRST, limit=MOST_LISTED)
    columns = ("rate_id", "since", "until", "points_per_unit", "minor_per_unit", "currency")
    tell_all(sorted(found, key=lambda one: one.since), columns, as_json=as_json)


show_command(rate, prefix=ids.RATE, get=rates.get)


def _said(made: Rate) -> str:
    until = f" to before {made.until}" if made.until else ""
    shown: Any = ids.show(ids.RATE, made.rate_id)
    per = f"{made.points_per_unit:f} points for each {money.show(made.minor_per_unit, made.currency)}"
    return f"{shown}: {per} from {made.since}{until}"
