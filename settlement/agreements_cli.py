"""`coalition agreement …`: what a partner pays for its points that others take, for the coalition's admin."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import click

from coalition import programme
from kit import clock, ids
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import accounts
from partners.audit_cli import write_down_of
from partners.terminal import DAY, FIRST, MOST_LISTED, Decision, decided, noted, owner, show_command, tell, tell_all
from settlement import agreements
from settlement.agreements import Agreement, AgreementChange


@click.group()
def agreement() -> None:
    """The partners' agreements."""


@agreement.command("create")
@click.argument("partner_code")
@click.argument("redemption_price")
@click.option("--since", type=DAY, help="First day; the open business day, if left out.")
@noted
@json_option
@one_line_errors
def create_agreement(
    *, partner_code: str, redemption_price: str, since: datetime | None, decision: Decision, as_json: bool
) -> None:
    """PARTNER_CODE pays REDEMPTION_PRICE minor units (a decimal) for each of its points that is burned elsewhere."""
    price = agreements.price(redemption_price)
    with desk() as at, at.database.transaction() as session:
        current = programme.get(session)
        made = agreements.agree(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            redemption_price_minor=price,
            currency=current.currency,
            since=since.date() if since else current.open_day,
            now=clock.now(),
        )
        write_down_of(at, session, "agreement.made", made, "agreement_id", **made.facts, **decision.facts)
    tell(_data(made), f"agreement version {made.version} of {partner_code} since {made.since}", as_json=as_json)


@agreement.command("correct")
@click.argument("agreement_id")
@click.option("--redemption-price", help="Minor units, a decimal.")
@click.option("--since", type=DAY, help="First day.")
@decided
@json_option
@one_line_errors
def correct_agreement(
    *, agreement_id: str, redemption_price: str | None, since: datetime | None, decision: Decision, as_json: bool
) -> None:
    """Change AGREEMENT_ID (agr_…), while no day on which it holds is over; what is left out stays."""
    changes: AgreementChange = {}
    if redemption_price is not None:
        changes["redemption_price_minor"] = Fraction(agreements.price(redemption_price))
    if since is not None:
        changes["since"] = since.date()
    if not changes:
        raise click.UsageError("say what to correct: --redemption-price, --since")
    with desk() as at, at.database.transaction() as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        made = agreements.correct(session, agreement_id=wanted, changes=changes)
        write_down_of(at, session, "agreement.corrected", made, "agreement_id", **made.facts, **decision.facts)
    said = f"{made.redemption_price} minor units of {made.currency} a point since {made.since}"
    tell(_data(made), f"{agreement_id}: {said}", as_json=as_json)


@agreement.command("withdraw")
@click.argument("agreement_id")
@decided
@json_option
@one_line_errors
def withdraw_agreement(*, agreement_id: str, decision: Decision, as_json: bool) -> None:
    """Take back AGREEMENT_ID (agr_…), while no day on which it holds is over; the one before it goes on."""
    with desk() as at, at.database.transaction() as session:
        gone = agreements.withdraw(session, agreement_id=ids.parse(ids.AGREEMENT, agreement_id))
        write_down_of(at, session, "agreement.withdrawn", gone, "agreement_id", **gone.facts, **decision.facts)
    tell(_data(gone), f"{agreement_id} is withdrawn", as_json=as_json)


@agreement.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_agreements(*, partner_code: str, as_json: bool) -> None:
    """List what PARTNER_CODE paid, pays and will pay for its points."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        found = agreements.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    columns = ("agreement_id", "version", "since", "until", "redemption_price_minor", "currency")
    tell_all([_data(one) for one in sorted(found, key=lambda one: one.since)], columns, as_json=as_json)


def _data(found: Agreement) -> dict[str, Any]:
    return {**vars(found), "redemption_price_minor": found.redemption_price}


def _get(session: Session, agreement_id: UUID) -> dict[str, Any]:
    return _data(agreements.get(session, agreement_id))


show_command(agreement, prefix=ids.AGREEMENT, get=_get)
