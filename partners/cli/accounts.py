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
from partners.cli.award_permissions import award_permission
from partners.cli.parts import brand, category, placement
from partners.cli.people import contact, staff
from partners.cli.places import location, till
from partners.cli.records import Decision, decided, noted, report
from partners.cli.signatures import as_data, signature
from partners.lifecycle import Leaving

MOST_STEPS = 1_000
DAY = click.DateTime(["%Y-%m-%d"])
INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])
reason_option = click.option("--reason", required=True, help="The reason. The partner sees it.")
by_option = click.option("--by", "made_by", required=True, help="Who decides this.")


@click.group(help="The partners of the coalition.")
def partner() -> None:
    pass


for part in (brand, category, placement, location, till, contact, staff, signature, award_permission):
    partner.add_command(part)


@partner.command("list", help="List the partners.")
@json_option
@one_line_errors
def list_partners(*, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = accounts.everybody(session)
    text = "\n".join(f"{p.code:<20} {p.status:<10} {p.name}" for p in found) or "there are no partners yet"
    answer({"data": [shown(p) for p in found]}, text, as_json=as_json)


@partner.command("show", help="Show the partner CODE, what it still lacks to be active, and its history.")
@click.argument("code")
@json_option
@one_line_errors
def show(*, code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
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


@partner.command("update", help="Change the partner CODE. What you leave out stays as it is.")
@click.argument("code")
@click.option("--name")
@click.option("--issuer/--no-issuer", "is_issuer", default=None)
@click.option("--redeemer/--no-redeemer", "is_redeemer", default=None)
@click.option("--legal-name", help="The legal entity, with --registration-no and --country.")
@click.option("--registration-no")
@click.option("--country", help="ISO 3166-1, such as GB.")
@decided
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
    decision: Decision,
    as_json: bool,
) -> None:
    entity = None
    if legal_name and registration_no and country:
        entity = LegalEntity(legal_name, registration_no, country)
    elif legal_name or registration_no or country:
        raise click.UsageError("a legal entity needs a --legal-name, a --registration-no and a --country")
    given = {"name": name, "is_issuer": is_issuer, "is_redeemer": is_redeemer, "legal_entity": entity}
    changes: dict[str, Any] = {what: value for what, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("say what to change: --name, --issuer, --redeemer or --legal-name")
    with desk() as ctx, ctx.database.transaction() as session:
        whose = accounts.by_code(session, code).partner_id
        changed = accounts.change(session, decision.act(ctx), partner_id=whose, **changes)
    answer(shown(changed), f"{changed.name} is changed", as_json=as_json)


@partner.command(
    "sign",
    help="Record that both sides signed CODE's agreement, the file DOCUMENT. We keep its name and SHA-256.",
)
@click.argument("code")
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--partner-signatory", required=True, help="Who signed for the partner.")
@click.option("--coalition-signatory", required=True, help="Who signed for the coalition.")
@click.option("--on", "signed_on", type=DAY, required=True, help="The day of the signature.")
@noted
@json_option
@one_line_errors
def sign(
    *,
    code: str,
    document: Path,
    partner_signatory: str,
    coalition_signatory: str,
    signed_on: datetime,
    decision: Decision,
    as_json: bool,
) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = signatures.record(
            session,
            decision.act(ctx),
            partner_id=accounts.by_code(session, code).partner_id,
            document=document.name,
            document_hash=sha256(document.read_bytes()).digest(),
            partner_signatory=partner_signatory,
            coalition_signatory=coalition_signatory,
            signed_on=signed_on.date(),
        )
    said = f"{made.document} ({made.document_hash.hex()}) was signed on {made.signed_on}"
    report(as_data(made), said, as_json=as_json)


@partner.command("activate", help="Activate CODE. While anything is missing we refuse and name it.")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def activate(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    _step(lifecycle.activate, code, Decision(reason, made_by), as_json=as_json)


@partner.command(
    "suspend",
    help="Suspend CODE. Earns, burns and new holds stop within a second. Reads, returns and the end of holds go on.",
)
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def suspend(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    _step(lifecycle.suspend, code, Decision(reason, made_by), as_json=as_json)


@partner.command("resume", help="Make CODE active again if it is suspended or leaving.")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def resume(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    _step(lifecycle.resume, code, Decision(reason, made_by), as_json=as_json)


@partner.command("abandon", help="Abandon the onboarding of CODE.")
@click.argument("code")
@reason_option
@by_option
@json_option
@one_line_errors
def abandon(*, code: str, reason: str, made_by: str, as_json: bool) -> None:
    _step(lifecycle.abandon, code, Decision(reason, made_by), as_json=as_json)


@partner.command(
    "leave", help="Let CODE leave: earns stop at the first time, burns at the second, and access ends at the third."
)
@click.argument("code")
@click.option("--earns-until", type=INSTANT, required=True, help="With offset, such as 2026-09-01T00:00+01:00.")
@click.option("--burns-until", type=INSTANT, required=True)
@click.option("--leaves-at", type=INSTANT, required=True, help="When its tokens end. Until then it can post returns.")
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
    verb = partial(lifecycle.leave, times=Leaving(earns_until, burns_until, leaves_at))
    _step(verb, code, Decision(reason, made_by), as_json=as_json)


def _step(verb: Any, code: str, decision: Decision, *, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        done = verb(session, decision.act(ctx), partner_id=accounts.by_code(session, code).partner_id)
    answer(shown(done), f"{done.name} is {done.status}", as_json=as_json)


def shown(found: Partner) -> dict[str, Any]:
    """A partner as data for a program."""
    return ids.show_fields({field.name: getattr(found, field.name) for field in fields(found)})
