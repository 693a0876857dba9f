"""Money entries: what parties owe each other beside points, settled with the business day that is open then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, programme
from kit import audit, ids, money, texts
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from partners import accounts

KINDS = ("promotion", "adjustment")
DISPUTE = "dispute"  # made by what becomes of a dispute (settlement.disputes), never by hand
MOST_MINOR = 10**15
LONGEST_REFERENCE = 64


class EntryRefused(Invalid):
    code = "entry_refused"
    title = "Entry refused"
    description = (
        "A money entry names two different parties, a currency of ISO 4217 and an amount in whole minor units that is "
        "not 0 and at most 10^15 either way."
    )
    remedy = "Correct what `detail` names."


class EntryExists(Conflict):
    code = "entry_exists"
    title = "Entry exists"
    description = "There is another entry of this kind between these parties with this reference."
    remedy = "Use a reference of its own for each entry."


class PartyNotFound(NotFound):
    code = "party_not_found"
    title = "Party not found"
    description = "There is neither a partner with this id, nor is it the coalition's."
    remedy = "Use the id of a partner, or that of the programme for the coalition itself."


@dataclass(frozen=True)
class Entry:
    """`payer_id` owes `payee_id` the amount, or the other way round if it is negative; settled with `day`."""

    entry_id: UUID
    day: date
    kind: str
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    reference: str
    reason: str
    made_by: str
    created_at: datetime


_SELECT = (
    "SELECT entry_id, day, kind, payer_id, payee_id, currency, amount_minor, reference, reason, made_by, created_at "
    "FROM settlement.entry"
)


def add(
    session: Session,
    act: Act,
    *,
    kind: str,
    payer_id: UUID,
    payee_id: UUID,
    currency: str,
    amount_minor: int,
    reference: str,
) -> Entry:
    """A new entry, for a reason, in the open business day; an adjustment of an earlier one is an entry the other way.

    Raises EntryRefused, EntryExists, PartyNotFound, ReasonMissing, MalformedText.
    """
    if kind not in KINDS:
        raise EntryRefused(f"an entry is one of {', '.join(KINDS)}")
    made = write_down(
        session, reason=audit.require_reason(act), by=act.decider, now=act.now,
        kind=kind, payer_id=payer_id, payee_id=payee_id, currency=currency, amount_minor=amount_minor,
        reference=reference,
    )  # fmt: skip
    audit.append(session, act, "settlement.entry_made", made, kind=kind, amount_minor=amount_minor, currency=currency)
    return made


def write_down(
    session: Session,
    *,
    reason: str,
    by: str,
    now: datetime,
    kind: str,
    payer_id: UUID,
    payee_id: UUID,
    currency: str,
    amount_minor: int,
    reference: str,
) -> Entry:
    """The same, of any kind, as a part of what somebody does, who writes it in the audit."""
    _check(payer_id, payee_id, currency, amount_minor)
    known = {one.partner_id for one in accounts.everybody(session)} | {programme.get(session).programme_id}
    if not {payer_id, payee_id} <= known:
        raise PartyNotFound("there is no such party")
    made = Entry(
        ids.new(), business_days.hold_open(session), kind, payer_id, payee_id, currency, amount_minor,
        texts.text(reference, what="reference", longest=LONGEST_REFERENCE), reason, by, now,
    )  # fmt: skip
    row = session.execute(
        text("""
            INSERT INTO settlement.entry (entry_id, day, kind, payer_id, payee_id, currency, amount_minor, reference,
                                          reason, made_by, created_at)
            VALUES (:entry_id, :day, :kind, :payer_id, :payee_id, :currency, :amount_minor, :reference, :reason,
                    :made_by, :created_at)
            ON CONFLICT (kind, payer_id, payee_id, reference) DO NOTHING RETURNING entry_id
        """),
        vars(made),
    ).first()
    if row is None:
        raise EntryExists(f"there is a {kind} between them with the reference {made.reference}")
    return made


def of_days(session: Session, first: date, last: date) -> list[Entry]:
    """The entries of the days from `first` to `last`, in the order they were made."""
    rows = session.execute(
        text(f"{_SELECT} WHERE day BETWEEN :first AND :last ORDER BY entry_id"), {"first": first, "last": last}
    )
    return [Entry(*row) for row in rows]


def _check(payer_id: UUID, payee_id: UUID, currency: str, amount_minor: int) -> None:
    if payer_id == payee_id:
        raise EntryRefused("nobody owes itself")
    if currency not in money.currencies():
        raise EntryRefused(f"{currency!r} is not a currency of ISO 4217")
    if amount_minor == 0 or abs(amount_minor) > MOST_MINOR:
        raise EntryRefused("the amount is a whole number of minor units, not 0, and at most 10^15 either way")
