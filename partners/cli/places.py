"""`coalition partner location | till …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from kit import ids
from kit.audit import Act
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import locations
from partners.cli.records import (
    FIRST,
    MOST_LISTED,
    Decision,
    correct_command,
    decided,
    noted,
    owner,
    report,
    report_all,
    show_command,
)


@click.group(help="Locations of partners.")
def location() -> None:
    pass


@location.command("add", help="Add the location CODE to PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("code")
@click.option("--name", required=True)
@click.option("--territory", required=True, help="GB, or GB-SCT.")
@click.option("--address", required=True)
@noted
@json_option
@one_line_errors
def add_location(
    *, partner_code: str, code: str, name: str, territory: str, address: str, decision: Decision, as_json: bool
) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = locations.add(
            session,
            decision.act(ctx),
            partner_id=owner(session, partner_code),
            code=code,
            name=name,
            territory=territory,
            address=address,
        )
    report(made, f"{made.code} is {ids.show(ids.LOCATION, made.location_id)}", as_json=as_json)


@location.command("set", help="Close or reopen the location CODE of PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("code")
@click.argument("status", type=click.Choice(locations.LOCATION_STATES))
@decided
@json_option
@one_line_errors
def set_location(*, partner_code: str, code: str, status: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        found = locations.by_code(session, partner_id=owner(session, partner_code), code=code)
        made = locations.change(session, decision.act(ctx), location_id=found.location_id, status=status)
    report(made, f"{code} is {made.status}", as_json=as_json)


@location.command("list", help="List the locations of PARTNER_CODE.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_locations(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = locations.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    report_all(found, ("code", "status", "territory", "name"), as_json=as_json)


show_command(location, prefix=ids.LOCATION, get=locations.get)


def _correct_location(session: Session, act: Act, shown_id: str, changes: dict[str, Any]) -> Any:
    return locations.change(session, act, location_id=ids.parse(ids.LOCATION, shown_id), **changes)


correct_command(
    location,
    prefix=ids.LOCATION,
    options={"code": None, "name": None, "territory": None, "address": None},
    change=_correct_location,
    key="code",
)


@click.group(help="Tills in partners' locations.")
def till() -> None:
    pass


@till.command("add", help="Add the till CODE to the location LOCATION_CODE of PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("location_code")
@click.argument("code")
@noted
@json_option
@one_line_errors
def add_till(*, partner_code: str, location_code: str, code: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        where = locations.by_code(session, partner_id=owner(session, partner_code), code=location_code)
        made = locations.add_till(session, decision.act(ctx), location_id=where.location_id, code=code)
    report(made, f"{made.code} is {ids.show(ids.TILL, made.till_id)}", as_json=as_json)


@till.command("set", help="Block or unblock the till TILL_ID (till_…), or retire it for good.")
@click.argument("till_id")
@click.argument("status", type=click.Choice(locations.TILL_STATES))
@decided
@json_option
@one_line_errors
def set_till(*, till_id: str, status: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = locations.set_till(session, decision.act(ctx), till_id=ids.parse(ids.TILL, till_id), status=status)
    report(made, f"{made.code} is {made.status}", as_json=as_json)


@till.command("list", help="List the tills in the location LOCATION_CODE of PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("location_code")
@json_option
@one_line_errors
def list_tills(*, partner_code: str, location_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        where = locations.by_code(session, partner_id=owner(session, partner_code), code=location_code)
        found = locations.tills(session, location_id=where.location_id, after=FIRST, limit=MOST_LISTED)
    report_all(found, ("till_id", "code", "status"), as_json=as_json)


show_command(till, prefix=ids.TILL, get=locations.till)
