"""`coalition member …`: what an admin does to a wallet by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from coalition import adjustments, attempts, ledger, members, merges, pins, rotating_codes
from coalition.approvals import Approval
from kit import clock, ids
from kit.db import Session
from kit.terminal import Desk, answer, desk, json_option, one_line_errors, say
from partners import accounts, members_export
from partners.audit_cli import write_down


def _approval_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is done to a wallet by hand says why and by whom, and can be tried."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would come of it, and do nothing."),
        click.option("--approved-by", help="The second person, needed above the programme's limit."),
        click.option("--by", "made_by", required=True, help="Who makes it."),
        click.option("--reason", required=True),
    ):
        command = option(command)
    return command


def _writing(at: Desk, *, dry_run: bool) -> AbstractContextManager[Session]:
    return at.database.trial() if dry_run else at.database.transaction()


@click.group()
def member() -> None:
    """Members, by our own ids of them: find, block, merge, adjust, prove, export, erase."""


@member.command("block")
@click.argument("member_id")
@json_option
@one_line_errors
def block(*, member_id: str, as_json: bool) -> None:
    """Let MEMBER_ID (mbr_…) neither earn nor spend; returns still work."""
    _set_blocked(member_id, blocked=True, as_json=as_json)


@member.command("unblock")
@click.argument("member_id")
@json_option
@one_line_errors
def unblock(*, member_id: str, as_json: bool) -> None:
    """Open the wallet of MEMBER_ID again."""
    _set_blocked(member_id, blocked=False, as_json=as_json)


@member.command("merge")
@click.argument("member_id")
@click.argument("into")
@click.option("--reference", required=True, help="Your number for it; the same merge again does nothing.")
@_approval_options
@json_option
@one_line_errors
def merge(*, member_id: str, into: str, reference: str, as_json: bool, dry_run: bool, **approved: str) -> None:
    """Move points, debts and cards of MEMBER_ID to the member INTO, for good."""
    approval = Approval(**approved)
    with desk() as at, _writing(at, dry_run=dry_run) as session:
        outcome = merges.merge(
            session,
            member_id=ids.parse(ids.MEMBER, member_id),
            into=ids.parse(ids.MEMBER, into),
            reference=reference,
            approval=approval,
            now=clock.now(),
        )
        if outcome.refusal is None and not outcome.replayed:
            write_down(at, session, "member.merged", member_id, into=into, reference=reference, **approved)
    done = outcome.unwrap()
    answer({"member_id": member_id, "into": into, "points": done.points, "dry_run": dry_run},
           f"{done.points} points {'would move' if dry_run else 'moved'} to {into}", as_json=as_json)  # fmt: skip


@member.command("adjust")
@click.argument("member_id")
@click.argument("partner_code")
@click.argument("points", type=click.IntRange(-1_000_000_000, 1_000_000_000))
@click.option("--reference", required=True, help="Your number for it; the same again posts nothing.")
@_approval_options
@json_option
@one_line_errors
def adjust(
    *,
    member_id: str,
    partner_code: str,
    points: int,
    reference: str,
    reason: str,
    made_by: str,
    approved_by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give MEMBER_ID points PARTNER_CODE stands behind, or (a negative number after --) take some away."""
    if points == 0:
        raise click.BadParameter("an adjustment of 0 points changes nothing")
    with desk() as at:
        with _writing(at, dry_run=dry_run) as session:
            request = ledger.Request(
                partner_id=accounts.by_code(session, partner_code).partner_id,
                key=None,
                request_hash=None,
                now=clock.now(),
            )
            command = adjustments.Adjustment(
                member_id=ids.parse(ids.MEMBER, member_id),
                reference=reference,
                points=abs(points),
                credit=points > 0,
                reason=reason,
                made_by=made_by,
                approved_by=approved_by,
            )
            outcome = adjustments.adjust(session, request, command)
            if outcome.refusal is None and not outcome.replayed:
                write_down(at, session, "member.adjusted", member_id, partner=partner_code, points=points)
        done = outcome.unwrap()
    answer(
        {
            "transaction_id": ids.show(ids.TRANSACTION, done.transaction_id),
            "available": done.available_after,
            "dry_run": dry_run,
        },
        f"{done.available_after} points {'would be available' if dry_run else 'available now'}",
        as_json=as_json,
    )


@member.command("pin")
@click.argument("member_id")
@click.option("--pin", prompt="PIN", hide_input=True, confirmation_prompt=True, help="Asked for, if left out.")
@json_option
@one_line_errors
def set_pin(*, member_id: str, pin: str, as_json: bool) -> None:
    """Give MEMBER_ID a PIN, whatever it had; a lock after wrong ones ends."""
    with desk() as at, at.database.transaction() as session:
        wanted = ids.parse(ids.MEMBER, member_id)
        pins.put(session, member_id=wanted, pin=pin, keyring=at.keyring)
        members.claim(session, wanted)
        write_down(at, session, "member.pin_set", member_id)
    answer({"member_id": member_id}, f"{member_id} has a new PIN", as_json=as_json)


@member.command("code")
@click.argument("member_id")
@click.option("--new", is_flag=True, help="Issue one; the one there was ends.")
@json_option
@one_line_errors
def show_code(*, member_id: str, new: bool, as_json: bool) -> None:
    """Show what MEMBER_ID's wallet shows now: its rotating code."""
    wanted = ids.parse(ids.MEMBER, member_id)
    with desk() as at, at.database.transaction() as session:
        if new:
            rotating_codes.issue(session, member_id=wanted, keyring=at.keyring)
            members.claim(session, wanted)
        code = rotating_codes.current(session, member_id=wanted, keyring=at.keyring, now=clock.now())
        write_down(at, session, "member.code_issued" if new else "member.code_shown", member_id)
    answer({"member_id": member_id, "code": code}, code, as_json=as_json)


@member.command("unlock")
@click.argument("member_id")
@json_option
@one_line_errors
def unlock(*, member_id: str, as_json: bool) -> None:
    """Let MEMBER_ID try its PIN and code again at once."""
    with desk() as at, at.database.transaction() as session:
        attempts.clear(session, ids.parse(ids.MEMBER, member_id))
        write_down(at, session, "member.unlocked", member_id)
    answer({"member_id": member_id}, f"{member_id} may try again", as_json=as_json)


@member.command("export")
@click.argument("member_id")
@one_line_errors
def export(*, member_id: str) -> None:
    """Print everything held about MEMBER_ID as JSON."""
    with desk() as at, at.database.transaction() as session:
        held = members_export.everything(session, ids.parse(ids.MEMBER, member_id), at.keyring)
        write_down(at, session, "member.exported", member_id)
    say(json.dumps(held, indent=2, default=str, ensure_ascii=False))


@member.command("erase")
@click.argument("member_id")
@click.option("--forfeit", is_flag=True, help="Even with points or debts: the points expire.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@one_line_errors
def erase(*, member_id: str, forfeit: bool, yes: bool, as_json: bool) -> None:
    """Delete all that says who MEMBER_ID is, and close its wallet, for good."""
    if not yes:
        click.confirm(f"Erase {member_id}? It can't be undone", abort=True)
    with desk() as at, at.database.transaction() as session:
        done = members_export.erase(
            session, member_id=ids.parse(ids.MEMBER, member_id), forfeit=forfeit, now=clock.now()
        )
        write_down(at, session, "member.erased", member_id, forfeited=done.forfeited)
    answer({"member_id": member_id, **vars(done)},
           f"{member_id} is erased; {done.forfeited} points expired", as_json=as_json)  # fmt: skip


def _set_blocked(member_id: str, *, blocked: bool, as_json: bool) -> None:
    with desk() as at, at.database.transaction() as session:
        changed = merges.block(session, member_id=ids.parse(ids.MEMBER, member_id), blocked=blocked, now=clock.now())
        if changed:
            write_down(at, session, "member.blocked" if blocked else "member.unblocked", member_id)
    state = "blocked" if blocked else "open"
    answer({"member_id": member_id, "state": state, "changed": changed},
           f"{member_id} is {state}{'' if changed else ', as before'}", as_json=as_json)  # fmt: skip
