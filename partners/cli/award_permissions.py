"""`coalition partner award-permission …`: for the operator."""

from __future__ import annotations

import click

from kit import ids
from kit.terminal import desk, json_option, one_line_errors
from partners import award_permissions
from partners.cli.records import MOST_LISTED, Decision, decided, owner, report, report_all, show_command


@click.group("award-permission", help="Permissions to award an issuer's points.")
def award_permission() -> None:
    pass


@award_permission.command(
    "give", help="Permit PARTNER_CODE to award points of ISSUER_CODE, as the issuer's admin decided."
)
@click.argument("issuer_code")
@click.argument("partner_code")
@click.option("--most", "most_per_award", type=int, required=True, help="The most points of one award.")
@decided
@json_option
@one_line_errors
def give(*, issuer_code: str, partner_code: str, most_per_award: int, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = award_permissions.give(
            session,
            decision.act(ctx),
            issuer_id=owner(session, issuer_code),
            partner_id=owner(session, partner_code),
            most_per_award=most_per_award,
        )
    report(made, f"{partner_code} can award points of {issuer_code}, up to {most_per_award:,} at once", as_json=as_json)


@award_permission.command(
    "withdraw", help="Withdraw the permission PERMISSION_ID (awp_…). Points already awarded stay."
)
@click.argument("permission_id")
@decided
@json_option
@one_line_errors
def withdraw(*, permission_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        wanted = ids.parse(ids.AWARD_PERMISSION, permission_id)
        made = award_permissions.withdraw(session, decision.act(ctx), permission_id=wanted)
    report(made, f"{permission_id} is withdrawn since {made.withdrawn_at:%Y-%m-%d %H:%M}", as_json=as_json)


@award_permission.command("list", help="List the permissions that PARTNER_CODE gave or received.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_permissions(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = award_permissions.of_partner(session, partner_id=owner(session, partner_code), limit=MOST_LISTED)
    report_all(found, ("permission_id", "issuer_id", "partner_id", "most_per_award", "given_at"), as_json=as_json)


show_command(award_permission, prefix=ids.AWARD_PERMISSION, get=award_permissions.get)
