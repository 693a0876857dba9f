"""From a statement to what it is made of: its obligations, and the postings of each, as its reader may see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from kit.errors import NotFound
from settlement.obligations import Kept
from settlement.runs import Run


class ObligationNotFound(NotFound):
    code = "obligation_not_found"
    title = "Obligation not found"
    description = "There is no obligation with this id among yours."
    remedy = (
        "List a statement's obligations with GET /v1/statements/{statement_id}/obligations, and use an id from there."
    )


@dataclass(frozen=True)
class PostingLine:
    """A line of an obligation: `n` its place, from 1; the rest as settlement.line has it."""

    n: int
    transaction_id: UUID
    seq: int
    posted_on: date
    issued_on: date
    concerns: date
    reference: str
    points: int
    amount_minor: int
    location_id: UUID | None


_OBLIGATION = """
    SELECT day, payer_id, payee_id, kind, agreement_id, currency, points, amount_minor, cycle, obligation_id,
           lines_digest
    FROM settlement.obligation
"""


def obligation(session: Session, obligation_id: UUID) -> Kept:
    """One obligation; raises ObligationNotFound."""
    row = session.execute(text(f"{_OBLIGATION} WHERE obligation_id = :id"), {"id": obligation_id}).first()
    if row is None:
        raise ObligationNotFound("there is no such obligation")
    return Kept(*row)


def obligations(session: Session, run: Run, party_id: UUID | None, *, after: UUID, limit: int) -> list[Kept]:
    """The obligations of a run, or those of one party, by id, behind `after`."""
    rows = session.execute(
        text(f"""
            {_OBLIGATION}
            WHERE day BETWEEN :first AND :last AND cycle = :cycle
              AND (CAST(:party_id AS uuid) IS NULL OR :party_id IN (payer_id, payee_id))
              AND obligation_id > :after
            ORDER BY obligation_id LIMIT :limit
        """),
        {
            "first": run.first_day, "last": run.last_day, "cycle": run.cycle, "party_id": party_id, "after": after,
            "limit": limit,
        },
    )  # fmt: skip
    return [Kept(*row) for row in rows]


def runs_of(session: Session, partner_id: UUID, *, before: UUID, limit: int) -> list[Run]:
    """The runs that a partner has a statement of, made before `before`, the newest first."""
    rows = session.execute(
        text("""
            SELECT r.run_id, r.cycle, r.first_day, r.last_day, r.attempt, r.state
            FROM settlement.run_statement s JOIN settlement.run r USING (run_id)
            WHERE s.partner_id = :partner_id AND r.run_id < :before ORDER BY r.run_id DESC LIMIT :limit
        """),
        {"partner_id": partner_id, "before": before, "limit": limit},
    )
    return [Run(*row) for row in rows]


def lines(session: Session, obligation_id: UUID, *, after: int, limit: int) -> list[PostingLine]:
    """The lines of an obligation behind the `after`th, in order."""
    rows = session.execute(
        text("""
            SELECT n, txn_id, seq, posted_on, issued_on, concerns, reference, points, amount_minor,
                   location_id
            FROM settlement.line WHERE obligation_id = :id AND n > :after ORDER BY n LIMIT :limit
        """),
        {"id": obligation_id, "after": after, "limit": limit},
    )
    return [PostingLine(*row) for row in rows]
