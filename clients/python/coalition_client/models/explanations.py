"""Explanations of your transactions: the values. Generated from the API's description: change that and pin it."""

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
    """A transaction, the lots it moved, the rule that decided it, and what followed it."""

    transaction: Transaction
    # How we calculated the points, in a sentence
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
    # The partner that issued the points
    issuer_id: str
    # The business day that fixed the points' price
    issued_on: date
    expires_on: date
    # The issuer's agreement that prices the points, if anybody pays for them
    agreement_version: int | None
    # Minor units for each point, by that agreement
    price_minor: str | None
    currency: str | None
