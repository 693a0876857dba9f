"""GET /v1/transactions/{id}/explanation: why a transaction came out as it did, and what it costs whom."""

from __future__ import annotations

import marshmallow as ma

from api.auth import principal, requires
from api.schemas import TransactionSchema
from coalition import wallets
from kit import ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.services import services
from settlement import explanations

explanations_api = Blueprint(
    "explanations", __name__, url_prefix="/v1/transactions", description="Explanations of your transactions"
)


class PartSchema(ma.Schema):
    schema_description = "Points of one lot that moved from one account to another."

    points = ma.fields.Integer()
    debit = ma.fields.String()
    credit = ma.fields.String()
    issuer_id = Id(ids.PARTNER, metadata={"description": "The partner that issued the points"})
    issued_on = ma.fields.Date(metadata={"description": "The business day that fixed the points' price"})
    expires_on = ma.fields.Date()
    agreement_version = ma.fields.Integer(
        allow_none=True,
        metadata={"description": "The issuer's agreement that prices the points, if anybody pays for them"},
    )
    price_minor = ma.fields.String(
        allow_none=True, metadata={"description": "Minor units for each point, by that agreement"}
    )
    currency = ma.fields.String(allow_none=True)


class CounterSchema(ma.Schema):
    schema_description = "A transaction that reversed part of it, or ended the hold."

    transaction_id = Id(ids.TRANSACTION)
    kind = ma.fields.String()
    points = ma.fields.Integer()
    reference = ma.fields.String()
    booked_at = ma.fields.AwareDateTime()


class ExplanationSchema(ma.Schema):
    schema_description = "A transaction, the lots it moved, the rule that decided it, and what followed it."

    transaction = ma.fields.Nested(TransactionSchema)
    rule = ma.fields.String(metadata={"description": "How we calculated the points, in a sentence"})
    parts = ma.fields.List(ma.fields.Nested(PartSchema))
    reversed_points = ma.fields.Integer()
    followed_by = ma.fields.List(ma.fields.Nested(CounterSchema))


@explanations_api.get("/<transaction_id>/explanation")
@explanations_api.doc(
    summary=(
        "Explain one of your transactions: the lots it moved, their issuers and prices, and what was reversed since."
    )
)
@requires(explanations_api, "transactions:read")
@fails_with(wallets.TransactionNotFound)
@explanations_api.response(200, ExplanationSchema)
def explain(transaction_id: str) -> explanations.Explanation:
    with services().reading() as session:
        return explanations.explain(
            session,
            transaction_id=ids.parse(ids.TRANSACTION, transaction_id),
            partner_id=principal().partner_id,
        )
