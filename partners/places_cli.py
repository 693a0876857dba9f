"""`coalition partner location | till …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from kit import clock, ids
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import locations
from partners.audit_cli import write_down, write_down_of
from partners.terminal import (
    FIRST,
    MOST_LISTED,
    Decision,
    correct_command,
    noted,
    owner,
    show_command,
    tell,
    tell_all,
)


@click.group()
def location() -> None:
    """Partners' shops."""


@location.command("add")
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
    """Give PARTNER_CODE the location CODE."""
    with desk() as at, at.database.transaction() as session:
        made = locations.add(
            session,
            partner_id=owner(session, partner_code),
            code=code,
            name=name,
            territory=territory,
            address=address,
            now=clock.now(),
        )
        write_down_of(at, session, "location.added", made, "location_id", **decision.facts)
    tell(made, f"{made.code} is {ids.show(ids.LOCATION, made.location_id)}", as_json=as_json)


@location.command("set")
@click.argument("partner_code")
@click.argument("code")
@click.argument("status", type=click.Choice(locations.LOCATION_STATES))
@noted
@json_option
@one_line_errors
def set_location(*, partner_code: str, code: str, status: str, decision: Decision, as_json: bool) -> None:
    """Close or open the location CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        found = locations.by_code(session, partner_id=owner(session, partner_code), code=code)
        made = locations.change(session, location_id=found.location_id, status=status)
        write_down_of(at, session, "location.changed", made, "location_id", status=status, **decision.facts)
    tell(made, f"{code} is {made.status}", as_json=as_json)


@location.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_locations(*, partner_code: str, as_json: bool) -> None:
    """List the locations of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        found = locations.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    tell_all(found, ("code", "status", "territory", "name"), as_json=as_json)


show_command(location, prefix=ids.LOCATION, get=locations.get)


def _correct_location(session: Session, shown_id: str, changes: dict[str, Any]) -> Any:
    return locations.change(session, location_id=ids.parse(ids.LOCATION, shown_id), **changes)


correct_command(
    location,
    prefix=ids.LOCATION,
    options={"code": None, "name": None, "territory": None, "address": None},
    change=_correct_location,
    key="code",
)


@click.group()
def till() -> None:
    """Tills in partners' locations."""


@till.command("add")
@click.argument("partner_code")
@click.argument("location_code")
@click.argument("code")
@noted
@json_option
@one_line_errors
def add_till(*, partner_code: str, location_code: str, code: str, decision: Decision, as_json: bool) -> None:
    """Put the till CODE into the location LOCATION_CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        where = locations.by_code(session, partner_id=owner(session, partner_code), code=location_code)
        made = locations.add_till(session, location_id=where.location_id, code=code, now=clock.now())
        write_down_of(at, session, "till.added", made, "till_id", **decision.facts)
    tell(made, f"{made.code} is {ids.show(ids.TILL, made.till_id)}", as_json=as_json)


@till.command("set")
@click.argument("till_id")
@click.argument("status", type=click.Choice(locations.TILL_STATES))
@noted
@json_option
@one_line_errors
def set_till(*, till_id: str, status: str, decision: Decision, as_json: bool) -> None:
    """Block the till TILL_ID (till_…), let it work again, or retire it for good."""
    with desk() as at, at.database.transaction() as session:
        made = locations.set_till(session, till_id=ids.parse(ids.TILL, till_id), status=status)
        write_down(at, session, "till.changed", till_id, status=status, **decision.facts)
    tell(made, f"{made.code} is {made.status}", as_json=as_json)


@till.command("list")
@click.argument("partner_code")
@click.argument("location_code")
@json_option
@one_line_errors
def list_tills(*, partner_code: str, location_code: str, as_json: bool) -> None:
    """List the tills in the location LOCATION_CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        where = locations.by_code(session, partner_id=owner(session, partner_code), code=location_code)
        found = locations.tills(session, location_id=where.location_id, after=FIRST, limit=MOST_LISTED)
    tell_all(found, ("till_id", "code", "status"), as_json=as_json)


show_command(till, prefix=ids.TILL, get=locations.till)
