"""`coalition settlement …`: for the coalition's admin."""

from __future__ import annotations

from datetime import datetime

import click

from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners.audit_cli import write_down
from partners.terminal import DAY
from settlement import nights, reports


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
            night = nights.run(at.database, day=one, now=clock.now(), keyring=at.keyring)
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
