"""Returns of whole purchases: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass

from coalition_client.models.earns import Amount


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A transaction of the purchase: all that is left, points, or what an amount of it earned."""

    transaction_id: str
    points: int | None = None
    amount: Amount | None = None
