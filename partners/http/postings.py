"""What all routes that move points share: the key, the member, the commit, the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Response, jsonify

from coalition import ledger, members
from kit import clock
from kit.db import Session
from kit.errors import Forbidden
from kit.http import idempotency
from kit.http.requests import note
from kit.http.services import services
from partners.http.auth import principal
from partners.http.schemas import TransactionSchema

_RESPONSE = TransactionSchema()


class RoleMissing(Forbidden):
    """The partner doesn't issue points (and asked to), or doesn't redeem them (and asked to)."""

    code = "role_missing"
    title = "Partner lacks the role"


def member_of(session: Session, body: dict[str, Any]) -> UUID:
    """The member a posting names, by id or by card; raises MalformedCard, MemberNotFound."""
    if "member_id" in body:
        member_id: UUID = body["member_id"]
        return member_id
    return members.by_card(session, card=body["card"], keyring=services().keyring).member_id


def require_role(*, has_it: bool, role: str) -> None:
    """Raise RoleMissing unless the partner has the role."""
    if not has_it:
        raise RoleMissing(f"your partner account is not a{'n' if role == 'issuer' else ''} {role}", role=role)


def post(verb: Callable[[Session, ledger.Request], ledger.Outcome]) -> Response:
    """Run `verb`, one call of the ledger, under the request's key, and answer with what came of it.

    The refusal is raised after the commit, since it is stored like any outcome.
    """
    request = ledger.Request(
        partner_id=principal().partner_id,
        key=idempotency.key(),
        request_hash=idempotency.request_hash(),
        now=clock.now(),
    )
    with services().posting() as session:
        outcome = verb(session, request)
    transaction = outcome.unwrap()
    note(transaction_id=transaction.transaction_id)
    response = jsonify(_RESPONSE.dump(transaction))
    response.status_code = 201
    if outcome.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return response


def measure(body: dict[str, Any]) -> dict[str, Any]:
    """The points, or the amount and currency, of a request."""
    amount = body.get("amount")
    return {
        "points": body.get("points"),
        "amount_minor": amount and amount["minor"],
        "currency": amount and amount["currency"],
    }
