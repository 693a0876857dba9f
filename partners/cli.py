"""`coalition client …`, `coalition rate …`: for the operator."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import click

from coalition import programme, rates
from kit import clock, money
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners import accounts, clients, terms
from partners.audit_cli import write_down, write_down_of


@click.group()
def client() -> None:
    """The partners' OAuth clients."""


@client.command("create")
@click.argument("partner_code", required=False)
@click.option("--admin", is_flag=True, help="A client of the coalition's admin, which has no partner.")
@click.option("--scope", "scopes", multiple=True, help="What it may do; may be given several times. All, if left out.")
@json_option
@one_line_errors
def create_client(*, partner_code: str | None, admin: bool, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create an OAuth client for the active partner PARTNER_CODE, or --admin; print its secret, this once."""
    if admin == (partner_code is not None):
        raise click.UsageError("name a partner, or say --admin")
    with desk() as at, at.database.transaction() as session:
        owner = accounts.by_code(session, partner_code).partner_id if partner_code else None
        made, secret = clients.create(session, partner_id=owner, scopes=scopes, now=clock.now(), keyring=at.keyring)
        write_down(at, session, "client.created", made.client_id, partner=partner_code, scopes=made.scopes)
    answer(
        {"client_id": made.client_id, "client_secret": secret, "scopes": list(made.scopes)},
        f"client_id      {made.client_id}\nclient_secret  {secret}   (keep it: it is not shown again)\n"
        f"scopes         {' '.join(made.scopes)}",
        as_json=as_json,
    )


@client.command("revoke")
@click.argument("client_id")
@json_option
@one_line_errors
def revoke_client(*, client_id: str, as_json: bool) -> None:
    """End the client CLIENT_ID and its tokens (within half a second)."""
    with desk() as at, at.database.transaction() as session:
        clients.revoke(session, client_id=client_id, now=clock.now())
        write_down(at, session, "client.revoked", client_id)
    answer({"client_id": client_id}, f"{client_id} is revoked", as_json=as_json)


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
@click.option(
    "--minor-per-unit",
    type=click.IntRange(1, 1_000_000_000),
    help="As many as 1.00 of the programme's currency has, if left out: 100 for GBP, 1 for JPY.",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day; the open business day, if left out.")
@one_line_errors
def set_rate(*, partner_code: str, points_per_unit: str, minor_per_unit: int | None, since: datetime | None) -> None:
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
        owner = accounts.by_code(session, partner_code)
        minor = minor_per_unit or money.minor_units(current.currency)
        rates.set_rate(
            session,
            partner_id=owner.partner_id,
            points_per_unit=points,
            minor_per_unit=minor,
            currency=current.currency,
            since=first,
        )
        how = {"points_per_unit": str(points), "minor_per_unit": minor, "since": first}
        write_down_of(at, session, "rate.set", owner, "partner_id", **how)
