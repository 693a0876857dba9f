"""/v1/disputes: lines of your statements that you or the other party dispute, and what comes of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import validate

from api.admission import act
from api.auth import principal, requires
from api.settled import LAST_ID, PARTY
from kit import ids
from kit.http import idempotency, paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id, WholeNumber
from kit.http.paging import Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from kit.texts import MalformedText
from settlement import dispute_records, disputes, drill_down, statements
from settlement.dispute_records import STATUSES, Dispute
from settlement.disputes import LONGEST_COMMENT, OUTCOMES, Request
from settlement.kinds import KINDS
from settlement.statements import Party

disputes_api = Blueprint(
    "disputes", __name__, url_prefix="/v1/disputes", description="Disputed lines of your statements"
)
MOST_LINES = 2**31 - 1


class NewDisputeSchema(ma.Schema):
    schema_description = "Which line you dispute, and why."

    obligation_id = Id(ids.OBLIGATION, required=True)
    line = WholeNumber(
        least=1, most=MOST_LINES, load_default=None,
        metadata={"description": "The line's `n`. Leave it out if the obligation has no lines.", "example": 1},
    )  # fmt: skip
    reason = ma.fields.String(
        required=True, validate=validate.Length(1, LONGEST_COMMENT),
        metadata={"description": "The other party reads it, too.", "example": "The purchase was paid in cash."},
    )  # fmt: skip


class AnswerSchema(ma.Schema):
    schema_description = "What you say to a dispute of the other party's."

    comment = ma.fields.String(
        required=True, validate=validate.Length(1, LONGEST_COMMENT),
        metadata={"description": "The other party reads it, too.", "example": "Our journal has the burn at 10:31."},
    )  # fmt: skip


class DisputeSchema(ma.Schema):
    schema_description = "A disputed line: what `payer` owed `payee` for it, and what comes of it."

    dispute_id = Id(ids.DISPUTE)
    status = ma.fields.String(metadata={"enum": list(STATUSES), "example": "open"})
    obligation_id = Id(ids.OBLIGATION)
    line = ma.fields.Integer(allow_none=True)
    settled_on = ma.fields.Date(metadata={"description": "The business day that the line belongs to"})
    kind = ma.fields.String(metadata={"enum": list(KINDS), "example": "redemption"})
    transaction_id = Id(ids.TRANSACTION, allow_none=True)
    reference = ma.fields.String(allow_none=True, metadata={"description": "The receipt"})
    payer = ma.fields.String(metadata=PARTY)
    payee = ma.fields.String(metadata=PARTY)
    currency = ma.fields.String()
    amount_minor = ma.fields.Integer(metadata={"description": "What the line comes to"})
    raised_by = ma.fields.String(metadata=PARTY)
    reason = ma.fields.String()
    raised_at = ma.fields.AwareDateTime()
    day = ma.fields.Date(metadata={"description": "The business day with which the line leaves the net"})
    comment = ma.fields.String(allow_none=True, metadata={"description": "The other party's answer"})
    answered_at = ma.fields.AwareDateTime(allow_none=True)
    outcome = ma.fields.String(
        allow_none=True,
        metadata={
            "enum": [*OUTCOMES, None],
            "description": "`upheld`: the line is not owed. `rejected`: it is. `part`: a part of it is.",
        },
    )
    back_minor = ma.fields.Integer(allow_none=True, metadata={"description": "What of the line is owed after all"})
    resolved_on = ma.fields.Date(
        allow_none=True, metadata={"description": "The business day with which that comes back into the net"}
    )
    resolution = ma.fields.String(allow_none=True, metadata={"description": "Why it was decided so"})
    resolved_at = ma.fields.AwareDateTime(allow_none=True)


class DisputePageSchema(ma.Schema):
    schema_description = "A page of disputes."

    data = ma.fields.List(ma.fields.Nested(DisputeSchema))
    next_cursor = ma.fields.String(allow_none=True)


@disputes_api.post("")
@disputes_api.doc(
    summary="Dispute a line that you owe or are owed. It leaves the net until the coalition decides.",
    description="The same request with the same key gets the same dispute again.",
    parameters=[idempotency.PARAMETER, DRY_RUN],
)
@requires(disputes_api, "settlement:write")
@fails_with(
    drill_down.ObligationNotFound, disputes.LineNotFound, disputes.NotDisputable, disputes.LineDisputed,
    disputes.DisputeTooLate, disputes.DisputeKeyReused, MalformedText,
)  # fmt: skip
@disputes_api.arguments(NewDisputeSchema())
@disputes_api.response(201, DisputeSchema)
def create(body: dict[str, Any]) -> dict[str, Any]:
    asked = Request(idempotency.key(), idempotency.request_hash())
    # As the service: the other party is concerned as much. The verb refuses what is neither's.
    with services().operating() as session:
        made = disputes.add(
            session, act(reason=body["reason"]), party_id=principal().partner_id, obligation_id=body["obligation_id"],
            line=body["line"], request=asked,
        )  # fmt: skip
        return _shown(made, statements.parties(session))


@disputes_api.get("")
@disputes_api.doc(summary="List your disputes and those of others with you, newest first.")
@requires(disputes_api, "settlement:read")
@fails_with(paging.InvalidCursor)
@disputes_api.arguments(PageQuery(), location="query")
@disputes_api.response(200, DisputePageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    bound_to = ["disputes", principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=LAST_ID.int)
    with svc.reading_public() as session:
        parties = statements.parties(session)
    with svc.reading() as session:
        found = dispute_records.newest(
            session, before=UUID(int=before), limit=query["limit"] + 1, party_id=principal().partner_id
        )
    page = found[: query["limit"]]
    more = len(found) > len(page)
    cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].dispute_id.int) if more else None
    return Page([_shown(one, parties) for one in page], cursor)


@disputes_api.get("/<dispute_id>")
@disputes_api.doc(summary="Get a dispute: the line, what was said to it, and what came of it.")
@requires(disputes_api, "settlement:read")
@fails_with(dispute_records.DisputeNotFound)
@disputes_api.response(200, DisputeSchema)
def get(dispute_id: str) -> dict[str, Any]:
    svc = services()
    wanted = ids.parse(ids.DISPUTE, dispute_id)
    with svc.reading_public() as session:
        parties = statements.parties(session)
    with svc.reading() as session:
        return _shown(dispute_records.get(session, wanted, party_id=principal().partner_id), parties)


@disputes_api.post("/<dispute_id>/answer")
@disputes_api.doc(
    summary="Answer a dispute of the other party's, once. The same comment again gets the same answer.",
    parameters=[DRY_RUN],
)
@requires(disputes_api, "settlement:write")
@fails_with(
    dispute_records.DisputeNotFound, disputes.OwnDispute, disputes.DisputeAnswered, disputes.DisputeResolved,
    MalformedText,
)  # fmt: skip
@disputes_api.arguments(AnswerSchema())
@disputes_api.response(200, DisputeSchema)
def answer(body: dict[str, Any], dispute_id: str) -> dict[str, Any]:
    with services().operating() as session:
        made = disputes.answer(
            session, act(), dispute_id=ids.parse(ids.DISPUTE, dispute_id), party_id=principal().partner_id,
            comment=body["comment"],
        )  # fmt: skip
        return _shown(made, statements.parties(session))


def _shown(found: Dispute, parties: dict[UUID, Party]) -> dict[str, Any]:
    return {
        **vars(found),
        "status": found.status,
        "payer": parties[found.payer_id].code,
        "payee": parties[found.payee_id].code,
        "raised_by": parties[found.raised_by_id].code,
    }
