"""`coalition partner …`, `coalition client …`, `coalition rate …`: for the operator."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import click

from coalition import programme, rates
from kit import clock, ids
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners import accounts, clients, terms
from partners.audit_cli import write_down


@click.group()
def partner() -> None:
    """The brands of the coalition."""


@partner.command("create")
@click.argument("code")
@click.option("--name", help="How people call it; made from the code if left out.")
@click.option("--no-issuer", is_flag=True, help="It does not issue points.")
@click.option("--no-redeemer", is_flag=True, help="It does not take points.")
@json_option
@one_line_errors
def create_partner(*, code: str, name: str | None, no_issuer: bool, no_redeemer: bool, as_json: bool) -> None:
    """Create the partner CODE."""
    with desk() as at, at.database.transaction() as session:
        made = accounts.create(
            session,
            code=code,
            name=name or code.replace("-", " ").title(),
            now=clock.now(),
            is_issuer=not no_issuer,
            is_redeemer=not no_redeemer,
        )
    shown = ids.show(ids.PARTNER, made.partner_id)
    answer(
        {"partner_id": shown, "code": made.code, "name": made.name},
        f"{made.name} is {shown}",
        as_json=as_json,
    )


@partner.command("list")
@json_option
@one_line_errors
def list_partners(*, as_json: bool) -> None:
    """List the partners."""
    with desk() as at, at.database.transaction() as session:
        found = accounts.everybody(session)
    data = [{"partner_id": ids.show(ids.PARTNER, p.partner_id), "code": p.code, "name": p.name} for p in found]
    text = "\n".join(f"{p.code:<20} {p.name}" for p in found) or "no partners yet"
    answer({"data": data}, text, as_json=as_json)


@click.group()
def client() -> None:
    """The partners' OAuth clients."""


@client.command("create")
@click.argument("partner_code")
@click.option("--scope", "scopes", multiple=True, help="What it may do; may be given several times. All, if left out.")
@json_option
@one_line_errors
def create_client(*, partner_code: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create an OAuth client for PARTNER_CODE and print its secret, this once."""
    with desk() as at, at.database.transaction() as session:
        owner = accounts.by_code(session, partner_code)
        made, secret = clients.create(
            session, partner_id=owner.partner_id, scopes=scopes, now=clock.now(), keyring=at.keyring
        )
        write_down(at, session, "client.created", made.client_id, partner=owner.code, scopes=made.scopes)
    answer(
        {"client_id": made.client_id, "client_secret": secret, "scopes": list(made.scopes)},
        f"client_id      {made.client_id}\nclient_secret  {secret}   (keep it: it is not shown again)\n"
        f"scopes         {' '.join(made.scopes)}",
        as_json=as_json,
    )


@client.command("revoke")
@click.argument("client_id")
@one_line_errors
def revoke_client(*, client_id: str) -> None:
    """End the client CLIENT_ID and its tokens (within two seconds)."""
    with desk() as at, at.database.transaction() as session:
        clients.revoke(session, client_id=client_id, now=clock.now())
        write_down(at, session, "client.revoked", client_id)


@client.command("limit")
@click.argument("client_id")
@click.argument("percent", type=click.IntRange(1, 10_000))
@one_line_errors
def limit_client(*, client_id: str, percent: int) -> None:
    """Let CLIENT_ID ask PERCENT of the usual rate limits (within half a minute)."""
    with desk() as at, at.database.transaction() as session:
        terms.grant(session, client_id=client_id, rate_limit_percent=percent)
        write_down(at, session, "client.limited", client_id, percent=percent)


@click.group()
def rate() -> None:
    """What an amount earns."""


@rate.command("set")
@click.argument("partner_code")
@click.argument("points_per_unit")
@click.option("--minor-per-unit", type=click.IntRange(1, 1_000_000_000), default=100, show_default=True)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day; the open business day, if left out.")
@one_line_errors
def set_rate(*, partner_code: str, points_per_unit: str, minor_per_unit: int, since: datetime | None) -> None:
    """At PARTNER_CODE, let --minor-per-unit minor units earn POINTS_PER_UNIT points (a decimal)."""
    try:
        points = Decimal(points_per_unit)
    except InvalidOperation:
        points = Decimal(0)
    if not (points.is_finite() and 0 < points <= 1_000_000):
        fail(f"{points_per_unit!r} is not a rate above 0 and up to 1000000")
    with desk() as at, at.database.transaction() as session:
        current = programme.get(session)
        first: date = since.date() if since else current.open_day
        rates.set_rate(
            session,
            partner_id=accounts.by_code(session, partner_code).partner_id,
            points_per_unit=points,
            minor_per_unit=minor_per_unit,
            currency=current.currency,
            since=first,
        )
