"""GET /v1/transactions/{id}/explanation: why a transaction came out as it did, and what it costs whom."""

from __future__ import annotations

import marshmallow as ma

from coalition import wallets
from kit import ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.services import services
from partners.http.auth import principal, requires
from partners.http.schemas import TransactionSchema
from settlement import explanations

explanations_api = Blueprint("explanations", __name__, url_prefix="/v1/transactions", description="Why it came out so")


class PartSchema(ma.Schema):
    """Points of one lot that moved from one account to another."""

    points = ma.fields.Integer()
    debit = ma.fields.String()
    credit = ma.fields.String()
    issuer_id = Id(ids.PARTNER, metadata={"description": "whose points they are"})
    issued_on = ma.fields.Date(metadata={"description": "the business day that fixed their price"})
    expires_on = ma.fields.Date()
    agreement_version = ma.fields.Integer(
        allow_none=True, metadata={"description": "the issuer's agreement that prices them, where money follows"}
    )
    price_minor = ma.fields.String(allow_none=True, metadata={"description": "minor units a point, by that agreement"})
    currency = ma.fields.String(allow_none=True)


class CounterSchema(ma.Schema):
    """A transaction that reversed part of it, or ended the hold."""

    transaction_id = Id(ids.TRANSACTION)
    kind = ma.fields.String()
    points = ma.fields.Integer()
    reference = ma.fields.String()
    booked_at = ma.fields.AwareDateTime()


class ExplanationSchema(ma.Schema):
    """A transaction, the lots it moved, the rule it was computed by, and what came after it."""

    transaction = ma.fields.Nested(TransactionSchema)
    rule = ma.fields.String(metadata={"description": "how the points were found, in a sentence"})
    parts = ma.fields.List(ma.fields.Nested(PartSchema))
    reversed_points = ma.fields.Integer()
    followed_by = ma.fields.List(ma.fields.Nested(CounterSchema))


@explanations_api.get("/<transaction_id>/explanation")
@requires(explanations_api, "transactions:read")
@fails_with(wallets.TransactionNotFound)
@explanations_api.response(200, ExplanationSchema)
def explain(transaction_id: str) -> explanations.Explanation:
    """Which lots one of your transactions moved, whose they are, at which price, and what has been reversed since."""
    with services().reading() as session:
        return explanations.explain(
            session,
            transaction_id=ids.parse(ids.TRANSACTION, transaction_id),
            partner_id=principal().partner_id,
        )
