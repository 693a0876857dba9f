"""`coalition partner brand | category | presence | location | till | contact | staff …`: for the operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import click

from kit import clock, ids
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts, brands, categories, contacts, locations, presences
from partners import staff as people
from partners.audit_cli import write_down, write_down_of

DAY = click.DateTime(["%Y-%m-%d"])
MOST_LISTED = 10_000
FIRST = UUID(int=0)


@click.group()
def brand() -> None:
    """What partners trade as."""


@brand.command("add")
@click.argument("partner_code")
@click.argument("name")
@json_option
@one_line_errors
def add_brand(*, partner_code: str, name: str, as_json: bool) -> None:
    """Give PARTNER_CODE the brand NAME."""
    with desk() as at, at.database.transaction() as session:
        made = brands.add(session, partner_id=_partner(session, partner_code), name=name, now=clock.now())
        write_down_of(at, session, "brand.added", made, "brand_id")
    _say(made, f"{made.name} is a brand of {partner_code}", as_json=as_json)


@brand.command("end")
@click.argument("brand_id")
@json_option
@one_line_errors
def end_brand(*, brand_id: str, as_json: bool) -> None:
    """End BRAND_ID (brd_…), so that its name is free."""
    with desk() as at, at.database.transaction() as session:
        made = brands.end(session, brand_id=ids.parse(ids.BRAND, brand_id), now=clock.now())
        write_down_of(at, session, "brand.ended", made, "brand_id")
    _say(made, f"{made.name} is ended", as_json=as_json)


@brand.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_brands(*, partner_code: str, as_json: bool) -> None:
    """List the brands of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code)
        found = brands.of_partner(session, partner_id=owner, after=FIRST, limit=MOST_LISTED)
    _say_all(found, ("brand_id", "name", "ended_at"), as_json=as_json)


@click.group()
def category() -> None:
    """What partners trade in: a tree."""


@category.command("add")
@click.argument("path")
@click.option("--name", help="How people call it; made from the path if left out.")
@json_option
@one_line_errors
def add_category(*, path: str, name: str | None, as_json: bool) -> None:
    """Grow the tree by PATH, such as food/bakery; what it is part of has to be there."""
    above, _, code = path.strip("/").rpartition("/")
    with desk() as at, at.database.transaction() as session:
        parent_id = categories.by_path(session, above).category_id if above else None
        made = categories.add(
            session,
            code=code,
            name=name or code.replace("-", " ").title(),
            parent_id=parent_id,
            now=clock.now(),
        )
        write_down_of(at, session, "category.added", made, "category_id", path=made.path)
    _say(made, f"{made.path} is {made.name}", as_json=as_json)


@category.command("list")
@json_option
@one_line_errors
def list_categories(*, as_json: bool) -> None:
    """List the tree."""
    with desk() as at, at.database.transaction() as session:
        found = categories.page(session, after=FIRST, limit=MOST_LISTED)
    _say_all(sorted(found, key=lambda one: one.path), ("path", "name"), as_json=as_json)


@click.group()
def presence() -> None:
    """Where partners are present, and where exclusively."""


@presence.command("add")
@click.argument("partner_code")
@click.argument("category_path")
@click.argument("territory")
@click.option("--since", type=DAY, required=True, help="The first day.")
@click.option("--until", type=DAY, help="The first day after it; for as long as the partner stays, if left out.")
@click.option("--clause", help="The agreement's clause that keeps competitors out.")
@json_option
@one_line_errors
def add_presence(
    *,
    partner_code: str,
    category_path: str,
    territory: str,
    since: datetime,
    until: datetime | None,
    clause: str | None,
    as_json: bool,
) -> None:
    """Put PARTNER_CODE into the category CATEGORY_PATH in TERRITORY (GB, GB-SCT, or * for everywhere)."""
    with desk() as at, at.database.transaction() as session:
        made = presences.add(
            session,
            partner_id=_partner(session, partner_code),
            category_id=categories.by_path(session, category_path).category_id,
            territory=territory,
            since=since.date(),
            until=_date(until),
            clause=clause,
            now=clock.now(),
        )
        write_down_of(at, session, "presence.added", made, "presence_id", category=made.category_path)
    how = "exclusively present" if made.exclusive else "present"
    _say(made, f"{partner_code} is {how} in {made.category_path} in {territory} from {made.since}", as_json=as_json)


@presence.command("end")
@click.argument("presence_id")
@click.argument("until", type=DAY)
@json_option
@one_line_errors
def end_presence(*, presence_id: str, until: datetime, as_json: bool) -> None:
    """Let PRESENCE_ID (prs_…) last until UNTIL, the first day after it: sooner or later than it would have."""
    with desk() as at, at.database.transaction() as session:
        chosen = ids.parse(ids.PRESENCE, presence_id)
        made = presences.change(session, presence_id=chosen, changes={"until": until.date()})
        write_down(at, session, "presence.changed", presence_id, fields=["until"])
    _say(made, f"{presence_id} lasts until {made.until}", as_json=as_json)


@presence.command("withdraw")
@click.argument("presence_id")
@json_option
@one_line_errors
def withdraw_presence(*, presence_id: str, as_json: bool) -> None:
    """Take back PRESENCE_ID (prs_…), entered by mistake."""
    with desk() as at, at.database.transaction() as session:
        presences.withdraw(session, presence_id=ids.parse(ids.PRESENCE, presence_id), now=clock.now())
        write_down(at, session, "presence.withdrawn", presence_id)
    answer({"presence_id": presence_id}, f"{presence_id} is withdrawn", as_json=as_json)


@presence.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_presences(*, partner_code: str, as_json: bool) -> None:
    """List where PARTNER_CODE is present."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code)
        found = presences.of_partner(session, partner_id=owner, after=FIRST, limit=MOST_LISTED)
    columns = ("presence_id", "category_path", "territory", "since", "until", "clause")
    _say_all(found, columns, as_json=as_json)


@click.group()
def location() -> None:
    """Partners' shops."""


@location.command("add")
@click.argument("partner_code")
@click.argument("code")
@click.option("--name", required=True)
@click.option("--territory", required=True, help="GB, or GB-SCT.")
@click.option("--address", required=True)
@json_option
@one_line_errors
def add_location(*, partner_code: str, code: str, name: str, territory: str, address: str, as_json: bool) -> None:
    """Give PARTNER_CODE the location CODE."""
    with desk() as at, at.database.transaction() as session:
        made = locations.add(
            session,
            partner_id=_partner(session, partner_code),
            code=code,
            name=name,
            territory=territory,
            address=address,
            now=clock.now(),
        )
        write_down_of(at, session, "location.added", made, "location_id")
    _say(made, f"{made.code} is {ids.show(ids.LOCATION, made.location_id)}", as_json=as_json)


@location.command("set")
@click.argument("partner_code")
@click.argument("code")
@click.argument("status", type=click.Choice(locations.LOCATION_STATES))
@json_option
@one_line_errors
def set_location(*, partner_code: str, code: str, status: str, as_json: bool) -> None:
    """Close or open the location CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        found = locations.by_code(session, partner_id=_partner(session, partner_code), code=code)
        made = locations.change(session, location_id=found.location_id, status=status)
        write_down_of(at, session, "location.changed", made, "location_id", status=status)
    _say(made, f"{code} is {made.status}", as_json=as_json)


@location.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_locations(*, partner_code: str, as_json: bool) -> None:
    """List the locations of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code)
        found = locations.of_partner(session, partner_id=owner, after=FIRST, limit=MOST_LISTED)
    _say_all(found, ("code", "status", "territory", "name"), as_json=as_json)


@click.group()
def till() -> None:
    """Tills in partners' locations."""


@till.command("add")
@click.argument("partner_code")
@click.argument("location_code")
@click.argument("code")
@json_option
@one_line_errors
def add_till(*, partner_code: str, location_code: str, code: str, as_json: bool) -> None:
    """Put the till CODE into the location LOCATION_CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        where = locations.by_code(session, partner_id=_partner(session, partner_code), code=location_code)
        made = locations.add_till(session, location_id=where.location_id, code=code, now=clock.now())
        write_down_of(at, session, "till.added", made, "till_id")
    _say(made, f"{made.code} is {ids.show(ids.TILL, made.till_id)}", as_json=as_json)


@till.command("set")
@click.argument("till_id")
@click.argument("status", type=click.Choice(locations.TILL_STATES))
@json_option
@one_line_errors
def set_till(*, till_id: str, status: str, as_json: bool) -> None:
    """Block the till TILL_ID (till_…), let it work again, or retire it for good."""
    with desk() as at, at.database.transaction() as session:
        made = locations.set_till(session, till_id=ids.parse(ids.TILL, till_id), status=status)
        write_down(at, session, "till.changed", till_id, status=status)
    _say(made, f"{made.code} is {made.status}", as_json=as_json)


@till.command("list")
@click.argument("partner_code")
@click.argument("location_code")
@json_option
@one_line_errors
def list_tills(*, partner_code: str, location_code: str, as_json: bool) -> None:
    """List the tills in the location LOCATION_CODE of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        where = locations.by_code(session, partner_id=_partner(session, partner_code), code=location_code)
        found = locations.tills(session, location_id=where.location_id, after=FIRST, limit=MOST_LISTED)
    _say_all(found, ("till_id", "code", "status"), as_json=as_json)


@click.group()
def contact() -> None:
    """Whom to write to."""


@contact.command("add")
@click.argument("partner_code")
@click.argument("role", type=click.Choice(contacts.ROLES))
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--phone", help="International, such as +44 20 7946 0000.")
@json_option
@one_line_errors
def add_contact(*, partner_code: str, role: str, name: str, email: str, phone: str | None, as_json: bool) -> None:
    """Give PARTNER_CODE a contact for ROLE."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code)
        made = contacts.add(session, partner_id=owner, role=role, name=name, email=email, phone=phone, now=clock.now())
        write_down_of(at, session, "contact.added", made, "contact_id", role=role)
    _say(made, f"{made.name} is the {made.role} contact of {partner_code}", as_json=as_json)


@contact.command("end")
@click.argument("contact_id")
@json_option
@one_line_errors
def end_contact(*, contact_id: str, as_json: bool) -> None:
    """End CONTACT_ID (ctc_…)."""
    with desk() as at, at.database.transaction() as session:
        made = contacts.end(session, contact_id=ids.parse(ids.CONTACT, contact_id), now=clock.now())
        write_down(at, session, "contact.ended", contact_id)
    _say(made, f"{made.name} is no contact any more", as_json=as_json)


@contact.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_contacts(*, partner_code: str, as_json: bool) -> None:
    """List the contacts of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code)
        found = contacts.of_partner(session, partner_id=owner, after=FIRST, limit=MOST_LISTED)
    _say_all(found, ("contact_id", "role", "name", "email", "phone", "ended_at"), as_json=as_json)


@click.group()
def staff() -> None:
    """People who work for a partner, or (without PARTNER_CODE) for the coalition."""


@staff.command("add")
@click.argument("partner_code", required=False)
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(people.ROLES), required=True)
@json_option
@one_line_errors
def add_staff(*, partner_code: str | None, email: str, name: str, role: str, as_json: bool) -> None:
    """Add somebody to the staff of PARTNER_CODE, or to the coalition's."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code) if partner_code else None
        made = people.add(session, partner_id=owner, email=email, name=name, role=role, now=clock.now())
        write_down_of(at, session, "staff.added", made, "staff_id", role=role)
    _say(made, f"{made.name} is {made.role} of {partner_code or 'the coalition'}", as_json=as_json)


@staff.command("end")
@click.argument("staff_id")
@json_option
@one_line_errors
def end_staff(*, staff_id: str, as_json: bool) -> None:
    """Let STAFF_ID (stf_…) go."""
    with desk() as at, at.database.transaction() as session:
        made = people.end(session, staff_id=ids.parse(ids.STAFF, staff_id), now=clock.now())
        write_down(at, session, "staff.ended", staff_id)
    _say(made, f"{made.name} works here no longer", as_json=as_json)


@staff.command("list")
@click.argument("partner_code", required=False)
@json_option
@one_line_errors
def list_staff(*, partner_code: str | None, as_json: bool) -> None:
    """List the staff of PARTNER_CODE, or the coalition's."""
    with desk() as at, at.database.transaction() as session:
        owner = _partner(session, partner_code) if partner_code else None
        found = people.page(session, partner_id=owner, after=FIRST, limit=MOST_LISTED)
    _say_all(found, ("staff_id", "role", "name", "email", "ended_at"), as_json=as_json)


def _partner(session: Session, code: str) -> UUID:
    return accounts.by_code(session, code).partner_id


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None


def _say(made: Any, text: str, *, as_json: bool) -> None:
    answer(ids.show_fields(vars(made)), text, as_json=as_json)


def _say_all(found: Sequence[Any], columns: Sequence[str], *, as_json: bool) -> None:
    data = [ids.show_fields(vars(one)) for one in found]
    rows = ["  ".join("-" if one[name] is None else str(one[name]) for name in columns) for one in data]
    answer({"data": data}, "\n".join(rows) or "none yet", as_json=as_json)
