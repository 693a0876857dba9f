"""POST /v1/returns: a purchase brought back, with all it earned and all it spent, as one operation with one outcome."""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma
from flask import Response

from coalition import ledger, refusals
from kit import ids
from kit.http.api import Blueprint
from kit.http.choices import Choice, ChoosingSchema
from kit.http.description import fails_with
from kit.http.fields import Id, Instant, WholeNumber, reference
from kit.http.requests import note
from kit.http.services import services
from partners.http import magic_references
from partners.http.auth import principal, requires
from partners.http.commands import OPERATIONS, measure
from partners.http.postings import PARAMETERS, asked_by, created, mark
from partners.http.reversals import REVERSING
from partners.http.schemas import LARGEST_POSTING, AmountSchema, TransactionSchema, show_transaction

returns_api = Blueprint("returns", __name__, url_prefix="/v1/returns", description="Returns of whole purchases")


class ReturnedSchema(ChoosingSchema):
    """A transaction of the purchase: all that is left of it, or so many points, or what an amount of it earned."""

    transaction_id = Id(ids.TRANSACTION, required=True)
    points = WholeNumber(least=1, most=LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)

    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(("points", "amount"), "give points or amount, or neither for all that is left", may_be_left_out=True),
    )


class ReturnSchema(ma.Schema):
    """The transactions of one purchase of one member; one that stands there twice is returned once."""

    reference = reference(required=True, metadata={"description": "The number of your return"})
    effective_at = Instant(metadata={"description": "When the goods came back; now, if left out"})
    transactions = ma.fields.List(
        ma.fields.Nested(ReturnedSchema), required=True, validate=ma.validate.Length(1, ledger.MOST_REVERSED)
    )


class ReturnShownSchema(ma.Schema):
    """What came of a return: a reversal for each transaction in the order given, and the wallet after all of them."""

    reference = ma.fields.String()
    available_after = ma.fields.Integer()
    owed_after = ma.fields.Integer()
    transactions = ma.fields.List(ma.fields.Nested(TransactionSchema))


@returns_api.post("")
@requires(returns_api, "reversals:write")
@fails_with(*REVERSING, refusals.SeveralMembers)
@returns_api.doc(parameters=PARAMETERS)
@returns_api.arguments(ReturnSchema())
@returns_api.response(201, ReturnShownSchema)
def give_back(body: dict[str, Any]) -> Response:
    """Reverse the earns, burns and captures of one purchase together: all of them, or none.

    The points it spent come back first, then the points it earned are taken back, so the outcome is the same whatever
    the order of `transactions`. A refusal names the transaction it is about in `transaction_id`.
    """
    request = asked_by(OPERATIONS["reversal"])
    fault = magic_references.foretell(body["reference"], request)
    parts = tuple(
        ledger.Reversal(
            original_id=part["transaction_id"],
            reference=body["reference"],
            effective_at=body.get("effective_at"),
            may_owe=principal().standing.makes_debts,
            **measure(part),
        )
        for part in body["transactions"]
    )
    with services().posting() as session:
        outcomes = ledger.post_return(session, request, ledger.Return(parts=parts), through="partners.post_return")
    mark(replayed=all(outcome.replayed for outcome in outcomes))
    made = [outcome.unwrap() for outcome in outcomes]
    last = max(made, key=lambda transaction: transaction.member_seq)
    note(transaction_id=last.transaction_id)
    shown = {
        "reference": body["reference"],
        "available_after": last.available_after,
        "owed_after": last.owed_after,
        "transactions": [show_transaction(transaction) for transaction in made],
    }
    return magic_references.play(fault, created(shown))
