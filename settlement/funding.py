"""Funding what was earned beyond an issuer's limit, in the order it was earned, once there is room (decision 0036).

A lot is funded whole as long as its issuer's exposure was below the limit before it, as an earn is taken.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import islice
from uuid import UUID

from coalition import programme, scheduled_postings, unfunded
from coalition.ledger import MOST_AT_ONCE
from coalition.scheduled_postings import Waiting
from kit.db import Database, Session, try_lock
from settlement import agreements, exposure, policies
from settlement.agreement_terms import ON_BURN
from settlement.agreements import PriceBook

LOCK = "settlement.funding"
MOST_A_RUN = 40 * MOST_AT_ONCE  # lots; the next run goes on


def release(database: Database, now: datetime) -> int:
    """Fund what waits and has room, at most MOST_A_RUN lots; returns how many. Next to another one it does nothing.

    A set is funded in one transaction, so what is funded is always what was earned first, wherever this ends. It is due
    after each look at exposure; where it stopped at its bound, the next look is due at once.
    """
    taken = funded = 0
    with database.transaction() as session:
        if not unfunded.are_any(session) or not try_lock(session, LOCK):
            return 0
        with closing(_with_room(session)) as lots:
            while chunk := list(islice(lots, min(MOST_AT_ONCE, MOST_A_RUN - taken))):
                taken += len(chunk)
                funded += scheduled_postings.fund(database, chunk, now=now)
        if funded and taken == MOST_A_RUN:
            exposure.look_again(session)
    return funded


@dataclass
class _Room:
    """What an issuer owes and its limit, in its currency."""

    currency: str
    limit_minor: int | None
    exposure_minor: Fraction

    @property
    def is_left(self) -> bool:
        return not exposure.is_exceeded(self.exposure_minor, self.limit_minor)


def _with_room(session: Session) -> Generator[Waiting]:
    """The lots to fund. An issuer without an agreement in force has none: nobody says what it may owe."""
    book = PriceBook(agreements.everything(session))
    for partner_id, room in _rooms(session, book).items():
        if not room.is_left:
            continue
        for lot in unfunded.lots(session, partner_id, at_most=MOST_A_RUN):
            if not room.is_left:
                break
            agreement = book.look_up(partner_id, lot.issued_on)
            if agreement is not None and agreement.currency == room.currency:
                is_on_burn = agreement.funding == ON_BURN
                price = agreement.redemption_price_minor if is_on_burn else agreement.issue_price_minor
                room.exposure_minor += lot.points * price
            yield lot


def _rooms(session: Session, book: PriceBook) -> dict[UUID, _Room]:
    is_limited = policies.get(session).beyond_limit != policies.ALLOW
    open_day = programme.get(session).open_day
    found = exposure.read(session) if is_limited else []
    owed = {(one.partner_id, one.currency): one.exposure_minor for one in found}
    return {
        partner_id: _Room(
            own.currency, own.exposure_limit_minor if is_limited else None,
            Fraction(owed.get((partner_id, own.currency), 0)),
        )
        for partner_id in sorted(unfunded.issuers(session))
        if (own := book.look_up(partner_id, open_day)) is not None
    }  # fmt: skip
