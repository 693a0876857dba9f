"""What all routes that move points share: the key, the member, the commit, the answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from coalition import ledger, members
from kit import clock, ids
from kit.db import Session
from kit.http import idempotency
from kit.http.requests import DRY_RUN, note
from kit.http.services import services
from partners.http.auth import principal
from partners.http.commands import OPERATIONS
from partners.http.schemas import show_transaction

PARAMETERS = [idempotency.PARAMETER, DRY_RUN]


def member_of(session: Session, body: dict[str, Any]) -> UUID:
    """The member a posting names, by id or by card; raises MalformedCard, MemberNotFound."""
    if "member_id" in body:
        member_id: UUID = body["member_id"]
        return member_id
    return members.by_card(session, card=body["card"], keyring=services().keyring).member_id


def post(kind: str, body: dict[str, Any], target: str | None = None) -> Response:
    """Post one `kind` of OPERATIONS under the request's key and answer with what came of it.

    `target` is the id in the path, where the kind has one. A refusal is raised after the commit, since it is stored
    like any outcome. Raises RoleMissing, MalformedId, and the ledger's refusals.
    """
    operation = OPERATIONS[kind]
    operation.check_role(principal())
    request = ledger.Request(
        partner_id=principal().partner_id,
        key=idempotency.key(),
        request_hash=idempotency.request_hash(),
        now=clock.now(),
    )
    with services().posting() as session:
        whom = ids.parse(operation.target[1], target or "") if operation.target else member_of(session, body)
        outcome = ledger.post(session, request, operation.command(body, whom))
    transaction = outcome.unwrap()
    note(transaction_id=transaction.transaction_id)
    response = jsonify(show_transaction(transaction))
    response.status_code = 201
    if outcome.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return response
