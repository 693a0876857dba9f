"""GET /v1/transactions: what you posted, by id or by your own reference."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.auth import principal, requires
from api.fields import reference
from api.schemas import TransactionPageSchema, TransactionSchema
from coalition import ledger, wallets
from kit import ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page
from kit.http.services import services

transactions_api = Blueprint("transactions", __name__, url_prefix="/v1/transactions", description="What you posted")
MOST_PER_REFERENCE = 100


class ReferenceQuery(ma.Schema):
    """Which receipt."""

    reference = reference(required=True)


@transactions_api.get("")
@transactions_api.doc(summary="List what you posted under a reference, oldest first (at most 100).")
@requires(transactions_api, "transactions:read")
@transactions_api.arguments(ReferenceQuery(), location="query")
@transactions_api.response(200, TransactionPageSchema)
def find(query: dict[str, Any]) -> Page:
    with services().reading() as session:
        found = wallets.by_reference(
            session, reference=query["reference"], partner_id=principal().partner_id, limit=MOST_PER_REFERENCE
        )
    return Page(found, None)


@transactions_api.get("/<transaction_id>")
@transactions_api.doc(summary="Get one of your transactions.")
@requires(transactions_api, "transactions:read")
@fails_with(wallets.TransactionNotFound)
@transactions_api.response(200, TransactionSchema)
def get(transaction_id: str) -> ledger.Transaction:
    with services().reading() as session:
        return wallets.transaction(
            session,
            transaction_id=ids.parse(ids.TRANSACTION, transaction_id),
            partner_id=principal().partner_id,
        )
