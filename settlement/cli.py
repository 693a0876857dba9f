"""`coalition settlement …`: for the coalition's admin."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners.audit_cli import write_down
from partners.terminal import DAY
from settlement import nights, reports, standing
from settlement.night_faults import NightFault
from settlement.nights import Night


@click.group()
def settlement() -> None:
    """The nightly settlement."""


@settlement.command("run")
@click.argument("day", type=DAY, required=False)
@json_option
@one_line_errors
def run_settlement(*, day: datetime | None, as_json: bool) -> None:
    """Settle DAY, or every day that is over. Run again, it gives the same bytes."""
    failed = False
    with desk() as at:
        one_day = [nights.run(at.database, day=day.date(), now=clock.now(), keyring=at.keyring)] if day else None
        none_due = True
        for night in one_day or nights.run_due(at.database, now=clock.now(), keyring=at.keyring):
            none_due = False
            if isinstance(night, NightFault):
                failed = True
                text = f"{night.day} failed: {night.detail} ({night.code})"
                answer({"day": night.day, "code": night.code, "detail": night.detail}, text, as_json=as_json)
                continue
            if night.settled_now:
                with at.database.transaction() as session:
                    how = {"content_hash": night.content_hash.hex()}
                    write_down(at, session, "day.settled", night.day.isoformat(), **how)
            answer({**vars(night), "content_hash": night.content_hash.hex()}, _told(night), as_json=as_json)
    if none_due and not as_json:
        say("no day is due")
    sys.exit(1 if failed else 0)


def _told(night: Night) -> str:
    did = "settled" if night.settled_now else "was settled before, and comes out the same"
    aside = f", {night.set_aside} set aside for want of an agreement" if night.set_aside else ""
    taken = f", {night.taken_in} set aside before taken in" if night.taken_in else ""
    return (
        f"{night.day} {did}: {night.postings} postings, {night.payments} payments{aside}{taken}, "
        f"content {night.content_hash.hex()}"
    )


@settlement.command("status")
@json_option
@one_line_errors
def status(*, as_json: bool) -> None:
    """Tell which day is open, which is settled last, and what fails, is late or is set aside."""
    with desk() as at, at.database.transaction() as session:
        found = standing.read(session, now=clock.now())
    lines = [
        f"open day           {found.open_day}",
        f"last settled       {found.last_settled or '-'}",
        f"oldest unsettled   {found.oldest_unsettled or '-'}",
        f"set aside          {found.set_aside} pairs of partners, {found.set_aside_points} points",
        *(f"failed             {f.day}, since {f.since:%Y-%m-%d %H:%M}: {f.detail} ({f.code})" for f in found.faults),
    ]
    answer({**vars(found), "faults": [vars(fault) for fault in found.faults]}, "\n".join(lines), as_json=as_json)


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
