"""`coalition settlement …` and `coalition agreement …`: for the coalition's admin."""

from __future__ import annotations

from datetime import date, datetime

import click

from coalition import programme
from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners import accounts
from partners.audit_cli import write_down, write_down_of
from settlement import agreements, nights, reports

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def settlement() -> None:
    """The nightly settlement."""


@settlement.command("run")
@click.argument("day", type=DAY, required=False)
@json_option
@one_line_errors
def run_settlement(*, day: datetime | None, as_json: bool) -> None:
    """Settle DAY, or every day that is over. Run again, it gives the same bytes."""
    with desk() as at:
        with at.database.transaction() as session:
            days = [day.date()] if day else nights.due_days(session, now=clock.now())
        for one in days:
            night = nights.run(at.database, day=one, now=clock.now())
            if night.settled_now:
                with at.database.transaction() as session:
                    write_down(at, session, "day.settled", one.isoformat(), content_hash=night.content_hash.hex())
            did = "settled" if night.settled_now else "was settled before, and comes out the same"
            answer(
                {**vars(night), "content_hash": night.content_hash.hex()},
                f"{night.day} {did}: {night.postings} postings, {night.payments} payments, "
                f"content {night.content_hash.hex()}",
                as_json=as_json,
            )
        if not days and not as_json:
            say("no day is due")


@settlement.command("report")
@click.argument("day", type=DAY)
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@json_option
@one_line_errors
def report(*, day: datetime, form: str, as_json: bool) -> None:
    """Print who owes whom for DAY."""
    with desk() as at, at.database.transaction() as session:
        found = reports.get(session, day.date())
    say({"table": reports.as_table, "json": reports.as_json, "csv": reports.as_csv}["json" if as_json else form](found))


@click.group()
def agreement() -> None:
    """The partners' agreements."""


@agreement.command("create")
@click.argument("partner_code")
@click.argument("redemption_price")
@click.option("--since", type=DAY, help="First day; the open business day, if left out.")
@one_line_errors
def create_agreement(*, partner_code: str, redemption_price: str, since: datetime | None) -> None:
    """PARTNER_CODE pays REDEMPTION_PRICE minor units (a decimal) for each of its points that is burned elsewhere."""
    price = agreements.price(redemption_price)
    with desk() as at, at.database.transaction() as session:
        current = programme.get(session)
        first: date = since.date() if since else current.open_day
        owner = accounts.by_code(session, partner_code)
        made = agreements.agree(
            session,
            partner_id=owner.partner_id,
            redemption_price_minor=price,
            currency=current.currency,
            since=first,
            now=clock.now(),
        )
        how = {"version": made.version, "redemption_price": redemption_price, "since": first}
        write_down_of(at, session, "agreement.made", owner, "partner_id", **how)
    say(f"agreement version {made.version} of {partner_code} since {made.since}")
