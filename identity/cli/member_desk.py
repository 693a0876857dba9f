"""`coalition member find | show | explain`: who is it, what do they have, and where does it come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from identity import member_desk
from kit import audit_cli, ids, pairwise
from kit.terminal import Desk, answer, desk, json_option, one_line_errors
from partners import accounts


@click.command(
    "find",
    help=(
        "Find a member by card, phone, e-mail, external id or receipt, or by PARTNER_CODE's id of the member "
        "(mbr_…).\n\n"
        "Each partner has its own id for each member, and so does the coalition."
    ),
)
@click.argument("partner_code", required=False)
@click.argument("member_id", required=False)
@click.option("--shown", is_flag=True, help="The other way round: MEMBER_ID is the coalition's id; show the partner's.")
@click.option("--card", help="The card number.")
@click.option("--phone", help="With + and country code.")
@click.option("--email")
@click.option("--external-id", help="PARTNER_CODE's own id of the member.")
@click.option("--receipt", help="The reference PARTNER_CODE posted the receipt under.")
@json_option
@one_line_errors
def find_member(
    *, partner_code: str | None, member_id: str | None, shown: bool, as_json: bool, **given: str | None
) -> None:
    wanted = {name: value for name, value in given.items() if value is not None}
    if len(wanted) + (member_id is not None) != 1 or (shown and member_id is None):
        raise click.UsageError("name exactly one thing to find the member by")
    with desk() as ctx, ctx.database.transaction() as session:
        partner = accounts.by_code(session, partner_code).partner_id if partner_code else None
        if member_id is not None and partner is not None:
            act = audit_cli.act(ctx)
            found = member_desk.by_member_id(session, act, member_id, partner_id=partner, is_ours=shown)
            with ids.seen_by(pairwise.view_of(ctx.keyring, partner) if shown else ids.OUR_OWN):
                answer({"member_id": ids.show(ids.MEMBER, found)}, ids.show(ids.MEMBER, found), as_json=as_json)
            return
        heads = member_desk.find(session, audit_cli.act(ctx), wanted, partner_id=partner)
    data = {"member_id": heads[0]["member_id"], "data": heads}
    answer(data, "\n".join(_line(head) for head in heads), as_json=as_json)


@click.command("show", help="Show MEMBER_ID: masked identifiers, balances, open holds and the newest transactions.")
@click.argument("member_id")
@json_option
@one_line_errors
def show_member(*, member_id: str, as_json: bool) -> None:
    with desk() as ctx:
        found = _looked_at(ctx, member_desk.show, member_id)
    lines = [
        _line(found),
        f"  enrolled {found['enrolled_at']} by {_partner(found)}{'' if found['is_claimed'] else ', not claimed yet'}",
        f"  proves itself by: {', '.join(name for name in ('pin', 'code') if found[f'has_{name}']) or 'nothing'}",
        *(f"  {each['kind']:<9} {each['masked']}" for each in found["identifiers"]),
        *(
            f"  on hold   {each['points']} at {each['partner_code']} until {each['expires_at']}"
            for each in found["holds"]
        ),
        *(
            f"  {each['business_date']}  {each['kind']:<10} {each['points']:>9}  → {each['available_after']:>9}"
            f"  {_partner(each)} {each['reference']}"
            for each in found["newest"]
        ),
    ]
    answer(found, "\n".join(lines), as_json=as_json)


@click.command(
    "explain", help="Explain each balance of MEMBER_ID by issuer and expiry, hold or debt, and by what has moved."
)
@click.argument("member_id")
@json_option
@one_line_errors
def explain_member(*, member_id: str, as_json: bool) -> None:
    with desk() as ctx:
        found = _looked_at(ctx, member_desk.explain, member_id)
    lines = []
    for balance in found["balances"]:
        lines.append(
            f"{balance['name']:<10} {balance['points']:>9}{'' if balance['adds_up'] else '   DOES NOT ADD UP'}"
        )
        lines += [f"           {part['points']:>9}  {_partner(part)}  {_why(part)}" for part in balance["parts"]]
    lines.append("moved so far")
    lines += [
        f"           {each['points']:>9}  {each['kind']} at {_partner(each)}, {each['transactions']} transactions"
        for each in found["moved"]
    ]
    answer(found, "\n".join(lines), as_json=as_json)


def _looked_at(ctx: Desk, verb: Callable[..., dict[str, Any]], member_id: str) -> dict[str, Any]:
    wanted = ids.parse(ids.MEMBER, member_id)
    return verb(ctx.database.transaction, ctx.database.reading, audit_cli.act(ctx), wanted)


def _line(head: dict[str, Any]) -> str:
    state = f"merged into {head['merged_into']}" if head["merged_into"] else head["state"]
    if head["erased_at"]:
        state = "erased"
    balances = ", ".join(f"{head[name]} {name}" for name in ("available", "held", "pending", "debt"))
    return f"{head['member_id']}  {state}: {balances}"


def _partner(row: dict[str, Any]) -> str:
    return str(row.get("partner_code") or row["partner_id"])


_FACTS = (
    ("campaign", "for"),
    ("vests_at", "vest at"),
    ("expires_on", "expire on"),
    ("expires_at", "until"),
    ("transaction_id", "debt of"),
)


def _why(part: dict[str, Any]) -> str:
    return ", ".join(f"{said} {part[name]}" for name, said in _FACTS if part.get(name))
