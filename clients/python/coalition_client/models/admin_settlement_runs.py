"""Settlement runs, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class AdminRun(Answer):
    """Business days that are settled together: one, a week or a month."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str
    # How it is paid, once it is calculated
    netting: str | None
    content_hash: str | None


@dataclass(frozen=True, kw_only=True)
class AdminRunDetail(Answer):
    """A run, what it comes to, how it is paid, and who decided what."""

    run_id: str
    cycle: str
    first_day: date
    last_day: date
    # One more than were abandoned
    attempt: int
    # From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt takes its …
    state: str
    # How it is paid, once it is calculated
    netting: str | None
    content_hash: str | None
    positions: tuple[PartyPosition, ...]
    payments: tuple[Standing, ...]
    changes: tuple[RunStep, ...]


@dataclass(frozen=True, kw_only=True)
class PartyPosition:
    """What a party receives of a run in a currency; negative: what it owes."""

    currency: str
    # What earlier settlements had left unpaid
    opening_minor: int
    # What this one comes to
    net_minor: int
    # Both together
    closing_minor: int
    # The partner's code, or `coalition` for the coalition itself
    party: str


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """A step of a run: into which state, when, by whom and why."""

    state: str
    at: datetime
    # A person, or the coalition's clock
    by: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A payment of a run, and how it stands."""

    payment_id: str
    # The partner's code, or `coalition` for the coalition itself
    payer: str
    # The partner's code, or `coalition` for the coalition itself
    payee: str
    currency: str
    amount_minor: int
    status: str
    # What the bank's statement calls it
    reference: str
    paid_minor: int
    # The coalition pays for a partner in default
    is_covered: bool
    # Why it came back
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class OpenItem:
    """What a bank booked and no payment has, in full or in part."""

    bank_entry_id: str
    # The partner's code, or `coalition` for the coalition itself
    account_of: str
    direction: str
    booked_on: date
    age_days: int
    currency: str
    amount_minor: int
    # Of it, what no payment has
    open_minor: int
    counterparty_name: str | None
    counterparty_account: str | None
    booking_reference: str | None
    end_to_end_id: str | None
    remittance: str | None
    is_return: bool
    return_reason: str | None
    imported_at: datetime


@dataclass(frozen=True, kw_only=True)
class WhatIfReport(Answer):
    """"""

    title: str
    # How to read it; may be empty
    note: str
    data: tuple[WhatIfRow, ...]


@dataclass(frozen=True, kw_only=True)
class WhatIfRow:
    """"""

    partner: str
    currency: str | None
    kind: str
    settled_minor: int | None
    calculated_minor: int | None
    difference_minor: int | None
