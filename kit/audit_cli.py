"""`coalition audit …`: who did what, and whether the record of it was touched."""

from __future__ import annotations

import getpass
import os
import re
import sys

import click

from kit import audit, clock
from kit.audit import Act, Actor
from kit.terminal import Desk, answer, desk, json_option, one_line_errors


@click.group("audit", help="The audit, which is append-only and hash-chained.")
def audit_commands() -> None:
    pass


@audit_commands.command("list", help="List the newest entries, newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--partner", "partner_id", help="Only what the clients and staff of this partner (prt_…) did.")
@json_option
@one_line_errors
def list_entries(*, limit: int, partner_id: str | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = [entry.facts for entry in audit.newest(session, limit=limit, partner_id=partner_id)]
    lines = (f"{e['seq']:>8}  {e['at'][:19]}  {e['action']:<26} {e['subject']}  by {e['actor_id']}" for e in found)
    answer({"data": found}, "\n".join(lines) or "there is nothing yet", as_json=as_json)


@audit_commands.command("verify", help="Check the chain. If an entry was changed, name the first one and exit with 1.")
@click.option("--expect", help="An earlier head, SEQ:DIGEST, that the chain has to contain.")
@json_option
@one_line_errors
def verify(*, expect: str | None, as_json: bool) -> None:
    if expect is not None and not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", expect):
        raise click.BadParameter("a head is SEQ:DIGEST, as this command prints it", param_hint="--expect")
    with desk() as ctx, ctx.database.reading() as session:
        found = audit.verify(session, keyring=ctx.keyring, expected_head=expect)
    whole = found.broken_seq is None
    text = f"the audit is whole: {found.entries} entries, head {found.head}"
    if not whole:
        text = f"the audit is broken at entry {found.broken_seq}: {found.reason}"
    answer({"whole": whole, **vars(found)}, text, as_json=as_json)
    if not whole:
        sys.exit(1)


def act(ctx: Desk, **said: str | None) -> Act:
    """What a command does, as the operator who runs it, for the verb that does it; raises MalformedText."""
    actor = Actor(kind="operator", actor_id=_operator())
    return Act(actor=actor, now=clock.now(), keyring=ctx.keyring, **said)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
