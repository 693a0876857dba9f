"""/v1/statements: what you were told that you receive and owe, as data, as files to keep, and down to each posting."""

from __future__ import annotations

from typing import IO, Any
from uuid import UUID

import marshmallow as ma
from flask import Response
from marshmallow import validate

from api import downloads
from api.auth import principal, requires
from api.settled import HASH, LAST_ID, PARTY, PaymentSchema, PositionSchema, payment_of, position_of
from api.v1.settlement_runs import RunSchema
from kit import ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from settlement import drill_down, runs, statements
from settlement.files import document, formats, pdf
from settlement.files.document import Frame, StatementDiffers
from settlement.files.formats import Order
from settlement.kinds import KINDS
from settlement.runs import Run
from settlement.statements import KeptStatement

statements_api = Blueprint("statements", __name__, url_prefix="/v1/statements", description="Your statements")


class StatementSchema(RunSchema):
    schema_description = "Your statement of a settlement run."

    statement_id = Id(ids.STATEMENT)
    content_hash = ma.fields.String(
        metadata={"description": "SHA-256 over all it says. The event and each file name it, too.", **HASH}
    )


class StatementPageSchema(ma.Schema):
    schema_description = "A page of statements."

    data = ma.fields.List(ma.fields.Nested(StatementSchema))
    next_cursor = ma.fields.String(allow_none=True)


class TotalSchema(ma.Schema):
    schema_description = "What one kind of obligation comes to in a currency."

    kind = ma.fields.String(metadata={"enum": list(KINDS), "example": "redemption"})
    currency = ma.fields.String()
    points = ma.fields.Integer()
    receives_minor = ma.fields.Integer(metadata={"description": "What others owe you", "example": 1066})
    owes_minor = ma.fields.Integer(metadata={"description": "What you owe others", "example": 0})


class SealSchema(ma.Schema):
    schema_description = "The seal of a business day: it covers the day and all days before."

    day = ma.fields.Date()
    chain = ma.fields.String(metadata=HASH)


class StatementDetailSchema(StatementSchema):
    schema_description = "A statement in sums. Its obligations, and the postings of each, have addresses of their own."

    positions = ma.fields.List(ma.fields.Nested(PositionSchema))
    totals = ma.fields.List(ma.fields.Nested(TotalSchema))
    payments = ma.fields.List(ma.fields.Nested(PaymentSchema))
    seals = ma.fields.List(ma.fields.Nested(SealSchema))


class ObligationSchema(ma.Schema):
    schema_description = "What one party owes another for a business day, of one kind and price."

    obligation_id = Id(ids.OBLIGATION)
    day = ma.fields.Date()
    payer = ma.fields.String(metadata=PARTY)
    payee = ma.fields.String(metadata=PARTY)
    kind = ma.fields.String(metadata={"enum": list(KINDS), "example": "redemption"})
    currency = ma.fields.String()
    points = ma.fields.Integer()
    amount_minor = ma.fields.Integer(metadata={"description": "Negative where what came back outweighs"})


class ObligationPageSchema(ma.Schema):
    schema_description = "A page of obligations."

    data = ma.fields.List(ma.fields.Nested(ObligationSchema))
    next_cursor = ma.fields.String(allow_none=True)


class FileQuery(ma.Schema):
    """Which file is wanted."""

    format = ma.fields.String(
        load_default="pdf",
        validate=validate.OneOf(formats.FORMATS),
        metadata={"description": "`csv` and `xlsx` have every posting; `pdf` the days, and the CSV attached."},
    )
    language = ma.fields.String(load_default=formats.LANGUAGES[0], validate=validate.OneOf(formats.LANGUAGES))


@statements_api.get("")
@statements_api.doc(summary="List your statements, newest first.")
@requires(statements_api, "settlement:read")
@fails_with(paging.InvalidCursor)
@statements_api.arguments(PageQuery(), location="query")
@statements_api.response(200, StatementPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    bound_to = ["statements", principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=LAST_ID.int)
    with svc.reading() as session:
        found = statements.kept_by(session, principal().partner_id, before=UUID(int=before), limit=query["limit"] + 1)
        page = [_shown(one, runs.get(session, one.run_id)) for one in found[: query["limit"]]]
    more = len(found) > len(page)
    last = found[len(page) - 1].statement_id.int if more else 0
    return Page(page, paging.seal(svc.keyring, bound_to=bound_to, position=last) if more else None)


@statements_api.get("/<statement_id>")
@statements_api.doc(summary="Get a statement: what you receive and owe, in sums.")
@requires(statements_api, "settlement:read")
@fails_with(statements.StatementNotFound, StatementDiffers)
@statements_api.response(200, StatementDetailSchema)
def get(statement_id: str) -> dict[str, Any]:
    kept, run, framed = _framed(statement_id)
    with services().reading() as session:
        made = document.make(session, kept, run, framed)
    return {
        **_shown(kept, run),
        "positions": [position_of(one) for one in made.positions],
        "totals": [
            {"kind": kind, "currency": currency, **total._asdict()} for kind, currency, total in document.totals(made)
        ],
        "payments": [payment_of(one, made.content.parties) for one in made.payments],
        "seals": [{"day": seal.day, "chain": seal.chain.hex()} for seal in made.content.seals],
    }


@statements_api.get("/<statement_id>/file")
@requires(statements_api, "settlement:read")
@fails_with(statements.StatementNotFound, StatementDiffers, pdf.TooManyPdfs)
@statements_api.arguments(FileQuery(), location="query")
@statements_api.doc(
    summary="Get a statement as a file: PDF, XLSX, CSV or JSON, in English or Russian.",
    description="The same statement gives the same bytes each time.",
    responses=downloads.described(*formats.FORMATS),
)
def file(query: dict[str, Any], statement_id: str) -> Response:
    kept, run, framed = _framed(statement_id)

    def make(out: IO[bytes]) -> str:
        with services().reading() as session:
            made = document.make(session, kept, run, framed)
            formats.write(session, made, Order(query["format"], query["language"]), out)
        return f"{made.file_name}.{query['format']}"

    return downloads.download(make, query["format"])


@statements_api.get("/<statement_id>/obligations")
@statements_api.doc(summary="List what a statement is made of: who owes whom, for which day and what.")
@requires(statements_api, "settlement:read")
@fails_with(statements.StatementNotFound, paging.InvalidCursor)
@statements_api.arguments(PageQuery(), location="query")
@statements_api.response(200, ObligationPageSchema)
def obligations(query: dict[str, Any], statement_id: str) -> Page:
    svc = services()
    wanted = ids.parse(ids.STATEMENT, statement_id)
    bound_to = ["obligations", statement_id, principal().client_id]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=0)
    with svc.reading_public() as session:
        parties = statements.parties(session)
    with svc.reading() as session:
        kept = statements.kept(session, wanted)
        found = drill_down.obligations(
            session, runs.get(session, kept.run_id), kept.partner_id, after=UUID(int=after), limit=query["limit"] + 1
        )
    page = found[: query["limit"]]
    cursor = None
    if len(found) > len(page):
        cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].obligation_id.int)
    return Page(
        [{**vars(one), "payer": parties[one.payer_id].code, "payee": parties[one.payee_id].code} for one in page],
        cursor,
    )


def _shown(kept: KeptStatement, run: Run) -> dict[str, Any]:
    return {**vars(run), "statement_id": kept.statement_id, "content_hash": kept.content_hash.hex()}


def _framed(statement_id: str) -> tuple[KeptStatement, Run, Frame]:
    """A statement of the asking partner's, and what it says that is not in the partner's own rows."""
    svc = services()
    with svc.reading() as session:
        kept = statements.kept(session, ids.parse(ids.STATEMENT, statement_id))
        run = runs.get(session, kept.run_id)
    with svc.reading_public() as session:
        return kept, run, document.frame(session, kept, run)
