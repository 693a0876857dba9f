"""Explain: the lots behind a transaction, the rule it was computed by, the agreements that price it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from coalition import wallets
from coalition.ledger import Transaction
from kit.db import Session
from settlement import agreements
from settlement.agreements import LotPrice

# Where points reach these accounts, money follows between the lot's issuer and the transaction's partner.
_PRICED = ("redemption", "debt")


@dataclass(frozen=True)
class Part:
    """Points of one lot between two accounts; the last three are None where no money follows."""

    points: int
    debit: str
    credit: str
    issuer_id: UUID
    issued_on: date
    expires_on: date
    agreement_version: int | None
    price_minor: str | None
    currency: str | None


@dataclass(frozen=True)
class Explanation:
    """A transaction with its parts in the order they were taken, and what reversed or ended it since."""

    transaction: Transaction
    rule: str
    parts: list[Part]
    reversed_points: int
    followed_by: list[Transaction]


def explain(session: Session, *, transaction_id: UUID, partner_id: UUID) -> Explanation:
    """Why one of the partner's own transactions came out as it did; raises TransactionNotFound."""
    transaction = wallets.transaction(session, transaction_id=transaction_id, partner_id=partner_id)
    moved_lots = wallets.moved_lots(session, transaction)
    prices = agreements.lot_prices(session, {(moved.issuer_id, moved.issued_on) for moved in moved_lots})
    followed_by = wallets.followers(session, transaction)
    return Explanation(
        transaction=transaction,
        rule=_rule(transaction),
        parts=[_part(moved, partner_id, prices) for moved in moved_lots],
        reversed_points=sum(
            later.points + later.debt_repaid + later.shortfall
            for later in followed_by
            if later.reverses_transaction_id == transaction_id
        ),
        followed_by=followed_by,
    )


def _part(moved: wallets.MovedLot, partner_id: UUID, prices: Mapping[tuple[UUID, date], LotPrice]) -> Part:
    version, price, currency = None, None, None
    if (moved.credit in _PRICED or moved.debit in _PRICED) and moved.issuer_id != partner_id:
        found = prices.get((moved.issuer_id, moved.issued_on))
        if found is not None:  # or not agreed yet: settlement sets it aside, an explanation need not fail
            version, currency = found.version, found.currency
            price = agreements.show_price(found.redemption_price_minor)
    return Part(
        moved.points, moved.debit, moved.credit, moved.issuer_id, moved.issued_on, moved.expires_on,
        version, price, currency,
    )  # fmt: skip


def _rule(t: Transaction) -> str:
    if t.awards:
        return "awards as the request named them"
    if t.points_per_unit is not None:
        return (
            f"{t.amount_minor} minor units of {t.currency} at {t.points_per_unit.normalize():f} points for each "
            f"{t.minor_per_unit}, rounded down"
        )
    return {
        "earn": "points as the request named them",
        "burn": "the lots that expire first, whichever partner issued them",
        "hold": "the lots that expire first, set aside",
        "capture": "the hold's lots in the order they expire; the rest returned to the wallet",
        "void": "all of the hold returned to its lots",
        "lapse": "the hold lapsed; all of it returned to its lots",
        "vest": "the lot vested",
        "fund": "the lot was funded: its issuer was below its exposure limit again",
        "expiry": "the lots expired before the next business day",
        "adjustment": "adjusted by hand",
        "merge": "the other member's lots, with their issuers and dates",
    }.get(t.kind, "the original's own lots first")
