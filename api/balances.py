"""What a wallet holds, for whoever may ask: a partner about a member, a member's app about the member."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, jsonify

from api.schemas import show_balance
from coalition import wallets
from kit.http.services import services


def answer(query: dict[str, Any], *, member_id: UUID, partner_id: UUID) -> Response | wallets.PastBalance:
    """The balance as `partner_id` may see it; with `at` in the query, that of then."""
    with services().asking() as session:
        if "at" in query:
            return wallets.balance_at(session, member_id=member_id, at=query["at"])
        found = wallets.balance(session, member_id=member_id, partner_id=partner_id)
    return jsonify(show_balance(found))
