"""Your statements: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from coalition_client.models.settlement_runs import Payment, Position
from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Your statement of a settlement run."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str
    statement_id: str
    # SHA-256 over all it says. The event and each file name it, too.
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class Seal:
    """The seal of a business day: it covers the day and all days before."""

    day: date
    chain: str


@dataclass(frozen=True, kw_only=True)
class StatementDetail(Answer):
    """A statement in sums. Its obligations, and the postings of each, have addresses of their own."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str
    statement_id: str
    # SHA-256 over all it says. The event and each file name it, too.
    content_hash: str
    positions: tuple[Position, ...]
    totals: tuple[Total, ...]
    payments: tuple[Payment, ...]
    seals: tuple[Seal, ...]


@dataclass(frozen=True, kw_only=True)
class Total:
    """What one kind of obligation comes to in a currency."""

    kind: str
    currency: str
    points: int
    # What others owe you
    receives_minor: int
    # What you owe others
    owes_minor: int


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """What one party owes another for a business day, of one kind and price."""

    obligation_id: str
    day: date
    # The partner's code, or `coalition` for the coalition itself
    payer: str
    # The partner's code, or `coalition` for the coalition itself
    payee: str
    kind: str
    currency: str
    points: int
    # Negative where what came back outweighs
    amount_minor: int
