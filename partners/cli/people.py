"""`coalition partner contact | staff …`: for the operator."""

from __future__ import annotations

from typing import Any

import click

from kit import ids
from kit.audit import Act
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import contacts
from partners import staff as people
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


@click.group(help="Contacts of partners.")
def contact() -> None:
    pass


@contact.command("add", help="Add a contact for ROLE to PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("role", type=click.Choice(contacts.ROLES))
@click.option("--name", required=True)
@click.option("--email", required=True)
@click.option("--phone", help="In international form, such as +44 20 7946 0000.")
@noted
@json_option
@one_line_errors
def add_contact(
    *, partner_code: str, role: str, name: str, email: str, phone: str | None, decision: Decision, as_json: bool
) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        whose = owner(session, partner_code)
        made = contacts.add(
            session, decision.act(ctx), partner_id=whose, role=role, name=name, email=email, phone=phone
        )
    report(made, f"{made.name} is the {made.role} contact of {partner_code}", as_json=as_json)


@contact.command("end", help="End the contact CONTACT_ID (ctc_…).")
@click.argument("contact_id")
@decided
@json_option
@one_line_errors
def end_contact(*, contact_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = contacts.end(session, decision.act(ctx), contact_id=ids.parse(ids.CONTACT, contact_id))
    report(made, f"{made.name} is no longer a contact", as_json=as_json)


@contact.command("list", help="List the contacts of PARTNER_CODE.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_contacts(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = contacts.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    report_all(found, ("contact_id", "role", "name", "email", "phone", "ended_at"), as_json=as_json)


show_command(contact, prefix=ids.CONTACT, get=contacts.get)


def _correct_contact(session: Session, act: Act, shown_id: str, changes: Any) -> Any:
    return contacts.change(session, act, contact_id=ids.parse(ids.CONTACT, shown_id), changes=changes)


correct_command(
    contact,
    prefix=ids.CONTACT,
    options={"role": click.Choice(contacts.ROLES), "name": None, "email": None, "phone": None},
    may_lack=("phone",),
    change=_correct_contact,
    key="contact_id",
)


@click.group(help="People who work for a partner, or (without PARTNER_CODE) for the coalition.")
def staff() -> None:
    pass


@staff.command("add", help="Add a person to the staff of PARTNER_CODE or of the coalition.")
@click.argument("partner_code", required=False)
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(people.ROLES), required=True)
@noted
@json_option
@one_line_errors
def add_staff(*, partner_code: str | None, email: str, name: str, role: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        whose = owner(session, partner_code) if partner_code else None
        made = people.add(session, decision.act(ctx), partner_id=whose, email=email, name=name, role=role)
    report(made, f"{made.name} is {made.role} of {partner_code or 'the coalition'}", as_json=as_json)


@staff.command("end", help="Remove the person STAFF_ID (stf_…) from the staff.")
@click.argument("staff_id")
@decided
@json_option
@one_line_errors
def end_staff(*, staff_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = people.end(session, decision.act(ctx), staff_id=ids.parse(ids.STAFF, staff_id))
    report(made, f"{made.name} no longer works here", as_json=as_json)


@staff.command("list", help="List the staff of PARTNER_CODE or of the coalition.")
@click.argument("partner_code", required=False)
@json_option
@one_line_errors
def list_staff(*, partner_code: str | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code) if partner_code else None
        found = people.page(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    report_all(found, ("staff_id", "role", "name", "email", "ended_at"), as_json=as_json)


show_command(staff, prefix=ids.STAFF, get=people.get)


def _correct_staff(session: Session, act: Act, shown_id: str, changes: dict[str, Any]) -> Any:
    return people.change(session, act, staff_id=ids.parse(ids.STAFF, shown_id), **changes)


correct_command(
    staff,
    prefix=ids.STAFF,
    options={"role": click.Choice(people.ROLES), "name": None},
    change=_correct_staff,
    key="staff_id",
)
