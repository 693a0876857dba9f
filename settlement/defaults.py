"""A partner's default: it stops paying, and everybody it owes is paid all the same.

From the declaration on, each payment that the partner has to make in an approved run is covered in a stated order: from
its deposit as far as that goes, then by the coalition, which pays in its place. What the coalition itself was to get is
covered in the same order, and no money moves for it. Obligations, positions and payments stay as they are, so nets add
up to zero as ever. What was covered is the coalition's claim against the partner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from coalition.approvals import same_person
from kit import audit
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Forbidden
from partners import accounts
from settlement import agreements, payments, policies, runs, statements
from settlement.payments import COVERED, Standing
from settlement.statements import Party
from settlement.tables import CURRENCY, MONEY, Bars, Column, Table

DEPOSIT, COALITION = SOURCES = ("deposit", "coalition")  # in the order in which they pay
BY_COVER = "cover"
EVENT = "settlement.payment_covered"
Key = tuple[UUID, str]  # a partner and a currency


class AlreadyInDefault(Conflict):
    code = "already_in_default"
    title = "Already in default"
    description = "The partner was declared in default before. A default is declared once."
    remedy = "Run `coalition settlement claims` to see what was paid in its place."


class StillTrading(Conflict):
    code = "still_trading"
    title = "Partner still trades"
    description = "A partner in default issues no points and takes none. This one may do so still."
    remedy = "Suspend the partner first, with `coalition partner suspend`."


class DefaultNeedsApproval(Forbidden):
    code = "default_needs_approval"
    title = "Second person needed"
    description = "By the settlement policy two people decide what moves money, and so a default too."
    remedy = "Repeat the command with --approved-by and the name of a second person."


@dataclass(frozen=True)
class Default:
    """That a partner stopped paying; `covered` are the payments that others make in its place from the start."""

    partner_id: UUID
    declared_at: datetime
    declared_by: str
    approved_by: str | None
    reason: str
    covered: int


@dataclass(frozen=True)
class Claim:
    """What was covered for a partner in one currency, in minor units: it owes the coalition `coalition_minor`."""

    partner_id: UUID
    currency: str
    deposit_minor: int
    coalition_minor: int


def declare(session: Session, act: Act, *, partner_id: UUID) -> Default:
    """Declare that a partner stopped paying, for a reason; what it has to pay now is covered at once.

    Raises PartnerNotFound, AlreadyInDefault, StillTrading, DefaultNeedsApproval, ReasonMissing.
    """
    reason = audit.require_reason(act)
    wait_for_lock(session, payments.LOCK)
    partner = accounts.by_id(session, partner_id)
    if partner_id in _all_of_them(session):
        raise AlreadyInDefault(f"{partner.name} is in default already")
    if not all(partner.standing.stops(role, now=act.now) for role in ("issuer", "redeemer")):
        raise StillTrading(f"{partner.name} may still issue or take points")
    needs_two = policies.get(session).approvals > 1
    if needs_two and (act.approved_by is None or same_person(act.approved_by, act.decider)):
        raise DefaultNeedsApproval("a default needs the approval of somebody else")
    made = Default(partner_id, act.now, act.decider, act.approved_by, reason, 0)
    session.execute(
        text("""
            INSERT INTO settlement.partner_default (partner_id, declared_at, declared_by, approved_by, reason)
            VALUES (:partner_id, :declared_at, :declared_by, :approved_by, :reason)
        """),
        vars(made),
    )
    covered = cover_open(session, at=act.now, by=act.decider)
    audit.append(session, act, "partner.defaulted", partner, covered=covered, approved_by=act.approved_by)
    return Default(partner_id, act.now, act.decider, act.approved_by, reason, covered)


def cover_open(session: Session, *, at: datetime, by: str) -> int:
    """Cover what partners in default have to pay in runs that are approved; returns how many payments.

    Whoever calls it holds payments.LOCK.
    """
    if not (whose := _all_of_them(session)):
        return 0
    theirs = payments.find(
        session, "p.payer_id = ANY(:whose) AND r.state IN ('approved', 'instructed')", whose=list(whose)
    )
    return _cover(session, theirs, at=at, by=by)


def claims(session: Session) -> list[Claim]:
    """What was covered, by partner and currency; nothing of runs that were abandoned."""
    sums: dict[Key, dict[str, int]] = {}
    rows = session.execute(
        text("""
            SELECT p.payer_id, p.currency, c.source, sum(c.amount_minor)::bigint AS amount_minor
            FROM settlement.cover c JOIN settlement.run_payment p USING (payment_id)
            JOIN settlement.run r USING (run_id)
            WHERE r.state <> 'abandoned' GROUP BY 1, 2, 3 ORDER BY 1, 2
        """)
    )
    for row in rows:
        sums.setdefault((row.payer_id, row.currency), {})[row.source] = row.amount_minor
    return [Claim(*key, found.get(DEPOSIT, 0), found.get(COALITION, 0)) for key, found in sums.items()]


def _all_of_them(session: Session) -> set[UUID]:
    return set(session.scalars(text("SELECT partner_id FROM settlement.partner_default")))


def _cover(session: Session, due: Sequence[Standing], *, at: datetime, by: str) -> int:
    """Cover what is open of payments, in order, unless they are covered already; returns how many."""
    left, covered = _deposits_left(session), 0
    fund, parties = programme.get(session).programme_id, statements.parties(session)
    for one in due:
        if one.is_covered or not one.open_minor:
            continue
        key = one.payment.payer_id, one.payment.currency
        from_deposit = min(left.get(key, 0), one.open_minor)
        left[key] = left.get(key, 0) - from_deposit
        for source, amount in zip(SOURCES, (from_deposit, one.open_minor - from_deposit), strict=True):
            if amount:
                _keep(session, one, source, amount, at)
        if one.payment.payee_id == fund:
            change = payments.Change(one.payment.payment_id, COVERED, one.open_minor, None, BY_COVER)
            payments.write_down(session, change, at=at, by=by)
        payments.tell_of(session, runs.get(session, one.run_id), one.payment, EVENT, parties=parties, now=at)
        covered += 1
    return covered


def _keep(session: Session, one: Standing, source: str, amount_minor: int, at: datetime) -> None:
    session.execute(
        text("""
            INSERT INTO settlement.cover (payment_id, source, amount_minor, by_hand, at)
            VALUES (:id, :source, :amount, EXISTS (
                SELECT FROM settlement.instructed_payment WHERE payment_id = :id), :at)
        """),
        {"id": one.payment.payment_id, "source": source, "amount": amount_minor, "at": at},
    )


def _deposits_left(session: Session) -> dict[Key, int]:
    """What partners have deposited by their agreements in force, less what was paid from it."""
    terms = agreements.in_force(session, programme.get(session).open_day)
    left = {(one.partner_id, one.currency): one.deposit_minor for one in terms.values()}
    for claim in claims(session):
        key = claim.partner_id, claim.currency
        left[key] = max(left.get(key, 0) - claim.deposit_minor, 0)
    return left


COLUMNS = (
    Column("partner", "partner"), CURRENCY, Column("deposit_minor", "from its deposit", MONEY),
    Column("coalition_minor", "owed to the coalition", MONEY),
)  # fmt: skip

_PICTURE = Bars("partner", ("deposit_minor", "coalition_minor"))


def table(found: Sequence[Claim], parties: Mapping[UUID, Party]) -> Table:
    """The claims for people and programs."""
    rows = [(parties[one.partner_id].code, one.currency, one.deposit_minor, one.coalition_minor) for one in found]
    return Table("What was paid in the place of partners in default", COLUMNS, rows, picture=_PICTURE)
