"""What differs once both sides are matched: counted, and written down as breaks that keep their ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from kit.errors import Conflict
from settlement.reconciliation.loading import Load
from settlement.reconciliation.passes import PASSES

MOST_BREAKS = 100_000
GONE = "no longer found by the reconciliation"


class TooManyBreaks(Conflict):
    code = "too_many_breaks"
    title = "Too many breaks"
    description = (
        f"The partner's file and the ledger differ in more than {MOST_BREAKS} places. So much is rather the wrong "
        "file, mapping or days than what went wrong at a till. We kept nothing of it."
    )
    remedy = "Compare a few lines of the file with the ledger by hand, and correct the mapping, the days or the file."


@dataclass(frozen=True)
class Counts:
    """Of the span's days: lines, transactions, and how many pairs each pass found. `beyond`: lines around the span."""

    lines: int
    beyond: int
    postings: int
    by_reference: int
    by_member: int
    by_tolerance: int


@dataclass(frozen=True)
class Written:
    """How many breaks there are, how many of them are new or open again, and how many of before are no longer there."""

    breaks: int
    new: int
    reopened: int
    gone: int


# Every line and every transaction, alone or with what it belongs to.
_SIDES = """
    o AS (
        SELECT n, transaction_id, kind, reference, day, points, amount_minor, currency, member_id, living_id, is_erased,
               day BETWEEN :first AND :last AS is_inside
        FROM settlement.compared_row WHERE load_id = :load_id AND is_ours),
    t AS (
        SELECT r.n, r.kind, r.reference, r.day, r.points, r.amount_minor, r.currency, r.member_id, r.living_id,
               r.member_key, r.store, r.is_unknown, r.is_erased, p.pass, p.ours,
               r.day BETWEEN :first AND :last AS is_inside
        FROM settlement.compared_row r
        LEFT JOIN settlement.compared_pair p ON p.load_id = :load_id AND p.theirs = r.n
        WHERE r.load_id = :load_id AND NOT r.is_ours)
"""
_BY_PASS = ", ".join(
    f"count(*) FILTER (WHERE t.pass = '{one}' AND (o.is_inside OR t.is_inside)) AS by_{one}" for one in PASSES
)
_COUNT = f"""
    WITH {_SIDES}
    SELECT count(*) FILTER (WHERE t.is_inside) AS lines, count(*) FILTER (WHERE NOT t.is_inside) AS beyond,
           count(*) FILTER (WHERE o.is_inside) AS postings, {_BY_PASS}
    FROM t FULL JOIN o ON o.n = t.ours
"""  # noqa: S608 -- made of constants
_FOUND = f"""
    {_SIDES},
    found AS (
        SELECT d.type, d.difference, o.transaction_id, CASE WHEN o.is_inside THEN o.day ELSE t.day END AS day,
               CASE WHEN NOT coalesce(o.is_erased, false) AND NOT coalesce(t.is_erased, false)
                    THEN coalesce(o.member_id, t.member_id) END AS member_id,
               coalesce(o.kind, t.kind) AS kind, o.reference, o.day AS posted_on, o.points, o.amount_minor, o.currency,
               t.n AS line, t.reference AS line_reference, t.day AS line_day, t.points AS line_points,
               t.amount_minor AS line_amount_minor, t.currency AS line_currency,
               CASE WHEN NOT t.is_erased THEN t.store END AS line_store,
               CASE WHEN o.transaction_id IS NOT NULL THEN jsonb_build_array(d.type, o.transaction_id)
                    WHEN t.reference IS NOT NULL THEN jsonb_build_array(d.type, 'line', t.kind, t.reference, t.day)
                    ELSE jsonb_build_array(d.type, 'line', t.kind, t.day, t.points, t.amount_minor, t.currency,
                                           t.member_key, t.store) END AS known_by
        FROM t FULL JOIN o ON o.n = t.ours
        CROSS JOIN LATERAL (VALUES
            ('missing_there', -o.points, t.n IS NULL),
            ('missing_here', t.points, o.n IS NULL AND t.pass IS NULL AND NOT t.is_unknown),
            ('duplicate', t.points, t.pass = 'duplicate'),
            ('unknown_member', CAST(NULL AS bigint), t.is_unknown AND t.pass IS DISTINCT FROM 'duplicate'),
            ('points_differ', t.points - o.points, t.points <> o.points),
            ('amount_differs', CASE WHEN t.currency = o.currency THEN t.amount_minor - o.amount_minor END,
             (t.amount_minor, t.currency) <> (o.amount_minor, o.currency)),
            ('wrong_day', CAST(t.day - o.day AS bigint), t.day <> o.day),
            ('member_differs', CAST(NULL AS bigint), t.living_id <> o.living_id)
        ) d (type, difference, holds)
        WHERE d.holds AND (o.is_inside OR t.is_inside)
        LIMIT :most)
"""  # noqa: S608 -- made of constants
_FACTS = (
    "type", "day", "transaction_id", "member_id", "kind", "reference", "posted_on", "points", "amount_minor",
    "currency", "line", "line_reference", "line_day", "line_points", "line_amount_minor", "line_currency",
    "line_store", "difference",
)  # fmt: skip
# Whether what was resolved is another thing than what is there now.
_IS_ANOTHER = """
    (b.is_gone OR b.difference IS DISTINCT FROM EXCLUDED.difference OR (
        b.type = 'amount_differs' AND (b.line_amount_minor, b.line_currency)
                                      IS DISTINCT FROM (EXCLUDED.line_amount_minor, EXCLUDED.line_currency)))
"""
# Read beside `put`, the table still says what it said before.
_PUT = f"""
    WITH {_FOUND},
    put AS (
        INSERT INTO settlement.reconciliation_break AS b (break_id, partner_id, key, {", ".join(_FACTS)}, first_seen_at,
            first_seen_in, last_seen_in, load_id, state, is_gone)
        SELECT coalition.new_id(), :partner_id,
               sha256(convert_to(jsonb_build_array(f.known_by, f.place)::text, 'UTF8')), {", ".join(_FACTS)}, :now,
               :reconciliation_id, :reconciliation_id, :load_id, 'open', false
        FROM (SELECT {", ".join(_FACTS)}, known_by,
                     row_number() OVER (PARTITION BY known_by ORDER BY line) AS place FROM found) f
        ORDER BY f.day, f.type, f.line, f.transaction_id
        ON CONFLICT (partner_id, key) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _FACTS)},
            last_seen_in = EXCLUDED.last_seen_in, load_id = EXCLUDED.load_id, is_gone = false,
            state = CASE WHEN {_IS_ANOTHER} THEN 'open' ELSE b.state END,
            reason = CASE WHEN {_IS_ANOTHER} THEN NULL ELSE b.reason END,
            resolved_by = CASE WHEN {_IS_ANOTHER} THEN NULL ELSE b.resolved_by END,
            resolved_at = CASE WHEN {_IS_ANOTHER} THEN NULL ELSE b.resolved_at END
        RETURNING b.key, b.state, b.first_seen_at = :now AND b.xmax = 0 AS is_new)
    SELECT count(*) AS breaks, count(*) FILTER (WHERE put.is_new) AS new,
           count(*) FILTER (WHERE put.state = 'open' AND b.state = 'resolved') AS reopened
    FROM put LEFT JOIN settlement.reconciliation_break b ON b.partner_id = :partner_id AND b.key = put.key
"""  # noqa: S608 -- made of constants


def counts(session: Session, load: Load) -> Counts:
    """How much there is on both sides, and how much of it belongs together."""
    row = session.execute(text(_COUNT), _asked(load)).one()
    return Counts(*row)


def write_down(session: Session, load: Load, *, reconciliation_id: UUID, now: datetime) -> Written:
    """Keep what differs: what was known before as it is, and what is no longer there as resolved.

    What was resolved is open again if it comes back, or differs in another way than when somebody resolved it.
    Raises TooManyBreaks.
    """
    row = session.execute(
        text(_PUT),
        {
            **_asked(load),
            "most": MOST_BREAKS + 1,
            "partner_id": load.partner_id,
            "reconciliation_id": reconciliation_id,
            "now": now,
        },
    ).one()
    if row.breaks > MOST_BREAKS:
        raise TooManyBreaks(f"there are more than {MOST_BREAKS} breaks")
    gone = session.execute(
        text("""
            UPDATE settlement.reconciliation_break
            SET state = 'resolved', is_gone = true, reason = :reason, resolved_by = :by, resolved_at = :now
            WHERE partner_id = :partner_id AND day BETWEEN :first AND :last AND state = 'open' AND load_id <> :load_id
        """),
        {**_asked(load), "partner_id": load.partner_id, "reason": GONE, "by": "reconciliation", "now": now},
    ).rowcount
    return Written(row.breaks, row.new, row.reopened, gone)


def _asked(load: Load) -> dict[str, object]:
    return {"load_id": load.load_id, "first": load.span.first, "last": load.span.last}
