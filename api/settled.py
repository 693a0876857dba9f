"""What answers about settlement share: how they show parties, positions and payments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from kit import ids
from kit.http.fields import Id
from settlement.runs import Payment, Position
from settlement.statements import COALITION, Party

LAST_ID = UUID(int=2**128 - 1)
PARTY = {"description": f"The partner's code, or `{COALITION}` for the coalition itself", "example": "fuelway"}
HASH = {"pattern": "^[0-9a-f]{64}$", "example": "0" * 64}


class PositionSchema(ma.Schema):
    schema_description = "What you receive in a currency; negative: what you owe."

    currency = ma.fields.String()
    opening_minor = ma.fields.Integer(
        metadata={"description": "What earlier settlements had left unpaid", "example": 0}
    )
    net_minor = ma.fields.Integer(metadata={"description": "What this one comes to", "example": 1066})
    closing_minor = ma.fields.Integer(metadata={"description": "Both together", "example": 1066})


class PaymentSchema(ma.Schema):
    schema_description = "A payment that settles it."

    payment_id = Id(ids.PAYMENT)
    payer = ma.fields.String(metadata=PARTY)
    payee = ma.fields.String(metadata=PARTY)
    currency = ma.fields.String()
    amount_minor = ma.fields.Integer()


def position_of(one: Position) -> dict[str, Any]:
    """A position as it is answered."""
    return {
        "currency": one.currency,
        "opening_minor": one.opening_minor,
        "net_minor": one.amount_minor,
        "closing_minor": one.opening_minor + one.amount_minor,
    }


def payment_of(one: Payment, parties: dict[UUID, Party]) -> dict[str, Any]:
    """A payment as it is answered."""
    return {**vars(one), "payer": parties[one.payer_id].code, "payee": parties[one.payee_id].code}
