"""Returns of whole purchases: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass

from coalition_client.models.earns import Amount
from coalition_client.models.members import Transaction
from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class ReturnShown(Answer):
    """What came of a return: a reversal for each transaction in the order given, and the wallet after all of them."""

    reference: str
    available_after: int
    owed_after: int
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A transaction of the purchase: all that is left of it, or so many points, or what an amount of it earned."""

    transaction_id: str
    points: int | None = None
    amount: Amount | None = None
