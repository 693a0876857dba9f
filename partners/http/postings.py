"""What all routes that move points share: the key, the member, the commit, the answer."""

from __future__ import annotations

from typing import Any

import flask
from flask import Response, jsonify

from coalition import ledger, members, pins, refusals
from coalition.ledger import Outcome, Request
from kit import clock, ids
from kit.http import idempotency
from kit.http.requests import DRY_RUN, note, read_json
from kit.http.services import services
from partners import magic, step_up, whom
from partners.http import lookups, magic_references
from partners.http.auth import principal
from partners.http.commands import OPERATIONS, Operation, PartnerLeaving, PartnerSuspended, RoleMissing
from partners.http.schemas import show_transaction

PARAMETERS = [idempotency.PARAMETER, DRY_RUN]
# What postings can meet: all of them; what ends a hold; what names its member; what spends its points.
COUNTERING = (
    RoleMissing,
    PartnerSuspended,
    PartnerLeaving,
    refusals.MemberBlocked,
    members.MemberMerged,
    refusals.ReferenceReused,
    refusals.ReferenceOfAnotherMember,
    refusals.IdempotencyKeyReused,
    refusals.ConcurrentRequest,
    refusals.EffectiveInFuture,
    refusals.EffectiveTooOld,
    magic.UnknownMagic,
)
ENDING = (*COUNTERING, refusals.HoldNotFound, refusals.HoldFinished, refusals.HoldLapsed)
POSTING = (*COUNTERING, *whom.UNFOUND)
SPENDING = (*POSTING, refusals.InsufficientPoints, refusals.StepUpRequired, refusals.ClaimRequired, pins.WrongPin)


def post(kind: str, body: dict[str, Any], target: str | None = None) -> Response:
    """Post one `kind` of OPERATIONS under the request's key and answer with what came of it.

    `target` is the id in the path, where the kind has one. A refusal is raised after the commit, since it is stored
    like any outcome; a sandbox's can also be forced by the reference. Raises RoleMissing, PartnerSuspended,
    PartnerLeaving, MalformedId, UnknownMagic, what `whom` and `step_up` raise, and the ledger's refusals.
    """
    operation = OPERATIONS[kind]
    request = asked_by(operation)
    fault = magic_references.foretell(body["reference"], request)
    with lookups.naming(body):
        outcome = _post(operation, request, body, target)
        mark(replayed=outcome.replayed)
        transaction = outcome.unwrap()
    note(transaction_id=transaction.transaction_id)
    return magic_references.play(fault, created(show_transaction(transaction)))


def asked_by(operation: Operation) -> Request:
    """The ledger's request behind this one, of a partner that may ask it.

    Raises RoleMissing, PartnerSuspended, PartnerLeaving, IdempotencyKeyMissing.
    """
    now = principal().time(clock.now())
    operation.check_partner(principal(), now=now)
    return ledger.Request(
        partner_id=principal().partner_id,
        key=idempotency.key(),
        request_hash=idempotency.request_hash(step_up.without_proofs(read_json(flask.request))),
        now=now,
    )


def mark(*, replayed: bool) -> None:
    """Say on the answer, a refusal too, that it was given before."""
    if replayed:
        flask.after_this_request(_replayed)


def _replayed(response: Response) -> Response:
    response.headers["Idempotent-Replay"] = "true"
    return response


def created(shown: dict[str, Any]) -> Response:
    """The answer to a posting that was made."""
    response = jsonify(shown)
    response.status_code = 201
    return response


def _post(operation: Operation, request: Request, body: dict[str, Any], target: str | None) -> Outcome:
    parts = services()
    # A partner's own ids of members are its rows, so they are looked for in a transaction of the partner's.
    with parts.writing() if "external_id" in body else parts.posting() as session:
        if operation.target:
            command = operation.command_of(principal(), body, ids.parse(operation.target[1], target or ""))
            return step_up.post_unproved(session, request, command)
        member_id = whom.find(session, body, partner_id=request.partner_id, keyring=parts.keyring)
        command = operation.command_of(principal(), body, member_id)
        proof = step_up.shown(session, request, command, body, now=clock.now())
        if proof is None:
            return step_up.post_unproved(session, request, command)
    step = step_up.check(parts.view, proof, request, command, parts.keyring)
    with parts.writing() as session:
        return step_up.post(session, proof, step, request, command)
