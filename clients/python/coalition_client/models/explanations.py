"""Why it came out so: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.models.members import Transaction
from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A transaction that reversed part of it, or ended the hold."""

    transaction_id: str
    kind: str
    points: int
    reference: str
    booked_at: datetime


@dataclass(frozen=True, kw_only=True)
class Explanation(Answer):
    """A transaction, the lots it moved, the rule it was computed by, and what came after it."""

    transaction: Transaction
    # how the points were found, in a sentence
    rule: str
    parts: tuple[Part, ...]
    reversed_points: int
    followed_by: tuple[Counter, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Points of one lot that moved from one account to another."""

    points: int
    debit: str
    credit: str
    # whose points they are
    issuer_id: str
    # the business day that fixed their price
    issued_on: date
    expires_on: date
    # the issuer's agreement that prices them, where money follows
    agreement_version: int | None
    # minor units a point, by that agreement
    price_minor: str | None
    currency: str | None
