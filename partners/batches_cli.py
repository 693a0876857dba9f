"""`coalition batch …`: the files of all partners, for the operator."""

from __future__ import annotations

import click

from kit import clock, ids
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import batch_files
from partners.audit_cli import write_down
from partners.batch_files import BatchFile


@click.group()
def batch() -> None:
    """Files of postings that partners handed in."""


@batch.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@one_line_errors
def list_files(*, limit: int, as_json: bool) -> None:
    """Show the files that are not done, then the others, the newest first."""
    with desk() as at, at.database.transaction() as session:
        found = batch_files.of_all(session, limit=limit)
    data = [{"partner": code, **_facts(file)} for code, file in found]
    answer({"data": data}, "\n".join(_line(code, file) for code, file in found) or "no files", as_json=as_json)


@batch.command("cancel")
@click.argument("batch_id")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@click.option("--by", "decided_by", required=True, help="Who decides it.")
@json_option
@one_line_errors
def cancel(*, batch_id: str, reason: str, decided_by: str, as_json: bool) -> None:
    """Stop the file BATCH_ID (bat_…) of any partner; what is posted stays posted."""
    with desk() as at, at.database.transaction() as session:
        found = batch_files.cancel(session, batch_id=ids.parse(ids.BATCH, batch_id), partner_id=None, now=clock.now())
        write_down(at, session, "batch.cancelled", batch_id, by=decided_by, reason=reason)
    answer(_facts(found), f"{batch_id} is cancelled: {found.done} of {found.lines} lines are done", as_json=as_json)


def _facts(file: BatchFile) -> dict[str, object]:
    return {**vars(file), "batch_id": ids.show(ids.BATCH, file.batch_id)}


def _line(code: str, file: BatchFile) -> str:
    paused = f"  set aside until {file.paused_until:%Y-%m-%d %H:%M:%S}Z" if file.paused_until else ""
    shown = ids.show(ids.BATCH, file.batch_id)
    return f"{shown}  {code:<20} {file.status:<9} {file.done:>9} of {file.lines} lines, {file.refused} refused{paused}"
