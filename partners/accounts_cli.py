"""`coalition partner …`: a partner's account and its life, for the operator."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from kit import clock, ids
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts, lifecycle, signatures
from partners.accounts import LegalEntity, Partner
from partners.audit_cli import write_down_of
from partners.lifecycle import Leaving, Step
from partners.parts_cli import brand, category, presence
from partners.people_cli import contact, staff
from partners.places_cli import location, till

MOST_STEPS = 1_000
DAY = click.DateTime(["%Y-%m-%d"])
INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])
reason_option = click.option("--reason", required=True, help="Why; the partner is told.")
by_option = click.option("--by", "made_by", required=True, help="Who decides it.")


@click.group()
def partner() -> None:
    """The brands of the coalition."""


for part in (brand, category, presence, location, till, contact, staff):
    partner.add_command(part)


@partner.command("list")
@json_option
@one_line_errors
def list_partners(*, as_json: bool) -> None:
    """List the partners."""
    with desk() as at, at.database.transaction() as session:
        found = accounts.everybody(session)
    text = "\n".join(f"{p.code:<20} {p.status:<10} {p.name}" for p in found) or "no partners yet"
    answer({"data": [shown(p) for p in found]}, text, as_json=as_json)


@partner.command("show")
@click.argument("code")
@json_option
@one_line_errors
def show(*, code: str, as_json: bool) -> None:
    """Show the partner CODE, what it still lacks to be active, and its history."""
    with desk() as at, at.database.transaction() as session:
        found = accounts.by_code(session, code)
        lacks = lifecycle.missing(session, partner_id=found.partner_id, now=clock.now())
        steps = accounts.history(session, partner_id=found.partner_id, after=UUID(int=0), limit=MOST_STEPS)
    data = {
        **shown(found),
        "missing": lacks if found.status == "onboarding" else [],
        "history": [ids.show_fields(vars(step)) for step in steps],
    }
    lines = [f"{name:<16} {value}" for name, value in data.items() if name != "history" and value not in (None, [])]
    lines += [f"{s.at:%Y-%m-%d %H:%M}  {s.from_status or '-'} → {s.to_status}: {s.reason} ({s.made_by})" for s in steps]
    answer(data, "\n".join(lines), as_json=as_json)


@partner.command("update")
@click.argument("code")
@click.option("--name")
@click.option("--issuer/--no-issuer", "is_issuer", default=None)
@click.option("--redeemer/--no-redeemer", "is_redeemer", default=None)
@click.option("--legal-name", help="With --registration-no and --country: who it is in law.")
@click.option("--registration-no")
@click.option("--country", help="ISO 3166-1, such as GB.")
@json_option
@one_line_errors
def update(
    *,
    code: str,
    name: str | None,
    is_issuer: bool | None,
    is_redeemer: bool | None,
    legal_name: str | None,
    registration_no: str | None,
    country: str | None,
    as_json: bool,
) -> None:
    """Change the partner CODE; what is left out stays."""
    entity = None
    if legal_name and registration_no and country:
        entity = LegalEntity(legal_name, registration_no, country)
    elif legal_name or registration_no or country:
        raise click.UsageError("a legal entity has a --legal-name, a --registration-no and a --country")
    with desk() as at, at.database.transaction() as session:
        changed = accounts.change(
            session,
            partner_id=accounts.by_code(session, code).partner_id,
            name=name,
            is_issuer=is_issuer,
            is_redeemer=is_redeemer,
            legal_entity=entity,
        )
        write_down_of(at, session, "partner.changed", changed, "partner_id")
    answer(shown(changed), f"{changed.name} is changed", as_json=as_json)


@partner.command("sign")
@click.argument("code")
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--partner-signatory", required=True, help="Who signed for the partner.")
@click.option("--coalition-signatory", required=True, help="Who signed for the coalition.")
@click.option("--on", "signed_on", type=DAY, required=True, help="The day it was signed.")
@json_option
@one_line_errors
def sign(
    *,
    code: str,
    document: Path,
    partner_signatory: str,
    coalition_signatory: str,
    signed_on: datetime,
    as_json: bool,
) -> None:
    """Record that CODE's agreement was signed: the file DOCUMENT, of which the name and the SHA-256 are kept."""
    with desk() as at, at.database.transaction() as session:
        made = signatures.record(
            session,
            partner_id=accounts.by_code(session, code).partner_id,
            document=document.name,
            document_hash=sha256(document.read_bytes()).digest(),
            partner_signatory=partner_signatory,
            coalition_signatory=coalition_signatory,
            signed_on=signed_on.date(),
            now=clock.now(),
        )
        write_down_of(at, session, "agreement.signed", made, "signature_id", document_hash=made.document_hash.hex())
    answer(
        ids.show_fields({**vars(made), "document_hash": made.document_hash.hex()}),
        f"{made.document} ({made.document_hash.hex()}) was signed on {made.signed_on}",
        as_json=as_json,
    )


@partner.command("activate")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def activate(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    """End the onboarding of CODE; refused, naming what is missing, until its papers are in order."""
    _step(lifecycle.activate, "partner.activated", code, Step(reason, made_by, clock.now()), as_json=as_json)


@partner.command("suspend")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def suspend(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    """Stop earning and spending at CODE within a second; reads, returns and the end of holds go on."""
    _step(lifecycle.suspend, "partner.suspended", code, Step(reason, made_by, clock.now()), as_json=as_json)


@partner.command("resume")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def resume(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    """Make CODE active again after it was suspended or began to leave."""
    _step(lifecycle.resume, "partner.resumed", code, Step(reason, made_by, clock.now()), as_json=as_json)


@partner.command("abandon")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def abandon(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    """End the onboarding of CODE, which comes to nothing."""
    _step(lifecycle.abandon, "partner.abandoned", code, Step(reason, made_by, clock.now()), as_json=as_json)


@partner.command("leave")
@click.argument("code")
@click.option("--earns-until", type=INSTANT, required=True, help="With offset, such as 2026-09-01T00:00+01:00.")
@click.option("--burns-until", type=INSTANT, required=True)
@click.option("--leaves-at", type=INSTANT, required=True, help="When its tokens end; until then it takes goods back.")
@reason_option
@by_option
@json_option
@one_line_errors
def leave(
    *,
    code: str,
    earns_until: datetime,
    burns_until: datetime,
    leaves_at: datetime,
    reason: str,
    made_by: str,
    as_json: bool,
) -> None:
    """Let CODE leave: no earns from one time, no burns from the next, no access from the last."""
    verb = partial(lifecycle.leave, times=Leaving(earns_until, burns_until, leaves_at))
    _step(verb, "partner.leaving", code, Step(reason, made_by, clock.now()), as_json=as_json)


def _step(verb: Any, action: str, code: str, step: Step, *, as_json: bool) -> None:
    with desk() as at, at.database.transaction() as session:
        done = verb(session, partner_id=accounts.by_code(session, code).partner_id, step=step)
        write_down_of(at, session, action, done, "partner_id", status=done.status)
    answer(shown(done), f"{done.name} is {done.status}", as_json=as_json)


def shown(found: Partner) -> dict[str, Any]:
    """A partner as data for a program."""
    return ids.show_fields({field.name: getattr(found, field.name) for field in fields(found)})
