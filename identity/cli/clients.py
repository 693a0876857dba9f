"""`coalition client …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from identity import client_list, client_settings, clients
from kit.audit import Act
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts
from partners.cli.records import MOST_LISTED, Decision, correct_command, decided, noted, owner, report_all, report_one


@click.group(help="The partners' OAuth clients.")
def client() -> None:
    pass


@client.command(
    "create",
    help=(
        "Create an OAuth client for the active partner PARTNER_CODE, or with --admin. We show its secret only this "
        "once."
    ),
)
@click.argument("partner_code", required=False)
@click.option("--admin", is_flag=True, help="Create a client for the coalition's admin, without a partner.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope of the client. You can repeat this option. If you leave it out: all scopes.",
)
@noted
@json_option
@one_line_errors
def create_client(
    *, partner_code: str | None, admin: bool, scopes: tuple[str, ...], decision: Decision, as_json: bool
) -> None:
    if admin == (partner_code is not None):
        raise click.UsageError("name a partner, or use --admin")
    with desk() as ctx, ctx.database.transaction() as session:
        owner = accounts.by_code(session, partner_code).partner_id if partner_code else None
        made, secret = clients.create(session, decision.act(ctx), partner_id=owner, scopes=scopes or None)
    answer(
        {"client_id": made.client_id, "client_secret": secret, "scopes": list(made.scopes)},
        f"client_id      {made.client_id}\nclient_secret  {secret}   (keep it: it is not shown again)\n"
        f"scopes         {' '.join(made.scopes)}",
        as_json=as_json,
    )


@client.command("revoke", help="Revoke the client CLIENT_ID. Its tokens end within half a second.")
@click.argument("client_id")
@decided
@json_option
@one_line_errors
def revoke_client(*, client_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        clients.revoke(session, decision.act(ctx), client_id=client_id)
    answer({"client_id": client_id}, f"{client_id} is revoked", as_json=as_json)


@client.command(
    "limit", help="Set the rate limits of CLIENT_ID to PERCENT of the usual ones. They apply within half a minute."
)
@click.argument("client_id")
@click.argument("percent", type=click.IntRange(1, 10_000))
@decided
@json_option
@one_line_errors
def limit_client(*, client_id: str, percent: int, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        client_settings.grant(session, decision.act(ctx), client_id=client_id, rate_limit_percent=percent)
    said = f"{client_id} has {percent} % of the usual rate limits"
    answer({"client_id": client_id, "percent": percent}, said, as_json=as_json)


@client.command("list", help="List the clients of PARTNER_CODE or of the coalition's admin, including revoked ones.")
@click.argument("partner_code", required=False)
@json_option
@one_line_errors
def list_clients(*, partner_code: str | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code) if partner_code else None
        found = client_list.of_partner(session, partner_id=whose, limit=MOST_LISTED)
    report_all(found, ("client_id", "kind", "name", "created_at", "revoked_at"), as_json=as_json)


@client.command("show", help="Show CLIENT_ID. Nobody can show its secret again.")
@click.argument("client_id")
@json_option
@one_line_errors
def show_client(*, client_id: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        report_one(client_list.get(session, client_id), as_json=as_json)


def _correct_client(session: Session, act: Act, client_id: str, changes: dict[str, Any]) -> Any:
    lists = {name: changes[name].split() for name in ("redirect_uris", "scopes") if name in changes}
    wanted: client_list.ClientChange = {**changes, **lists}  # type: ignore[typeddict-item]
    return client_list.change(session, act, client_id=client_id, changes=wanted)


# Addresses and scopes stand in one word each, with spaces between them, as OAuth writes scopes.
correct_command(
    client, prefix=None, options={"name": None, "redirect_uris": None, "scopes": None}, change=_correct_client,
    key="client_id",
)  # fmt: skip
