"""`coalition client create-app …` and the other clients beside a back end with a secret; `coalition oauth …`."""

from __future__ import annotations

from pathlib import Path

import click

from kit import clock, strict_json
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners import accounts, clients
from partners.audit_cli import write_down
from partners.cli import client
from partners.clients import Client
from partners.oauth import keys

LARGEST_FILE = 64 * 1024


@client.command("create-app")
@click.argument("partner_code")
@click.option("--name", required=True, help="What members read when the app asks for their consent.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="Where it may be sent back to.")
@click.option("--on-a-server", is_flag=True, help="It can keep a secret, and gets one; an app on a device can't.")
@json_option
@one_line_errors
def create_app(
    *, partner_code: str, name: str, redirect_uris: tuple[str, ...], on_a_server: bool, as_json: bool
) -> None:
    """Create a member-facing app of PARTNER_CODE: members sign in and agree to what it may do."""
    with desk() as at, at.database.transaction() as session:
        made, secret = clients.create_app(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            name=name,
            redirect_uris=redirect_uris,
            now=clock.now(),
            keyring=at.keyring if on_a_server else None,
        )
        write_down(at, session, "client.created", made.client_id, kind=made.kind, scopes=made.scopes)
    _tell(made, secret, as_json=as_json)


@client.command("create-tills")
@click.argument("partner_code")
@click.option("--name", required=True, help="What staff read when a till asks to be let in.")
@click.option("--scope", "scopes", multiple=True, help="What a till may do; what tills usually do, if left out.")
@json_option
@one_line_errors
def create_tills(*, partner_code: str, name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create a client for the tills of PARTNER_CODE: each is let in by staff, and can be turned out alone."""
    with desk() as at, at.database.transaction() as session:
        made = clients.create_tills(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            name=name,
            scopes=scopes,
            now=clock.now(),
        )
        write_down(at, session, "client.created", made.client_id, kind=made.kind, scopes=made.scopes)
    _tell(made, None, as_json=as_json)


@client.command("create-with-keys")
@click.argument("partner_code")
@click.argument("jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--scope", "scopes", multiple=True, help="What it may do; may be given several times. All, if left out.")
@json_option
@one_line_errors
def create_with_keys(*, partner_code: str, jwks: Path, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create a back end of PARTNER_CODE that signs in with a private key; JWKS is a file with the public ones."""
    try:
        found = strict_json.loads(jwks.read_bytes()) if jwks.stat().st_size <= LARGEST_FILE else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fail(f"{jwks} is not a JSON object of up to {LARGEST_FILE} bytes")
    with desk() as at, at.database.transaction() as session:
        made = clients.create_with_keys(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            scopes=scopes,
            jwks=found,
            now=clock.now(),
        )
        write_down(at, session, "client.created", made.client_id, kind=made.kind, scopes=made.scopes)
    _tell(made, None, as_json=as_json)


@client.command("add-secret")
@click.argument("client_id")
@json_option
@one_line_errors
def add_secret(*, client_id: str, as_json: bool) -> None:
    """Give CLIENT_ID a second secret; the first ends in a week, and both are good until then."""
    with desk() as at, at.database.transaction() as session:
        secret = clients.add_secret(session, client_id=client_id, now=clock.now(), keyring=at.keyring)
        write_down(at, session, "client.secret_added", client_id)
    answer(
        {"client_id": client_id, "client_secret": secret},
        f"client_secret  {secret}   (keep it: it is not shown again)\nthe one before ends in {clients.SECRETS_OVERLAP}",
        as_json=as_json,
    )


@click.group()
def oauth() -> None:
    """The authorization server."""


@oauth.command("rotate-key")
@json_option
@one_line_errors
def rotate_key(*, as_json: bool) -> None:
    """Publish a new key for id tokens; it signs from tomorrow, and the one before is withdrawn the day after."""
    with desk() as at, at.database.transaction() as session:
        kid = keys.rotate(session, now=clock.now(), keyring=at.keyring)
        write_down(at, session, "signing_key.rotated", kid)
    answer({"kid": kid}, f"{kid} is published", as_json=as_json)


def _tell(made: Client, secret: str | None, *, as_json: bool) -> None:
    lines = [f"client_id      {made.client_id}"]
    if secret:
        lines.append(f"client_secret  {secret}   (keep it: it is not shown again)")
    lines.append(f"scopes         {' '.join(made.scopes)}")
    body = {"client_id": made.client_id, "scopes": list(made.scopes)}
    answer({**body, "client_secret": secret} if secret else body, "\n".join(lines), as_json=as_json)
