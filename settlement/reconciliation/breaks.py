"""What a partner's file and the ledger disagree about: each with a type, an owner and an age, until it is resolved."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, texts
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, NotFound

TYPES = (
    "missing_here", "missing_there", "points_differ", "amount_differs", "duplicate", "wrong_day", "unknown_member",
    "member_differs",
)  # fmt: skip
OPEN, RESOLVED = STATES = ("open", "resolved")


class BreakNotFound(NotFound):
    code = "break_not_found"
    title = "Break not found"
    description = "No reconciliation found a break with this id."
    remedy = "List the breaks with `coalition settlement breaks`, and use an id from there."


class BreakIsResolved(Conflict):
    code = "break_is_resolved"
    title = "Break is resolved"
    description = "The break is resolved already, by somebody or because it is no longer there. We changed nothing."
    remedy = "Look at its reason with `coalition settlement breaks --state resolved`."


@dataclass(frozen=True)
class Break:
    """A line of a partner's file, a transaction of ours, or both, and how they differ.

    What begins with `line` is the partner's, what else is the ledger's. `difference` is theirs less ours, in points,
    minor units or, of a wrong day, days. `is_gone`: it was resolved because a later comparison no longer found it.
    """

    break_id: UUID
    partner_id: UUID
    type: str
    day: date
    transaction_id: UUID | None
    member_id: UUID | None
    kind: str
    reference: str | None
    posted_on: date | None
    points: int | None
    amount_minor: int | None
    currency: str | None
    line: int | None
    line_reference: str | None
    line_day: date | None
    line_points: int | None
    line_amount_minor: int | None
    line_currency: str | None
    line_store: str | None
    difference: int | None
    first_seen_at: datetime
    first_seen_in: UUID
    last_seen_in: UUID
    owner: str | None
    state: str
    reason: str | None
    resolved_by: str | None
    resolved_at: datetime | None
    is_gone: bool


@dataclass(frozen=True)
class Asked:
    """Which breaks are wanted; None: whichever."""

    partner_id: UUID | None = None
    state: str | None = None
    owner: str | None = None
    type: str | None = None


_SELECT = f"SELECT {', '.join(field.name for field in fields(Break))} FROM settlement.reconciliation_break"  # noqa: S608


def find(session: Session, asked: Asked, *, after: UUID, limit: int) -> list[Break]:
    """Breaks in the order in which they were first seen, from `after` on."""
    rows = session.execute(
        text(f"""
            {_SELECT} WHERE break_id > :after AND (CAST(:partner_id AS uuid) IS NULL OR partner_id = :partner_id)
                AND (CAST(:state AS text) IS NULL OR state = :state)
                AND (CAST(:owner AS text) IS NULL OR owner = :owner)
                AND (CAST(:type AS text) IS NULL OR type = :type)
            ORDER BY break_id LIMIT :limit
        """),
        {**vars(asked), "after": after, "limit": limit},
    )
    return [Break(*row) for row in rows]


def assign(session: Session, act: Act, *, break_id: UUID, owner: str) -> Break:
    """Make somebody the owner of an open break. Raises BreakNotFound, BreakIsResolved, MalformedText."""
    found = _open(session, break_id)
    named = texts.text(owner, what="owner")
    session.execute(
        text("UPDATE settlement.reconciliation_break SET owner = :owner WHERE break_id = :break_id"),
        {"owner": named, "break_id": break_id},
    )
    audit.append(session, act, "settlement.break_assigned", found)
    return replace(found, owner=named)


def resolve(session: Session, act: Act, *, break_id: UUID) -> Break:
    """Resolve an open break for a reason; found again, it stays so. Raises BreakNotFound, BreakIsResolved."""
    reason = audit.require_reason(act)
    found = _open(session, break_id)
    made = replace(found, state=RESOLVED, reason=reason, resolved_by=act.decider, resolved_at=act.now)
    session.execute(
        text("""
            UPDATE settlement.reconciliation_break
            SET state = :state, reason = :reason, resolved_by = :resolved_by, resolved_at = :resolved_at
            WHERE break_id = :break_id
        """),
        vars(made),
    )
    audit.append(session, act, "settlement.break_resolved", found)
    return made


def _open(session: Session, break_id: UUID) -> Break:
    row = session.execute(text(f"{_SELECT} WHERE break_id = :break_id FOR UPDATE"), {"break_id": break_id}).first()
    if row is None:
        raise BreakNotFound("there is no such break")
    found = Break(*row)
    if found.state != OPEN:
        raise BreakIsResolved(f"it was resolved by {found.resolved_by}")
    return found
