"""`coalition partner contact | staff …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from kit import clock, ids
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import contacts
from partners import staff as people
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
def contact() -> None:
    """Whom to write to."""


@contact.command("add")
@click.argument("partner_code")
@click.argument("role", type=click.Choice(contacts.ROLES))
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--phone", help="International, such as +44 20 7946 0000.")
@noted
@json_option
@one_line_errors
def add_contact(
    *, partner_code: str, role: str, name: str, email: str, phone: str | None, decision: Decision, as_json: bool
) -> None:
    """Give PARTNER_CODE a contact for ROLE."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        made = contacts.add(session, partner_id=whose, role=role, name=name, email=email, phone=phone, now=clock.now())
        write_down_of(at, session, "contact.added", made, "contact_id", role=role, **decision.facts)
    tell(made, f"{made.name} is the {made.role} contact of {partner_code}", as_json=as_json)


@contact.command("end")
@click.argument("contact_id")
@noted
@json_option
@one_line_errors
def end_contact(*, contact_id: str, decision: Decision, as_json: bool) -> None:
    """End CONTACT_ID (ctc_…)."""
    with desk() as at, at.database.transaction() as session:
        made = contacts.end(session, contact_id=ids.parse(ids.CONTACT, contact_id), now=clock.now())
        write_down(at, session, "contact.ended", contact_id, **decision.facts)
    tell(made, f"{made.name} is no contact any more", as_json=as_json)


@contact.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_contacts(*, partner_code: str, as_json: bool) -> None:
    """List the contacts of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        found = contacts.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    tell_all(found, ("contact_id", "role", "name", "email", "phone", "ended_at"), as_json=as_json)


show_command(contact, prefix=ids.CONTACT, get=contacts.get)


def _correct_contact(session: Session, shown_id: str, changes: Any) -> Any:
    return contacts.change(session, contact_id=ids.parse(ids.CONTACT, shown_id), changes=changes)


correct_command(
    contact,
    prefix=ids.CONTACT,
    options={"role": click.Choice(contacts.ROLES), "name": None, "email": None, "phone": None},
    change=_correct_contact,
    key="contact_id",
)


@click.group()
def staff() -> None:
    """People who work for a partner, or (without PARTNER_CODE) for the coalition."""


@staff.command("add")
@click.argument("partner_code", required=False)
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(people.ROLES), required=True)
@noted
@json_option
@one_line_errors
def add_staff(*, partner_code: str | None, email: str, name: str, role: str, decision: Decision, as_json: bool) -> None:
    """Add somebody to the staff of PARTNER_CODE, or to the coalition's."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code) if partner_code else None
        made = people.add(session, partner_id=whose, email=email, name=name, role=role, now=clock.now())
        write_down_of(at, session, "staff.added", made, "staff_id", role=role, **decision.facts)
    tell(made, f"{made.name} is {made.role} of {partner_code or 'the coalition'}", as_json=as_json)


@staff.command("end")
@click.argument("staff_id")
@noted
@json_option
@one_line_errors
def end_staff(*, staff_id: str, decision: Decision, as_json: bool) -> None:
    """Let STAFF_ID (stf_…) go."""
    with desk() as at, at.database.transaction() as session:
        made = people.end(session, staff_id=ids.parse(ids.STAFF, staff_id), now=clock.now())
        write_down(at, session, "staff.ended", staff_id, **decision.facts)
    tell(made, f"{made.name} works here no longer", as_json=as_json)


@staff.command("list")
@click.argument("partner_code", required=False)
@json_option
@one_line_errors
def list_staff(*, partner_code: str | None, as_json: bool) -> None:
    """List the staff of PARTNER_CODE, or the coalition's."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code) if partner_code else None
        found = people.page(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    tell_all(found, ("staff_id", "role", "name", "email", "ended_at"), as_json=as_json)


show_command(staff, prefix=ids.STAFF, get=people.get)


def _correct_staff(session: Session, shown_id: str, changes: dict[str, Any]) -> Any:
    return people.change(session, staff_id=ids.parse(ids.STAFF, shown_id), **changes)


correct_command(
    staff,
    prefix=ids.STAFF,
    options={"role": click.Choice(people.ROLES), "name": None},
    change=_correct_staff,
    key="staff_id",
)
