"""/v1/batches: up to a thousand postings in one request, or a file of up to a million, each answered by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response, jsonify, request

from api import batch_files, batches, lookups
from api.admission import act
from api.auth import principal, requires
from api.batches import MOST_ITEMS, Batch
from api.commands import OPERATIONS
from api.postings import PARAMETERS
from api.schemas import ReturnShownSchema, TransactionSchema
from kit import clock, ids
from kit.db import Database
from kit.http import idempotency
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import OPTIONAL, Id
from kit.http.problems import UnsupportedMediaType
from kit.http.requests import accepts_up_to
from kit.http.services import services

batches_api = Blueprint("batches", __name__, url_prefix="/v1/batches", description="Many postings at once")
LARGEST_BATCH_BYTES = 2 * 1024 * 1024


class BatchSchema(ma.Schema):
    schema_description = "Postings of any kind. We check and answer each item on its own."

    items = ma.fields.List(
        ma.fields.Raw(
            allow_none=True,
            metadata={
                "type": "object",
                "description": f"`kind` ({', '.join(OPERATIONS)}), and the fields of that kind's own route",
            },
        ),
        required=True,
        validate=ma.validate.Length(1, MOST_ITEMS),
    )


class ItemAnswerSchema(ma.Schema):
    schema_description = "The outcome of one item: its transaction, all transactions of a return, or its problem."

    item = ma.fields.Integer(metadata={"description": "The item's place in the batch, from 1"})
    status = ma.fields.Integer(metadata={"description": "The status that the item's own route would answer with"})
    replayed = ma.fields.Boolean(
        metadata={"description": "Whether you posted the item before, so that we posted nothing now"}
    )
    transaction = ma.fields.Nested(TransactionSchema, metadata={OPTIONAL: True})
    returned = ma.fields.Nested(
        ReturnShownSchema, metadata={"description": "For a return: what its own route answers", OPTIONAL: True}
    )
    problem = ma.fields.Dict(metadata={"description": "Problem details (RFC 9457)", OPTIONAL: True})


class BatchAnswerSchema(ma.Schema):
    schema_description = "The outcome of a batch."

    posted = ma.fields.Integer()
    replayed = ma.fields.Integer()
    refused = ma.fields.Integer()
    data = ma.fields.List(ma.fields.Nested(ItemAnswerSchema))


@batches_api.post("")
@requires(batches_api, "batches:write")
@batches_api.doc(
    summary="Post up to 1,000 items. If we refuse one, the others are not affected.",
    description="If you send the batch again with the same key, every item gets the same answer as before.",
    parameters=PARAMETERS,
)
@accepts_up_to(LARGEST_BATCH_BYTES)
@batches_api.arguments(BatchSchema())
@batches_api.response(200, BatchAnswerSchema)
def post_batch(body: dict[str, Any]) -> Response:
    svc = services()
    batch = Batch(principal(), idempotency.key(), clock.now(), svc.keyring)
    lookups.begin_batch(body["items"])
    answers = batches.post(svc.writing, batch, list(enumerate(body["items"], start=1)))
    lookups.end_batch(body["items"], answers)
    return jsonify({**dict(batches.count(answers)), "data": answers})


LARGEST_FILE_BYTES = 256 * 1024 * 1024
PARTS_PER_READ = 20
_FORMATS = {"text/csv": "csv", "application/jsonl": "jsonl", "application/x-ndjson": "jsonl"}


_CSV_SCHEMA = {
    "type": "string",
    "format": "binary",
    "description": "A header and lines (UTF-8), quoted as in RFC 4180; a record is one line, so "
    f"no cell holds a line break. Columns: {', '.join(batch_files.COLUMNS)}",
}
_LINES_SCHEMA = {
    "type": "string",
    "format": "binary",
    "description": "One JSON document on each line (JSON Lines, UTF-8)",
}
_EXAMPLES = {
    "csv": "kind,card,reference,points\r\nearn,7001000000178503,R-2001,10\r\n",
    "jsonl": '{"kind": "earn", "card": "7001000000178503", "points": 10, "reference": "R-2001"}\n',
}
_BODY = {
    "required": True,
    "description": "The postings, in the form that the media type says.",
    "content": {
        media: {"schema": _CSV_SCHEMA if kind == "csv" else _LINES_SCHEMA, "example": _EXAMPLES[kind]}
        for media, kind in _FORMATS.items()
    },
}
_ANSWERS = {
    "description": "One answer on each line, in the order of the file's lines",
    "content": {
        "application/jsonl": {
            "schema": _LINES_SCHEMA,
            "example": '{"line": 1, "status": 409, "problem": {"code": "insufficient_points"}}\n',
        }
    },
}


class BatchFileSchema(ma.Schema):
    schema_description = "A file and its progress."

    batch_id = Id(ids.BATCH)
    status = ma.fields.String(validate=ma.validate.OneOf(["waiting", "running", "finished", "cancelled"]))
    lines = ma.fields.Integer()
    done = ma.fields.Integer(metadata={"description": "The lines done so far: posted + replayed + refused"})
    posted = ma.fields.Integer()
    replayed = ma.fields.Integer()
    refused = ma.fields.Integer()
    created_at = ma.fields.AwareDateTime()
    finished_at = ma.fields.AwareDateTime(allow_none=True)
    cancelled_because = ma.fields.String(
        allow_none=True, validate=ma.validate.OneOf(["partner", "operator", "client_revoked"])
    )
    paused_until = ma.fields.AwareDateTime(
        allow_none=True,
        metadata={
            "description": (
                "Set after a mistake of ours, or after refusals used up your lookups. The file continues by itself."
            )
        },
    )


@batches_api.post("/files")
@requires(batches_api, "batches:write")
@fails_with(batch_files.MalformedFile, batch_files.FileKeyReused, batch_files.TooManyFiles)
@batches_api.doc(
    summary=(
        "Send a file of up to 1,000,000 postings as JSON Lines or CSV. A job posts them, and you ask for its progress."
    ),
    description=(
        "Each line of JSON Lines is an item, as in a batch. A CSV begins with the names of its columns: kind, "
        "member_id, card, phone, email, external_id, hold_id, transaction_id, transactions, reference, points, "
        "amount_minor, currency, effective_at, vests_at, expires_at. A return lists its `transactions` separated by "
        "spaces, each as `txn_…` (all that is left), `txn_…:points` or `txn_…:amount_minor:currency`. If you send the "
        "same file again with the same key, we do not post it again. With another key, each line whose reference you "
        "posted before gets its earlier answer. Partners take turns. If you revoke the client that sent a file, the "
        "file ends."
    ),
    parameters=[idempotency.PARAMETER],
    requestBody=_BODY,
)
@accepts_up_to(LARGEST_FILE_BYTES)
@batches_api.response(202, BatchFileSchema)
def store_file() -> tuple[batch_files.BatchFile, int, dict[str, str]]:
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
@batches_api.doc(summary="Get the progress of a file.")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound)
@batches_api.response(200, BatchFileSchema)
def get(batch_id: str) -> batch_files.BatchFile:
    with services().reading() as session:
        return batch_files.get(session, batch_id=ids.parse(ids.BATCH, batch_id), partner_id=principal().partner_id)


@batches_api.post("/<batch_id>/cancel")
@batches_api.doc(summary="Cancel a file. What is already posted stays posted.")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound, batch_files.BatchFinished)
@batches_api.response(200, BatchFileSchema)
def cancel(batch_id: str) -> batch_files.BatchFile:
    with services().writing() as session:
        wanted = ids.parse(ids.BATCH, batch_id)
        return batch_files.cancel(session, act(), batch_id=wanted, partner_id=principal().partner_id)


@batches_api.get("/<batch_id>/results")
@requires(batches_api, "batches:write")
@fails_with(batch_files.BatchNotFound)
@batches_api.doc(
    summary="Get the answers so far as JSON Lines: one for each line of the file, as a batch gives them.",
    description="`Content-Length` is their full length. If an answer ends sooner, discard it and ask again.",
    responses={"200": _ANSWERS},
)
def results(batch_id: str) -> Response:
    wanted = ids.parse(ids.BATCH, batch_id)
    with services().reading() as session:
        batch_files.get(session, batch_id=wanted, partner_id=principal().partner_id)
        last, size = batch_files.answered(session, batch_id=wanted)
    answers = _answers(services().view, wanted, up_to=last)
    return Response(answers, mimetype="application/jsonl", headers={"Content-Length": str(size)})


def _answers(database: Database, batch_id: UUID, *, up_to: int) -> Iterator[str]:
    after = 0
    while after < up_to:
        with database.reading() as session:
            found = batch_files.answers(session, batch_id=batch_id, after_line=after, up_to=up_to, limit=PARTS_PER_READ)
        if not found:
            return  # deleted meanwhile: the answer ends before its length, and is cut
        for after, lines in found:  # noqa: B007 -- the last one is where the next read begins
            yield lines
