"""`coalition agreement …`: what a partner pays for its points that others take, for the coalition's admin."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import click

from coalition import programme
from kit import ids
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
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
    trying_terms,
)
from settlement import agreement_changes, agreements
from settlement.agreement_terms import REDEMPTION_PRICE
from settlement.agreements import Agreement, AgreementChange
from settlement.cli.agreement_terms import OPTIONS, change_data, change_text, data, named, term_options


@click.group(help="The partners' agreements.")
def agreement() -> None:
    pass


@agreement.command(
    "create",
    help=(
        "Agree that PARTNER_CODE pays REDEMPTION_PRICE minor units (a decimal) for each of its points burned at "
        "another partner. Terms that you leave out are taken over from the agreement before."
    ),
)
@click.argument("partner_code")
@click.argument("redemption_price")
@click.option("--since", type=DAY, help="The first day. If you leave it out: the open business day.")
@term_options(but=REDEMPTION_PRICE)
@noted
@json_option
@one_line_errors
def create_agreement(
    *, partner_code: str, redemption_price: str, since: datetime | None, decision: Decision, as_json: bool, **given: Any
) -> None:
    terms = named({**given, REDEMPTION_PRICE.name: redemption_price})
    with desk() as ctx, changing_terms(ctx) as session:
        made = agreements.agree(
            session,
            decision.act(ctx),
            partner_id=owner(session, partner_code),
            since=since.date() if since else programme.get(session).open_day,
            **terms,
        )
    report(data(made), _made(partner_code, made), as_json=as_json)


@agreement.command(
    "change",
    help=(
        "Change PARTNER_CODE's agreement from a day on. Shows the terms before and after, the days they hold for and "
        "what the new price would have come to on the last 28 settled days, and asks before it does it. Terms that you "
        "leave out stay."
    ),
)
@click.argument("partner_code")
@click.option("--since", type=DAY, required=True, help="The first day.")
@term_options()
@click.option("--dry-run", is_flag=True, help="Only show what the change would do.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@noted
@json_option
@one_line_errors
def change_agreement(
    *,
    partner_code: str,
    since: datetime,
    dry_run: bool,
    yes: bool,
    decision: Decision,
    as_json: bool,
    **given: Any,
) -> None:
    terms = named(given)
    if not terms:
        raise click.UsageError(f"say what to change: {OPTIONS}")
    with desk() as ctx:
        act = decision.act(ctx)
        with trying_terms(ctx) as session:
            change = agreement_changes.plan(
                session, partner_id=owner(session, partner_code), since=since.date(), now=act.now, **terms
            )
        shown, planned = change_text(change, code=partner_code), change_data(change)
        if dry_run:
            answer({"agreement_id": None, **planned}, shown, as_json=as_json)
            return
        if not (as_json and yes):
            click.echo(shown, err=as_json)
        if not yes:
            click.confirm("Make this change?", abort=True, err=as_json)
        with changing_terms(ctx) as session:
            made = agreement_changes.carry_out(session, act, change)
    report({"agreement_id": made.agreement_id, **planned}, _made(partner_code, made), as_json=as_json)


@agreement.command(
    "correct",
    help=(
        "Correct the agreement AGREEMENT_ID (agr_…) before any business day that it covers is over. What you leave out "
        "stays as it is."
    ),
)
@click.argument("agreement_id")
@click.option("--since", type=DAY, help="The first day.")
@term_options()
@decided
@json_option
@one_line_errors
def correct_agreement(
    *, agreement_id: str, since: datetime | None, decision: Decision, as_json: bool, **given: Any
) -> None:
    changes = cast(AgreementChange, named(given))
    if since is not None:
        changes["since"] = since.date()
    if not changes:
        raise click.UsageError(f"say what to correct: --since, {OPTIONS}")
    with desk() as ctx, changing_terms(ctx) as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        made = agreements.correct(session, decision.act(ctx), agreement_id=wanted, changes=changes)
    said = f"{made.redemption_price} minor units of {made.currency} a point since {made.since}"
    report(data(made), f"{agreement_id}: {said}", as_json=as_json)


@agreement.command(
    "withdraw",
    help=(
        "Withdraw the agreement AGREEMENT_ID (agr_…) before any business day that it covers is over. The previous "
        "agreement continues."
    ),
)
@click.argument("agreement_id")
@decided
@json_option
@one_line_errors
def withdraw_agreement(*, agreement_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, changing_terms(ctx) as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        gone = agreements.withdraw(session, decision.act(ctx), agreement_id=wanted)
    report(data(gone), f"{agreement_id} is withdrawn", as_json=as_json)


@agreement.command("list", help="List what PARTNER_CODE paid, pays and will pay for its points.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_agreements(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = agreements.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    columns = ("agreement_id", "version", "since", "until", "redemption_price_minor", "currency", "funding", "cycle")
    report_all([data(one) for one in sorted(found, key=lambda one: one.since)], columns, as_json=as_json)


def _made(code: str, made: Agreement) -> str:
    return f"agreement version {made.version} of {code} since {made.since}"


def _get(session: Session, agreement_id: UUID) -> dict[str, Any]:
    return data(agreements.get(session, agreement_id))


show_command(agreement, prefix=ids.AGREEMENT, get=_get)
