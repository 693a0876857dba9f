"""`coalition batch …`: the files of all partners, for the operator."""

from __future__ import annotations

import click

from api import batch_files
from api.batch_files import BatchFile
from kit import audit_cli, ids
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts


@click.group(help="Files of postings that partners sent.")
def batch() -> None:
    pass


@batch.command("list", help="List the files, unfinished ones first, then newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@one_line_errors
def list_files(*, limit: int, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        codes = {partner.partner_id: partner.code for partner in accounts.everybody(session)}
        found = [(codes[owner], file) for owner, file in batch_files.of_all(session, limit=limit)]
    data = [{"partner": code, **_facts(file)} for code, file in found]
    answer(
        {"data": data}, "\n".join(_line(code, file) for code, file in found) or "there are no files", as_json=as_json
    )


@batch.command("cancel", help="Cancel the file BATCH_ID (bat_…) of any partner. What is already posted stays posted.")
@click.argument("batch_id")
@click.option("--reason", required=True, help="The reason. The audit keeps it.")
@click.option("--by", "decided_by", required=True, help="Who decides this.")
@json_option
@one_line_errors
def cancel(*, batch_id: str, reason: str, decided_by: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        act, wanted = audit_cli.act(ctx, reason=reason, by=decided_by), ids.parse(ids.BATCH, batch_id)
        found = batch_files.cancel(session, act, batch_id=wanted, partner_id=None)
    answer(_facts(found), f"{batch_id} is cancelled: {found.done} of {found.lines} lines are done", as_json=as_json)


def _facts(file: BatchFile) -> dict[str, object]:
    return {**vars(file), "batch_id": ids.show(ids.BATCH, file.batch_id)}


def _line(code: str, file: BatchFile) -> str:
    paused = f"  goes on at {file.paused_until:%Y-%m-%d %H:%M:%S}Z" if file.paused_until else ""
    shown = ids.show(ids.BATCH, file.batch_id)
    return f"{shown}  {code:<20} {file.status:<9} {file.done:>9} of {file.lines} lines, {file.refused} refused{paused}"
