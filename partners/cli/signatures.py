"""`coalition partner signature …`: the agreements that were signed, for the operator; `partner sign` records them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from kit import ids
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners import signatures
from partners.cli.records import FIRST, MOST_LISTED, owner, report_all, show_command
from partners.signatures import Signature


@click.group(help="Signed agreements. To correct one, record another.")
def signature() -> None:
    pass


@signature.command("list", help="List what PARTNER_CODE signed, oldest first.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_signatures(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = signatures.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    columns = ("signature_id", "signed_on", "document", "partner_signatory", "coalition_signatory")
    report_all([as_data(one) for one in found], columns, as_json=as_json)


def as_data(found: Signature) -> dict[str, Any]:
    """A signature as data for a program."""
    return {**vars(found), "document_hash": found.document_hash.hex()}


def _get(session: Session, signature_id: UUID) -> dict[str, Any]:
    return as_data(signatures.get(session, signature_id))


show_command(signature, prefix=ids.SIGNATURE, get=_get)
