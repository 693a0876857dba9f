"""What all routes that move points share: the key, the member, the commit, the answer."""

from __future__ import annotations

from typing import Any

import flask
from flask import Response, jsonify

from api import lookups, sandbox_faults
from api.auth import principal
from api.commands import OPERATIONS, Operation, PartnerLeaving, PartnerSuspended, RoleMissing
from api.schemas import show_return, show_transaction
from coalition import ledger, members, pins, refusals
from coalition.ledger import Outcome, Request
from identity import member_lookup, step_up
from kit import clock, ids
from kit.http import idempotency
from kit.http.requests import DRY_RUN, note, read_json
from kit.http.services import services

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
    refusals.LocationRefused,
    sandbox_faults.UnknownFault,
)
ENDING = (*COUNTERING, refusals.HoldNotFound, refusals.HoldFinished, refusals.HoldLapsed)
POSTING = (*COUNTERING, *member_lookup.UNFOUND)
SPENDING = (*POSTING, refusals.InsufficientPoints, refusals.StepUpRequired, refusals.ClaimRequired, pins.WrongPin)


def post(kind: str, body: dict[str, Any], target: str | None = None) -> Response:
    """Post one `kind` of OPERATIONS under the request's key and answer with what came of it.

    `target` is the id in the path, where the kind has one. A refusal is raised after the commit, since it is stored
    like any outcome; a sandbox's can also be forced by the reference. Raises RoleMissing, PartnerSuspended,
    PartnerLeaving, ExposureExceeded, InsufficientScope, MalformedId, UnknownFault, what `member_lookup` and `step_up`
    raise, and the ledger's refusals.
    """
    operation = OPERATIONS[kind]
    operation.check_scopes(principal(), body)
    request = _asked_by(operation)
    fault = sandbox_faults.plan(body["reference"], request)
    with lookups.naming(body):
        outcome = _post(operation, request, body, target)
        if outcome.replayed:  # said of a refusal too
            flask.after_this_request(_replayed)
        transaction = outcome.unwrap()
    note(transaction_id=transaction.transaction_id)
    return sandbox_faults.apply(fault, _created(outcome))


def _asked_by(operation: Operation) -> Request:
    now = principal().time(clock.now())
    operation.check_partner(principal(), now=now)
    return ledger.Request(
        partner_id=principal().partner_id,
        key=idempotency.key(),
        request_hash=idempotency.request_hash(step_up.without_proofs(read_json(flask.request))),
        now=now,
    )


def _replayed(response: Response) -> Response:
    response.headers["Idempotent-Replay"] = "true"
    return response


def _created(outcome: Outcome) -> Response:
    response = jsonify(show_return(outcome) if outcome.reversals else show_transaction(outcome.unwrap()))
    response.status_code = 201
    return response


def _post(operation: Operation, request: Request, body: dict[str, Any], target: str | None) -> Outcome:
    svc = services()
    # A partner's own ids of members are its rows, so they are looked for in a transaction of the partner's.
    with svc.writing() if "external_id" in body else svc.posting() as session:
        if operation.target:
            name, prefix = operation.target
            body = {**body, name: ids.parse(prefix, target or "")}
        if targets := operation.targets(body):
            command = operation.command_of(principal(), body, targets[0])
            return step_up.post_unproved(session, request, command)
        member_id = member_lookup.find(session, body, partner_id=request.partner_id, keyring=svc.keyring)
        command = operation.command_of(principal(), body, member_id)
        proof = step_up.shown(session, request, command, body, now=clock.now())
        if proof is None:
            return step_up.post_unproved(session, request, command)
    step = step_up.check(svc.view, proof, request, command, svc.keyring)
    with svc.writing() as session:
        return step_up.post(session, proof, step, request, command)
