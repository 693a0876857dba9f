"""`coalition audit …`: who did what, and whether the record of it was touched."""

from __future__ import annotations

import getpass
import os
import re
import sys
from typing import Any

import click

from kit import clock, ids
from kit.db import Session
from kit.terminal import Desk, answer, desk, json_option, one_line_errors
from partners import audit
from partners.audit import Actor


@click.group("audit")
def audit_commands() -> None:
    """The audit: append-only, hash-chained."""


@audit_commands.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--partner", "partner_id", help="Only what this partner's clients and staff did (prt_…).")
@json_option
@one_line_errors
def list_entries(*, limit: int, partner_id: str | None, as_json: bool) -> None:
    """Show the newest entries, the newest first."""
    with desk() as at, at.database.transaction() as session:
        found = [entry.facts for entry in audit.newest(session, limit=limit, partner_id=partner_id)]
    lines = (f"{e['seq']:>8}  {e['at'][:19]}  {e['action']:<26} {e['subject']}  by {e['actor_id']}" for e in found)
    answer({"data": found}, "\n".join(lines) or "nothing yet", as_json=as_json)


@audit_commands.command("verify")
@click.option("--expect", help="A head kept from an earlier time, SEQ:DIGEST: it has to lie on the chain.")
@json_option
@one_line_errors
def verify(*, expect: str | None, as_json: bool) -> None:
    """Recompute the chain; name the first entry that was changed, and exit with 1."""
    if expect is not None and not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", expect):
        raise click.BadParameter("a head is SEQ:DIGEST, as this command prints it", param_hint="--expect")
    with desk() as at, at.database.transaction() as session:
        found = audit.verify(session, keyring=at.keyring, expected_head=expect)
    whole = found.broken_seq is None
    text = f"the audit is whole: {found.entries} entries, head {found.head}"
    if not whole:
        text = f"the audit is broken at entry {found.broken_seq}: {found.reason}"
    answer({"whole": whole, **vars(found)}, text, as_json=as_json)
    if not whole:
        sys.exit(1)


def write_down_of(at: Desk, session: Session, action: str, found: Any, key: str, **facts: object) -> None:
    """Write down what a command did to `found`, whose id is in its field `key`."""
    write_down(at, session, action, ids.show(ids.PREFIX_OF_FIELD[key], getattr(found, key)), **facts)


def write_down(at: Desk, session: Session, action: str, subject: str, **facts: object) -> None:
    """Write into the audit what a command does, as the operator who runs it."""
    actor = Actor(kind="operator", actor_id=_operator())
    audit.append(session, actor=actor, action=action, subject=subject, now=clock.now(), keyring=at.keyring, facts=facts)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
