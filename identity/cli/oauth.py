"""`coalition client create-app …` and the other clients beside a back end with a secret; `coalition oauth …`."""

from __future__ import annotations

from pathlib import Path

import click

from identity import clients
from identity.cli.clients import client
from identity.clients import Client
from identity.oauth import keys
from kit import strict_json
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners import accounts
from partners.cli.records import Decision, noted

LARGEST_FILE = 64 * 1024


@client.command(
    "create-app",
    help="Create a client for a member-facing app of PARTNER_CODE. Members sign in and agree to what the app can do.",
)
@click.argument("partner_code")
@click.option("--name", required=True, help="The name that members see when the app asks for consent.")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, required=True, help="An address to send members back to."
)
@click.option("--on-a-server", is_flag=True, help="The app can keep a secret and gets one. An app on a device cannot.")
@noted
@json_option
@one_line_errors
def create_app(
    *,
    partner_code: str,
    name: str,
    redirect_uris: tuple[str, ...],
    on_a_server: bool,
    decision: Decision,
    as_json: bool,
) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made, secret = clients.create_app(
            session,
            decision.act(ctx),
            partner_id=accounts.by_code(session, partner_code).partner_id,
            name=name,
            redirect_uris=redirect_uris,
            on_a_server=on_a_server,
        )
    _tell(made, secret, as_json=as_json)


@client.command(
    "create-tills",
    help="Create a client for the tills of PARTNER_CODE. Staff approve each till and can sign out each one.",
)
@click.argument("partner_code")
@click.option("--name", required=True, help="The name that staff see when they approve a till.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope of a till. You can repeat this option. If you leave it out: the usual scopes of tills.",
)
@noted
@json_option
@one_line_errors
def create_tills(*, partner_code: str, name: str, scopes: tuple[str, ...], decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = clients.create_tills(
            session,
            decision.act(ctx),
            partner_id=accounts.by_code(session, partner_code).partner_id,
            name=name,
            scopes=scopes or None,
        )
    _tell(made, None, as_json=as_json)


@client.command(
    "create-with-keys",
    help=(
        "Create a client for a back end of PARTNER_CODE that signs in with a private key. JWKS is a file with the "
        "public keys."
    ),
)
@click.argument("partner_code")
@click.argument("jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope of the client. You can repeat this option. If you leave it out: all scopes.",
)
@noted
@json_option
@one_line_errors
def create_with_keys(
    *, partner_code: str, jwks: Path, scopes: tuple[str, ...], decision: Decision, as_json: bool
) -> None:
    try:
        found = strict_json.loads(jwks.read_bytes()) if jwks.stat().st_size <= LARGEST_FILE else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fail(f"{jwks} is not a JSON object of up to {LARGEST_FILE} bytes")
    with desk() as ctx, ctx.database.transaction() as session:
        made = clients.create_with_keys(
            session,
            decision.act(ctx),
            partner_id=accounts.by_code(session, partner_code).partner_id,
            scopes=scopes or None,
            jwks=found,
        )
    _tell(made, None, as_json=as_json)


@client.command("add-secret", help="Add a second secret to CLIENT_ID. Both work for a week, then the first one ends.")
@click.argument("client_id")
@noted
@json_option
@one_line_errors
def add_secret(*, client_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        secret = clients.add_secret(session, decision.act(ctx), client_id=client_id)
    answer(
        {"client_id": client_id, "client_secret": secret},
        f"client_secret  {secret}   (keep it: it is not shown again)\nthe one before ends in {clients.SECRETS_OVERLAP}",
        as_json=as_json,
    )


@click.group(help="The authorization server.")
def oauth() -> None:
    pass


@oauth.command(
    "rotate-key",
    help="Publish a new key for id tokens. It signs from tomorrow, and we withdraw the previous key the day after.",
)
@noted
@json_option
@one_line_errors
def rotate_key(*, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        kid = keys.rotate(session, decision.act(ctx))
    answer({"kid": kid}, f"{kid} is published", as_json=as_json)


def _tell(made: Client, secret: str | None, *, as_json: bool) -> None:
    lines = [f"client_id      {made.client_id}"]
    if secret:
        lines.append(f"client_secret  {secret}   (keep it: it is not shown again)")
    lines.append(f"scopes         {' '.join(made.scopes)}")
    body = {"client_id": made.client_id, "scopes": list(made.scopes)}
    answer({**body, "client_secret": secret} if secret else body, "\n".join(lines), as_json=as_json)
