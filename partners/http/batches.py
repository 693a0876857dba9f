"""POST /v1/batches: up to a thousand postings in one request, each answered by itself."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response, jsonify

from kit import clock
from kit.http import idempotency
from kit.http.api import Blueprint
from kit.http.requests import accepts_up_to
from kit.http.services import services
from partners import batches
from partners.batches import MOST_ITEMS, Batch
from partners.http.auth import principal, requires
from partners.http.postings import PARAMETERS
from partners.http.schemas import TransactionSchema

batches_api = Blueprint("batches", __name__, url_prefix="/v1/batches", description="Many postings at once")
LARGEST_BATCH_BYTES = 2 * 1024 * 1024


class BatchSchema(ma.Schema):
    """Postings of any kinds; each item is checked and answered by itself."""

    items = ma.fields.List(
        ma.fields.Raw(
            allow_none=True,
            metadata={"type": "object", "description": "`kind`, and the fields of that kind's own route"},
        ),
        required=True,
        validate=ma.validate.Length(1, MOST_ITEMS),
    )


class ItemAnswerSchema(ma.Schema):
    """What came of one item: its transaction, or the problem it met."""

    item = ma.fields.Integer(metadata={"description": "its place in the batch, from 1"})
    status = ma.fields.Integer(metadata={"description": "as its own route would have answered"})
    replayed = ma.fields.Boolean(metadata={"description": "posted before; nothing was posted now"})
    transaction = ma.fields.Nested(TransactionSchema)
    problem = ma.fields.Dict(metadata={"description": "RFC 9457 problem details"})


class BatchAnswerSchema(ma.Schema):
    """What came of a batch."""

    posted = ma.fields.Integer()
    replayed = ma.fields.Integer()
    refused = ma.fields.Integer()
    data = ma.fields.List(ma.fields.Nested(ItemAnswerSchema))


@batches_api.post("")
@requires(batches_api, "batches:write")
@batches_api.doc(parameters=PARAMETERS)
@accepts_up_to(LARGEST_BATCH_BYTES)
@batches_api.arguments(BatchSchema())
@batches_api.response(200, BatchAnswerSchema)
def post_batch(body: dict[str, Any]) -> Response:
    """Post up to 1,000 items; one that is refused, malformed or beyond your scopes leaves the others alone.

    Sent again under the same key, every item gets the answer it had.
    """
    parts = services()
    batch = Batch(principal(), idempotency.key(), clock.now(), parts.keyring)
    answers = batches.post(parts.writing, batch, list(enumerate(body["items"], start=1)))
    return jsonify({**dict(batches.count(answers)), "data": answers})
