"""`coalition member find | show | explain`: who is it, what do they have, and where does it come from."""

from __future__ import annotations

from typing import Any

import click

from coalition import member_accounts, members
from kit import ids, pairwise
from kit.terminal import Desk, answer, desk, json_option, one_line_errors
from partners import accounts, member_desk
from partners.audit_cli import write_down


@click.command("find")
@click.argument("partner_code", required=False)
@click.argument("member_id", required=False)
@click.option("--shown", is_flag=True, help="The other way: MEMBER_ID is ours, say what the partner calls it.")
@click.option("--card", help="The card's number.")
@click.option("--phone", help="With + and country code.")
@click.option("--email")
@click.option("--external-id", help="PARTNER_CODE's own id of the member.")
@click.option("--receipt", help="The number PARTNER_CODE posted it under.")
@json_option
@one_line_errors
def find_member(
    *, partner_code: str | None, member_id: str | None, shown: bool, as_json: bool, **given: str | None
) -> None:
    """Say who it is: by card, phone, e-mail, external id, receipt, or by what PARTNER_CODE calls it (mbr_…).

    Each partner has its own id for each member, and we ours.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    if len(wanted) + (member_id is not None) != 1 or (shown and member_id is None):
        raise click.UsageError("give one thing to find the member by")
    with desk() as at, at.database.transaction() as session:
        partner = accounts.by_code(session, partner_code).partner_id if partner_code else None
        if member_id is not None and partner is not None:
            view = pairwise.view_of(at.keyring, partner)
            with ids.seen_by(None if shown else view):
                found = members.by_id(session, ids.parse(ids.MEMBER, member_id)).member_id
            with ids.seen_by(view if shown else None):
                answer({"member_id": ids.show(ids.MEMBER, found)}, ids.show(ids.MEMBER, found), as_json=as_json)
            return
        heads = member_desk.find(session, wanted, partner_id=partner, keyring=at.keyring)
        for head in heads:
            write_down(at, session, "member.found", head["member_id"], by=next(iter(wanted)), partner=partner_code)
    data = {"member_id": heads[0]["member_id"], "data": heads}
    answer(data, "\n".join(_line(head) for head in heads), as_json=as_json)


@click.command("show")
@click.argument("member_id")
@json_option
@one_line_errors
def show_member(*, member_id: str, as_json: bool) -> None:
    """Show MEMBER_ID: identifiers (masked), what the wallet holds, open holds, the newest transactions."""
    with desk() as at:
        found = _looked_at(at, "member.shown", member_id)
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


@click.command("explain")
@click.argument("member_id")
@json_option
@one_line_errors
def explain_member(*, member_id: str, as_json: bool) -> None:
    """Explain what MEMBER_ID has: each balance by issuer and expiry, hold or debt, and what has moved."""
    with desk() as at:
        found = _looked_at(at, "member.explained", member_id)
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


def _looked_at(at: Desk, action: str, member_id: str) -> dict[str, Any]:
    """What `action` shows, written down before it is read."""
    wanted = ids.parse(ids.MEMBER, member_id)
    read = member_accounts.explain if action == "member.explained" else member_accounts.show
    with at.database.transaction() as session:
        read(session, wanted)
        write_down(at, session, action, member_id)
    with at.database.transaction() as session:
        member_accounts.snapshot(session)
        found: dict[str, Any] = member_desk.named(session, read(session, wanted))
    return found


def _line(head: dict[str, Any]) -> str:
    state = f"merged into {head['merged_into']}" if head["merged_into"] else head["state"]
    if head["erased_at"]:
        state = "erased"
    balances = ", ".join(f"{head[name]} {name}" for name in ("available", "held", "pending", "owed"))
    return f"{head['member_id']}  {state}: {balances}"


def _partner(row: dict[str, Any]) -> str:
    return str(row.get("partner_code") or row["partner_id"])


_FACTS = (("vests_at", "vest at"), ("expires_on", "expire on"), ("expires_at", "until"), ("transaction_id", "owed for"))


def _why(part: dict[str, Any]) -> str:
    return ", ".join(f"{said} {part[name]}" for name, said in _FACTS if part.get(name))
