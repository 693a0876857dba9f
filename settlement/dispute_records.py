"""Disputes as they are kept, and what they moved in a run. What is done with them stands in settlement.disputes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from kit.errors import NotFound
from settlement.runs import Run

OPEN, RESOLVED = STATUSES = ("open", "resolved")


class DisputeNotFound(NotFound):
    code = "dispute_not_found"
    title = "Dispute not found"
    description = "There is no dispute with this id among yours."
    remedy = "List your disputes with GET /v1/disputes, or the coalition's with `coalition settlement disputes`."


@dataclass(frozen=True)
class Dispute:
    """A disputed line of `obligation_id`: its `line`-th, or the obligation itself, which has none.

    `payer_id` owes `payee_id` the `amount_minor` of the line, of the business day `settled_on` and the obligation's
    `kind`. It left the net with `day`, and `back_minor` of it came back with `resolved_on`.
    """

    dispute_id: UUID
    obligation_id: UUID
    line: int | None
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    raised_by_id: UUID
    reason: str
    raised_at: datetime
    day: date
    settled_on: date
    kind: str
    transaction_id: UUID | None
    reference: str | None
    comment: str | None
    answered_at: datetime | None
    outcome: str | None
    back_minor: int | None
    resolved_on: date | None
    resolution: str | None
    resolved_at: datetime | None

    @property
    def status(self) -> str:
        """One of STATUSES."""
        return OPEN if self.outcome is None else RESOLVED

    @property
    def parties(self) -> tuple[UUID, UUID]:
        """The two that it is between."""
        return self.payer_id, self.payee_id


_SELECT = """
    SELECT d.dispute_id, d.obligation_id, d.n, d.payer_id, d.payee_id, d.currency, d.amount_minor, d.raised_by_id,
           d.reason, d.raised_at, d.day, o.day AS settled_on, o.kind, l.txn_id, l.reference, a.comment, a.answered_at,
           r.outcome, r.back_minor, r.day AS resolved_on, r.reason AS resolution, r.resolved_at
    FROM settlement.dispute d
    JOIN settlement.obligation o ON o.obligation_id = d.obligation_id
    LEFT JOIN settlement.line l ON l.obligation_id = d.obligation_id AND l.n = d.n
    LEFT JOIN settlement.dispute_answer a ON a.dispute_id = d.dispute_id
    LEFT JOIN settlement.dispute_resolution r ON r.dispute_id = d.dispute_id
"""


def get(session: Session, dispute_id: UUID, *, party_id: UUID | None = None) -> Dispute:
    """One dispute, of a party's own if that is given; raises DisputeNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE d.dispute_id = :id"), {"id": dispute_id}).first()
    if row is None or (party_id is not None and party_id not in (row.payer_id, row.payee_id)):
        raise DisputeNotFound("there is no such dispute")
    return Dispute(*row)


def newest(
    session: Session, *, before: UUID, limit: int, party_id: UUID | None = None, statuses: tuple[str, ...] = STATUSES
) -> list[Dispute]:
    """The disputes raised before `before`, a party's own if that is given, the newest first."""
    rows = session.execute(
        text(f"""
            {_SELECT}
            WHERE d.dispute_id < :before AND (CAST(:party_id AS uuid) IS NULL OR :party_id IN (d.payer_id, d.payee_id))
              AND CASE WHEN r.dispute_id IS NULL THEN 'open' ELSE 'resolved' END = ANY(:statuses)
            ORDER BY d.dispute_id DESC LIMIT :limit
        """),
        {"before": before, "party_id": party_id, "statuses": list(statuses), "limit": limit},
    )
    return [Dispute(*row) for row in rows]


@dataclass(frozen=True)
class Move:
    """A step of a dispute with `day`: `raised`, or its outcome.

    It adds `amount_minor` to what `payer_id` owes `payee_id`. The line is that of the business day `settled_on`, of
    an obligation of `kind`; an obligation without lines has neither transaction nor reference.
    """

    day: date
    dispute_id: UUID
    step: str
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    settled_on: date
    kind: str
    transaction_id: UUID | None
    reference: str | None


# The run is that of the obligation which the entry became; what is upheld moves nothing, and goes with the line's.
_MOVES = text("""
    WITH moved AS (
        SELECT day, dispute_id, 'raised' AS step, -amount_minor AS amount_minor
        FROM settlement.dispute WHERE day BETWEEN :first AND :last
        UNION ALL
        SELECT day, dispute_id, outcome, back_minor
        FROM settlement.dispute_resolution WHERE day BETWEEN :first AND :last
    )
    SELECT m.day, m.dispute_id, m.step, d.payer_id, d.payee_id, d.currency, m.amount_minor, o.day AS settled_on, o.kind,
           l.txn_id, l.reference
    FROM moved m
    JOIN settlement.dispute d ON d.dispute_id = m.dispute_id
    JOIN settlement.obligation o ON o.obligation_id = d.obligation_id
    LEFT JOIN settlement.line l ON l.obligation_id = d.obligation_id AND l.n = d.n
    LEFT JOIN settlement.obligation e ON e.day = m.day AND e.kind = 'dispute' AND e.currency = d.currency
        AND e.payer_id = d.payer_id AND e.payee_id = d.payee_id
    WHERE coalesce(e.cycle, o.cycle) = :cycle
    ORDER BY m.day, m.dispute_id, m.step <> 'raised'
""")


def moves(session: Session, run: Run) -> list[Move]:
    """What disputes moved in a run, those of a day together, in the order in which the disputes were raised."""
    rows = session.execute(_MOVES, {"first": run.first_day, "last": run.last_day, "cycle": run.cycle})
    return [Move(*row) for row in rows]
