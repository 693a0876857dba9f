"""`coalition member …`: what an admin does to a wallet by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from coalition import adjustments, business_days, ledger, merges, rotating_codes, throttle
from identity import claims, members_export
from identity.cli.member_desk import explain_member, find_member, show_member
from kit import audit_cli, ids
from kit.db import Session
from kit.terminal import Desk, answer, desk, json_option, one_line_errors, say
from partners import accounts, issuing
from partners.cli.records import Decision, noted

_ANEW = "; its earlier ways to sign in and its consents have ended"


def _approval_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is done to a wallet by hand says why and by whom, and can be tried."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would happen, and do nothing."),
        click.option("--approved-by", help="The second person, who has to approve above the programme's limit."),
        click.option("--by", required=True, help="Who makes the change."),
        click.option("--reason", required=True),
    ):
        command = option(command)
    return command


def _writing(ctx: Desk, *, dry_run: bool) -> AbstractContextManager[Session]:
    return ctx.database.trial() if dry_run else ctx.database.transaction()


@click.group(help="Members, by the coalition's own ids: find, block, merge, adjust, export and erase them.")
def member() -> None:
    pass


for command in (find_member, show_member, explain_member):
    member.add_command(command)


@member.command("block", help="Block MEMBER_ID (mbr_…). The member cannot earn or spend; returns still work.")
@click.argument("member_id")
@noted
@json_option
@one_line_errors
def block(*, member_id: str, decision: Decision, as_json: bool) -> None:
    _set_blocked(member_id, decision, blocked=True, as_json=as_json)


@member.command("unblock", help="Unblock MEMBER_ID.")
@click.argument("member_id")
@noted
@json_option
@one_line_errors
def unblock(*, member_id: str, decision: Decision, as_json: bool) -> None:
    _set_blocked(member_id, decision, blocked=False, as_json=as_json)


@member.command("merge", help="Merge MEMBER_ID into the member INTO: points, debts and cards move for good.")
@click.argument("member_id")
@click.argument("into")
@click.option("--reference", required=True, help="Your number for the merge. The same merge again does nothing.")
@_approval_options
@json_option
@one_line_errors
def merge(*, member_id: str, into: str, reference: str, as_json: bool, dry_run: bool, **said: str | None) -> None:
    with desk() as ctx, _writing(ctx, dry_run=dry_run) as session:
        outcome = merges.merge(
            session,
            audit_cli.act(ctx, **said),
            member_id=ids.parse(ids.MEMBER, member_id),
            into=ids.parse(ids.MEMBER, into),
            reference=reference,
        )
        done = outcome.unwrap()
        debt = merges.debt_before(session, done)
    more = f" and a debt of {debt}" if debt else ""
    answer({"member_id": member_id, "into": into, "points": done.points, "debt": debt, "dry_run": dry_run},
           f"{done.points} points{more} {'would move' if dry_run else 'moved'} to {into}", as_json=as_json)  # fmt: skip


@member.command(
    "adjust",
    help=(
        "Give MEMBER_ID points that PARTNER_CODE stands behind, or take points away (a negative number after --).\n\n"
        "To give points, PARTNER_CODE needs a rate and an agreement in force, as for points that it issues itself."
    ),
)
@click.argument("member_id")
@click.argument("partner_code")
@click.argument("points", type=click.IntRange(-1_000_000_000, 1_000_000_000))
@click.option(
    "--reference", required=True, help="Your number for the adjustment. The same adjustment again posts nothing."
)
@_approval_options
@json_option
@one_line_errors
def adjust(
    *,
    member_id: str,
    partner_code: str,
    points: int,
    reference: str,
    dry_run: bool,
    as_json: bool,
    **said: str | None,
) -> None:
    if points == 0:
        raise click.BadParameter("an adjustment of 0 points changes nothing")
    with desk() as ctx:
        act = audit_cli.act(ctx, **said)
        with _writing(ctx, dry_run=dry_run) as session:
            request = ledger.Request(
                partner_id=accounts.by_code(session, partner_code).partner_id,
                key=None,
                request_hash=None,
                now=act.now,
            )
            command = adjustments.Adjustment(
                member_id=ids.parse(ids.MEMBER, member_id),
                reference=reference,
                points=abs(points),
                credit=points > 0,
            )
            business_days.close_over(session, now=request.now)
            if points > 0:
                issuing.require(session, request.partner_id)
            outcome = adjustments.adjust(session, act, request, command)
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


@member.command(
    "pin",
    help=(
        "Set a new PIN for MEMBER_ID and end any lock after wrong PINs.\n\n"
        "If so far only the partner that enrolled the member has vouched for the member, every earlier proof of the "
        "member ends."
    ),
)
@click.argument("member_id")
@click.option(
    "--pin", prompt="PIN", hide_input=True, confirmation_prompt=True, help="If you leave it out, we ask for it."
)
@noted
@json_option
@one_line_errors
def set_pin(*, member_id: str, pin: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        wanted = ids.parse(ids.MEMBER, member_id)
        began_anew = claims.give_pin(session, decision.act(ctx), member_id=wanted, pin=pin)
    answer({"member_id": member_id, "began_anew": began_anew},
           f"{member_id} has a new PIN{_ANEW if began_anew else ''}", as_json=as_json)  # fmt: skip


@member.command("code", help="Show the present rotating code of MEMBER_ID's wallet.")
@click.argument("member_id")
@click.option("--new", is_flag=True, help="Issue a new one. The previous one ends.")
@noted
@json_option
@one_line_errors
def show_code(*, member_id: str, new: bool, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        wanted = ids.parse(ids.MEMBER, member_id)
        verb = claims.give_code if new else rotating_codes.show
        code = verb(session, decision.act(ctx), member_id=wanted)
    answer({"member_id": member_id, "code": code}, code, as_json=as_json)


@member.command("unlock", help="Unlock the PIN and the code of MEMBER_ID at once.")
@click.argument("member_id")
@noted
@json_option
@one_line_errors
def unlock(*, member_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        throttle.unlock(session, decision.act(ctx), member_id=ids.parse(ids.MEMBER, member_id))
    answer({"member_id": member_id}, f"{member_id} can try again", as_json=as_json)


@member.command("export", help="Print everything we hold about MEMBER_ID as JSON.")
@click.argument("member_id")
@noted
@one_line_errors
def export(*, member_id: str, decision: Decision) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        held = members_export.everything(session, decision.act(ctx), member_id=ids.parse(ids.MEMBER, member_id))
    say(json.dumps(held, indent=2, default=str, ensure_ascii=False))


@member.command(
    "erase", help="Erase MEMBER_ID: delete everything that identifies the member and close the wallet, for good."
)
@click.argument("member_id")
@click.option("--forfeit", is_flag=True, help="Erase the member even with points or debts. The points expire.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@noted
@json_option
@one_line_errors
def erase(*, member_id: str, forfeit: bool, yes: bool, decision: Decision, as_json: bool) -> None:
    if not yes:
        click.confirm(f"Erase {member_id}? You cannot undo this", abort=True)
    with desk() as ctx, ctx.database.transaction() as session:
        wanted = ids.parse(ids.MEMBER, member_id)
        done = members_export.erase(session, decision.act(ctx), member_id=wanted, forfeit=forfeit)
    answer({"member_id": member_id, **vars(done)},
           f"{member_id} is erased; {done.forfeited} points expired", as_json=as_json)  # fmt: skip


def _set_blocked(member_id: str, decision: Decision, *, blocked: bool, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        wanted = ids.parse(ids.MEMBER, member_id)
        changed = merges.block(session, decision.act(ctx), member_id=wanted, blocked=blocked)
    state = "blocked" if blocked else "open"
    answer({"member_id": member_id, "state": state, "changed": changed},
           f"{member_id} is {state}{'' if changed else ', as before'}", as_json=as_json)  # fmt: skip
