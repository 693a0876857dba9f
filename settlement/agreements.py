"""Agreements: the contract that prices a partner's points; dated versions, as coalition.dated says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import Row, text

from coalition import dated
from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.seen import Seen, check
from partners import issuing


class AgreementMissing(Conflict):
    """A partner issued points on a day for which it has no agreement; `partner_id` and `day` name it."""

    code = "agreement_missing"
    title = "Agreement missing"


class AgreementNotFound(NotFound):
    """No agreement has this id, or it was withdrawn."""

    code = "agreement_not_found"
    title = "Agreement not found"


class MalformedPrice(Invalid):
    """A price is a decimal number of minor units per point, from 0 to 1,000,000 with up to 8 decimals, as text."""

    code = "malformed_price"
    title = "Malformed price"


@dataclass(frozen=True)
class Agreement:
    """`redemption_price_minor`: what the issuer pays, in minor units of `currency`, for each of its points burned.

    `version` counts a partner's agreements; `revision` how often this one was corrected, from 1.
    """

    agreement_id: UUID
    partner_id: UUID
    version: int
    since: date
    until: date | None
    currency: str
    redemption_price_minor: Fraction
    created_at: datetime
    revision: int = 1

    @property
    def redemption_price(self) -> str:
        """That price as its decimal."""
        return show_price(self.redemption_price_minor)

    @property
    def facts(self) -> dict[str, object]:
        """What it says, for the audit."""
        said = {"version": self.version, "redemption_price": self.redemption_price, "since": self.since}
        return {**said, "of": ids.show(ids.PARTNER, self.partner_id)}


class AgreementChange(TypedDict, total=False):
    """What of an agreement is to be different; what is not named stays."""

    redemption_price_minor: Fraction
    since: date


_TABLE = "settlement.agreement"
_SELECT = """
    SELECT agreement_id, partner_id, version, lower(valid) AS since, upper(valid) AS until, currency,
           redemption_price_minor AS price, created_at, revision
    FROM settlement.agreement
"""


def price(text_: str) -> Decimal:
    """A price given as text; raises MalformedPrice."""
    try:
        value = Decimal(text_)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= 1_000_000 or value != round(value, 8):
        raise MalformedPrice(f"{text_!r} is not a price in minor units per point, such as 0.95")
    return value


def show_price(value: Fraction) -> str:
    """A price as its decimal; prices have at most 8 decimals, so this is exact."""
    digits = f"{value.numerator * 10**8 // value.denominator:09d}"
    return f"{digits[:-8]}.{digits[-8:]}".rstrip("0").rstrip(".")


def agree(
    session: Session,
    *,
    partner_id: UUID,
    redemption_price_minor: Decimal,
    currency: str,
    since: date,
    now: datetime,
) -> Agreement:
    """The partner's next agreement, valid from `since`; what was valid then ends the day before.

    It holds until the next one that was made begins. Raises DayIsOver, VersionTaken.
    """
    dated.take_turn(session, table=_TABLE)
    last = session.scalar(
        text("SELECT max(version) FROM settlement.agreement WHERE partner_id = :partner_id"), {"partner_id": partner_id}
    )
    price_minor = Fraction(redemption_price_minor)
    made = Agreement(ids.new(), partner_id, (last or 0) + 1, since, None, currency, price_minor, now)
    return _put(session, made)


def correct(session: Session, *, agreement_id: UUID, changes: AgreementChange, seen: Seen = None) -> Agreement:
    """Change an agreement that holds on no day that is over.

    Raises AgreementNotFound, DayIsOver, VersionTaken, Stale.
    """
    open_day = dated.take_turn(session, table=_TABLE)
    before = get(session, agreement_id)
    check(before.revision, seen)
    wanted = replace(before, **changes)
    if wanted == before:
        return before
    dated.take_out(session, table=_TABLE, key="agreement_id", value=agreement_id)
    dated.refuse_past(wanted.since, open_day=open_day)
    return _put(session, replace(wanted, revision=before.revision + 1))


def withdraw(session: Session, *, agreement_id: UUID) -> Agreement:
    """Take back an agreement that holds on no day that is over; the one before it goes on.

    Raises AgreementNotFound, DayIsOver.
    """
    dated.take_turn(session, table=_TABLE)
    before = get(session, agreement_id)
    dated.take_out(session, table=_TABLE, key="agreement_id", value=agreement_id)
    return before


def get(session: Session, agreement_id: UUID) -> Agreement:
    """One agreement; raises AgreementNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE agreement_id = :id"), {"id": agreement_id}).first()
    if row is None:
        raise AgreementNotFound("there is no such agreement")
    return _agreement(row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Agreement]:
    """A partner's agreements behind `after`, past, present and to come, in the order they were made."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND agreement_id > :after ORDER BY agreement_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [_agreement(row) for row in rows]


def everything(session: Session) -> list[Agreement]:
    """All agreements, by partner and version."""
    return [_agreement(row) for row in session.execute(text(f"{_SELECT} ORDER BY partner_id, version"))]


def in_force(session: Session, partner_id: UUID, day: date) -> bool:
    """Whether the partner has an agreement on `day`."""
    found = session.scalar(
        text("SELECT count(*) FROM settlement.agreement WHERE partner_id = :p AND valid @> CAST(:day AS date)"),
        {"p": partner_id, "day": day},
    )
    return bool(found)


issuing.NEEDS["agreement"] = in_force


def _agreement(row: Row[Any]) -> Agreement:
    return Agreement(
        row.agreement_id,
        row.partner_id,
        row.version,
        row.since,
        row.until,
        row.currency,
        Fraction(row.price),
        row.created_at,
        row.revision,
    )


def _put(session: Session, wanted: Agreement) -> Agreement:
    until = dated.make_room(session, table=_TABLE, partner_id=wanted.partner_id, since=wanted.since)
    made = replace(wanted, until=until)
    session.execute(
        text("""
            INSERT INTO settlement.agreement
                (agreement_id, partner_id, version, valid, currency, redemption_price_minor, created_at, revision)
            VALUES (:agreement_id, :partner_id, :version, daterange(CAST(:since AS date), CAST(:until AS date)),
                    :currency, :price, :created_at, :revision)
        """),
        {**vars(made), "price": Decimal(made.redemption_price)},
    )
    return made


class PriceBook:
    """Which agreement priced a lot: the one its issuer had on the day it was issued."""

    def __init__(self, agreements: list[Agreement]) -> None:
        self._found: dict[tuple[UUID, date], Agreement] = {}
        self._of_partner: dict[UUID, list[Agreement]] = {}
        for agreement in agreements:
            self._of_partner.setdefault(agreement.partner_id, []).append(agreement)

    def look_up(self, partner_id: UUID, day: date) -> Agreement | None:
        """The agreement of `partner_id` on `day`, if it has one."""
        if (known := self._found.get((partner_id, day))) is not None:
            return known
        for agreement in self._of_partner.get(partner_id, ()):
            if agreement.since <= day and (agreement.until is None or day < agreement.until):
                self._found[partner_id, day] = agreement
                return agreement
        return None

    def find(self, partner_id: UUID, day: date) -> Agreement:
        """The agreement of `partner_id` on `day`; raises AgreementMissing."""
        if (found := self.look_up(partner_id, day)) is not None:
            return found
        shown = ids.show(ids.PARTNER, partner_id)
        raise AgreementMissing(f"{shown} has no agreement on {day}", partner_id=shown, day=day)
