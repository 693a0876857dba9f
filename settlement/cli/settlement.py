"""`coalition settlement …`: for the coalition's admin."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners.cli.records import DAY, Decision, data_of, noted
from settlement import nightly, standing
from settlement.cli import figures, reconciliation
from settlement.cli.accounting import journal
from settlement.cli.proofs import proof, verify
from settlement.cli.what_if import what_if
from settlement.nightly import SettledDay
from settlement.run_failures import RunFailure


@click.group(help="Settle business days, and show what came of them.")
def settlement() -> None:
    pass


@settlement.command("run", help="Settle DAY, or every day that is over. A second run gives the same bytes.")
@click.argument("day", type=DAY, required=False)
@noted
@json_option
@one_line_errors
def run_settlement(*, day: datetime | None, decision: Decision, as_json: bool) -> None:
    failed = False
    with desk() as ctx:
        act = decision.act(ctx)
        one_day = [nightly.run(ctx.database, act, day=day.date())] if day else None
        none_due = True
        for run in one_day or nightly.run_due(ctx.database, act):
            none_due = False
            if isinstance(run, RunFailure):
                failed = True
                text = f"{run.day} failed: {run.detail} ({run.code})"
                answer({"day": run.day, "code": run.code, "detail": run.detail}, text, as_json=as_json)
                continue
            answer(data_of({**vars(run), "content_hash": run.content_hash.hex()}), _told(run), as_json=as_json)
    if none_due and not as_json:
        say("no day is due")
    sys.exit(1 if failed else 0)


def _told(run: SettledDay) -> str:
    did = "settled" if run.settled_now else "was settled before, with the same result"
    aside = f", {run.set_aside} set aside for want of an agreement" if run.set_aside else ""
    taken = f", {run.taken_in} set aside before taken in" if run.taken_in else ""
    return (
        f"{run.day} {did}: {run.postings} postings, {run.payments} payments{aside}{taken}, "
        f"content {run.content_hash.hex()}"
    )


@settlement.command("status", help="Show the open day, the last settled day, and what fails, is late or is set aside.")
@json_option
@one_line_errors
def status(*, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = standing.read(session, now=clock.now())
    lines = [
        f"open day           {found.open_day}",
        f"last settled       {found.last_settled or '-'}",
        f"oldest unsettled   {found.oldest_unsettled or '-'}",
        f"set aside          {found.set_aside} pairs of partners, {found.set_aside_points} points",
        *(f"failed             {f.day}, since {f.since:%Y-%m-%d %H:%M}: {f.detail} ({f.code})" for f in found.failures),
    ]
    answer(
        {**vars(found), "failures": [vars(failure) for failure in found.failures]}, "\n".join(lines), as_json=as_json
    )


for _command in (
    figures.breakage,
    figures.claims,
    figures.exposure,
    figures.liability,
    figures.matrix,
    figures.movements,
    reconciliation.list_breaks,
    reconciliation.mapping,
    reconciliation.one_break,
    reconciliation.reconcile,
):
    settlement.add_command(_command)
settlement.add_command(journal)
settlement.add_command(proof)
settlement.add_command(verify)
settlement.add_command(what_if)
