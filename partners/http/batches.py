"""/v1/batches: up to a thousand postings in one request, or a file of up to a million, each answered by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify, request

from kit import clock, ids
from kit.http import idempotency
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import OPTIONAL, Id
from kit.http.problems import UnsupportedMediaType
from kit.http.requests import accepts_up_to
from kit.http.services import services
from partners import batch_files, batches
from partners.batches import MOST_ITEMS, Batch
from partners.http import lookups
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
    transaction = ma.fields.Nested(TransactionSchema, metadata={OPTIONAL: True})
    problem = ma.fields.Dict(metadata={"description": "RFC 9457 problem details", OPTIONAL: True})


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
    lookups.begin_batch(body["items"])
    answers = batches.post(parts.writing, batch, list(enumerate(body["items"], start=1)))
    lookups.end_batch(body["items"], answers)
    return jsonify({**dict(batches.count(answers)), "data": answers})


LARGEST_FILE_BYTES = 256 * 1024 * 1024
PARTS_PER_READ = 20
_FORMATS = {"text/csv": "csv", "application/jsonl": "jsonl", "application/x-ndjson": "jsonl"}


_CSV_SCHEMA = {
    "type": "string",
    "format": "binary",
    "description": f"A header and lines (RFC 4180, UTF-8). Columns: {', '.join(batch_files.COLUMNS)}",
}
_LINES_SCHEMA = {"type": "string", "format": "binary", "description": "One JSON document a line (JSON Lines, UTF-8)"}
_EXAMPLES = {
    "csv": "kind,card,reference,points\r\nearn,7001000000178503,R-2001,10\r\n",
    "jsonl": '{"kind": "earn", "card": "7001000000178503", "points": 10, "reference": "R-2001"}\n',
}
_BODY = {
    "required": True,
    "description": "The postings, as the media type says.",
    "content": {
        media: {"schema": _CSV_SCHEMA if kind == "csv" else _LINES_SCHEMA, "example": _EXAMPLES[kind]}
        for media, kind in _FORMATS.items()
    },
}
_ANSWERS = {
    "description": "One answer a line, in the order of the file's lines",
    "content": {
        "application/jsonl": {
            "schema": _LINES_SCHEMA,
            "example": '{"line": 1, "status": 409, "problem": {"code": "insufficient_points"}}\n',
        }
    },
}


class BatchFileSchema(ma.Schema):
    """A file and how far it is."""

    batch_id = Id(ids.BATCH)
    status = ma.fields.String(validate=ma.validate.OneOf(["waiting", "running", "finished", "cancelled"]))
    lines = ma.fields.Integer()
    done = ma.fields.Integer(metadata={"description": "of the lines: posted + replayed + refused"})
    posted = ma.fields.Integer()
    replayed = ma.fields.Integer()
    refused = ma.fields.Integer()
    created_at = ma.fields.AwareDateTime()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    cancelled_because = ma.fields.String(
        allow_none=True, validate=ma.validate.OneOf(["partner", "operator", "client_revoked"])
    )
    paused_until = ma.fields.AwareDateTime(
        allow_none=True, metadata={"description": "set aside after a fault of ours; it goes on by itself"}
    )


@batches_api.post("/files")
@requires(batches_api, "batches:write")
@fails_with(batch_files.MalformedFile, batch_files.FileKeyReused, batch_files.TooManyFiles)
@batches_api.doc(
    parameters=[idempotency.PARAMETER],
    requestBody=_BODY,
)
@accepts_up_to(LARGEST_FILE_BYTES)
@batches_api.response(202, BatchFileSchema)
def store_file() -> tuple[batch_files.BatchFile, int, dict[str, str]]:
    """Hand in a file of up to 1,000,000 postings as JSON Lines or CSV; a job posts them and you ask how far it is.

    A line of JSON Lines is an item as in a batch. A CSV begins with the names of its columns: kind, member_id, card,
    phone, email, external_id, hold_id, transaction_id, reference, points, amount_minor, currency, effective_at,
    vests_at, expires_at. Sent again under the same key, the same file is not posted again; under another key,
    every line is answered by its reference. Partners take turns; a file ends with the client that handed it in.
    """
    format_ = _FORMATS.get(request.mimetype)
    if format_ is None:
        raise UnsupportedMediaType(f"the body has to be one of {', '.join(_FORMATS)}")
    key = idempotency.key()
    with services().writing() as session:
        stored, known = batch_files.store(
            session, principal=principal(), key=key, format_=format_, stream=request.stream, now=clock.now()
        )
    return stored, 202, {"Idempotent-Replay": "true"} if known else {}


@batches_api.get("/<batch_id>")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound)
@batches_api.response(200, BatchFileSchema)
def get(batch_id: str) -> batch_files.BatchFile:
    """How far one of your files is."""
    with services().reading() as session:
        return batch_files.get(session, batch_id=ids.parse(ids.BATCH, batch_id), partner_id=principal().partner_id)


@batches_api.post("/<batch_id>/cancel")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound, batch_files.BatchFinished)
@batches_api.response(200, BatchFileSchema)
def cancel(batch_id: str) -> batch_files.BatchFile:
    """Stop a file; what is posted stays posted."""
    with services().writing() as session:
        return batch_files.cancel(
            session, batch_id=ids.parse(ids.BATCH, batch_id), partner_id=principal().partner_id, now=clock.now()
        )


@batches_api.get("/<batch_id>/results")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound)
@batches_api.doc(responses={"200": _ANSWERS})
def results(batch_id: str) -> Response:
    """The answers so far as JSON Lines, one for each line of the file, as a batch gives them."""
    wanted = ids.parse(ids.BATCH, batch_id)
    with services().reading() as session:
        batch_files.get(session, batch_id=wanted, partner_id=principal().partner_id)
    return Response(_answers(wanted), mimetype="application/jsonl")


def _answers(batch_id: UUID) -> Iterator[str]:
    database = services().view

    def read() -> Iterator[str]:
        after = 0
        while True:
            with database.transaction() as session:
                found = batch_files.answers(session, batch_id=batch_id, after_line=after, limit=PARTS_PER_READ)
            if not found:
                return
            for after, lines in found:  # noqa: B007 -- the last one is where the next read begins
                yield lines

    return read()
