"""Your settlements: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Run:
    """Business days that are settled together: one, a week or a month."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment that settles it."""

    payment_id: str
    # The partner's code, or `coalition` for the coalition itself
    payer: str
    # The partner's code, or `coalition` for the coalition itself
    payee: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class Position:
    """What you receive in a currency; negative: what you owe."""

    currency: str
    # What earlier settlements had left unpaid
    opening_minor: int
    # What this one comes to
    net_minor: int
    # Both together
    closing_minor: int


@dataclass(frozen=True, kw_only=True)
class RunDetail(Answer):
    """A settlement run, and what it comes to for you."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str
    statement_id: str
    positions: tuple[Position, ...]
    payments: tuple[Payment, ...]
