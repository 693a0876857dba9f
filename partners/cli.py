"""`coalition client …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from kit import clock
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts, client_list, clients, terms
from partners.audit_cli import write_down
from partners.terminal import MOST_LISTED, Decision, correct_command, noted, owner, tell_all, tell_one


@click.group()
def client() -> None:
    """The partners' OAuth clients."""


@client.command("create")
@click.argument("partner_code", required=False)
@click.option("--admin", is_flag=True, help="A client of the coalition's admin, which has no partner.")
@click.option("--scope", "scopes", multiple=True, help="What it may do; may be given several times. All, if left out.")
@noted
@json_option
@one_line_errors
def create_client(
    *, partner_code: str | None, admin: bool, scopes: tuple[str, ...], decision: Decision, as_json: bool
) -> None:
    """Create an OAuth client for the active partner PARTNER_CODE, or --admin; print its secret, this once."""
    if admin == (partner_code is not None):
        raise click.UsageError("name a partner, or say --admin")
    with desk() as at, at.database.transaction() as session:
        owner = accounts.by_code(session, partner_code).partner_id if partner_code else None
        made, secret = clients.create(session, partner_id=owner, scopes=scopes, now=clock.now(), keyring=at.keyring)
        write_down(
            at, session, "client.created", made.client_id, partner=partner_code, scopes=made.scopes, **decision.facts
        )
    answer(
        {"client_id": made.client_id, "client_secret": secret, "scopes": list(made.scopes)},
        f"client_id      {made.client_id}\nclient_secret  {secret}   (keep it: it is not shown again)\n"
        f"scopes         {' '.join(made.scopes)}",
        as_json=as_json,
    )


@client.command("revoke")
@click.argument("client_id")
@noted
@json_option
@one_line_errors
def revoke_client(*, client_id: str, decision: Decision, as_json: bool) -> None:
    """End the client CLIENT_ID and its tokens (within half a second)."""
    with desk() as at, at.database.transaction() as session:
        clients.revoke(session, client_id=client_id, now=clock.now())
        write_down(at, session, "client.revoked", client_id, **decision.facts)
    answer({"client_id": client_id}, f"{client_id} is revoked", as_json=as_json)


@client.command("limit")
@click.argument("client_id")
@click.argument("percent", type=click.IntRange(1, 10_000))
@noted
@one_line_errors
def limit_client(*, client_id: str, percent: int, decision: Decision) -> None:
    """Let CLIENT_ID ask PERCENT of the usual rate limits (within half a minute)."""
    with desk() as at, at.database.transaction() as session:
        terms.grant(session, client_id=client_id, rate_limit_percent=percent)
        write_down(at, session, "client.limited", client_id, percent=percent, **decision.facts)


@client.command("list")
@click.argument("partner_code", required=False)
@json_option
@one_line_errors
def list_clients(*, partner_code: str | None, as_json: bool) -> None:
    """List the clients of PARTNER_CODE, or of the coalition's admin; revoked ones included."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code) if partner_code else None
        found = client_list.of_partner(session, partner_id=whose, limit=MOST_LISTED)
    tell_all(found, ("client_id", "kind", "name", "created_at", "revoked_at"), as_json=as_json)


@client.command("show")
@click.argument("client_id")
@json_option
@one_line_errors
def show_client(*, client_id: str, as_json: bool) -> None:
    """Show CLIENT_ID; its secret nobody can show."""
    with desk() as at, at.database.transaction() as session:
        tell_one(client_list.get(session, client_id), as_json=as_json)


def _correct_client(session: Session, client_id: str, changes: dict[str, Any]) -> Any:
    lists = {name: changes[name].split() for name in ("redirect_uris", "scopes") if name in changes}
    return client_list.change(session, client_id=client_id, changes={**changes, **lists})  # type: ignore[typeddict-item]


# Addresses and scopes stand in one word each, with spaces between them, as OAuth writes scopes.
correct_command(
    client, prefix=None, options={"name": None, "redirect_uris": None, "scopes": None}, change=_correct_client,
    key="client_id",
)  # fmt: skip
