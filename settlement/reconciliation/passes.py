"""Which line of a partner's file is which of its transactions, in three passes: one to one, the same each time.

1. By reference and kind: first where day and points agree too, then whatever is left, in order of points and day. A
   line that is left then and has a reference and kind that another has as well is a duplicate, and matches nothing.
2. By member, kind, day and points: first where the amount agrees too.
3. By member and kind within the tolerances: the nearest days first, then the nearest points, then the earlier.

Where several are alike, the one that was posted first goes with the one that stands first in the file. The store is not
compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from kit.db import Session
from kit.errors import Conflict
from settlement.reconciliation.loading import Load

REFERENCE, MEMBER, TOLERANCE = PASSES = ("reference", "member", "tolerance")
DUPLICATE = "duplicate"
# The third pass lays all that is left of a member beside all that is left of it: 4 million pairs at the most, and in
# rounds. A person has so much of one kind only where no reference fits.
MOST_DIFFERENT = 2_000


class TooManyToMatch(Conflict):
    code = "too_many_to_match"
    title = "Too many to match by tolerance"
    description = (
        f"A member has more than {MOST_DIFFERENT} different lines or transactions of one kind that match neither by "
        "reference nor by day and points. Within a tolerance any of them could belong to many others. We kept nothing."
    )
    remedy = "Compare fewer days at once or without a tolerance, and see whether the mapping names the right reference."


# What no pass has taken yet.
_LEFT = """
    left_ AS (
        SELECT r.is_ours, r.n, r.kind, r.reference, r.day, r.points, r.amount_minor, r.living_id
        FROM settlement.compared_row r
        WHERE r.load_id = :load_id
          AND NOT (r.is_ours AND EXISTS (
              SELECT FROM settlement.compared_pair p WHERE p.load_id = :load_id AND p.ours = r.n))
          AND NOT (NOT r.is_ours AND EXISTS (
              SELECT FROM settlement.compared_pair p WHERE p.load_id = :load_id AND p.theirs = r.n)))
"""
# The k-th of ours that have a key in common with the k-th of theirs.
_BY_RANK = """
    WITH {left}, ranked AS (
        SELECT is_ours, n, {names}, row_number() OVER (PARTITION BY is_ours, {names} ORDER BY {order}) AS k
        FROM left_ WHERE {has})
    INSERT INTO settlement.compared_pair (load_id, pass, ours, theirs)
    SELECT :load_id, :pass, o.n, t.n
    FROM (SELECT n, k, {names} FROM ranked WHERE is_ours) o
    JOIN (SELECT n, k, {names} FROM ranked WHERE NOT is_ours) t USING ({names}, k)
"""
_REFERENCES = (
    (REFERENCE, "reference, kind, day, points", "amount_minor, n", "reference IS NOT NULL"),
    (REFERENCE, "reference, kind", "points, day, amount_minor, n", "reference IS NOT NULL"),
)
_MEMBERS = (
    (MEMBER, "living_id, kind, day, points, amount_minor", "n", "living_id IS NOT NULL AND amount_minor IS NOT NULL"),
    (MEMBER, "living_id, kind, day, points", "n", "living_id IS NOT NULL"),
)
_DUPLICATES = """
    WITH seen AS (
        SELECT r.n, p.theirs IS NULL AS is_left,
               bool_or(p.theirs IS NOT NULL) OVER same AS is_matched,
               min(CASE WHEN p.theirs IS NULL THEN r.n END) OVER same AS first_left
        FROM settlement.compared_row r
        LEFT JOIN settlement.compared_pair p ON p.load_id = :load_id AND p.theirs = r.n
        WHERE r.load_id = :load_id AND NOT r.is_ours AND r.reference IS NOT NULL
        WINDOW same AS (PARTITION BY r.reference, r.kind))
    INSERT INTO settlement.compared_pair (load_id, pass, ours, theirs)
    SELECT :load_id, :pass, NULL, n FROM seen WHERE is_left AND (is_matched OR n > first_left)
"""
# Those that are alike are taken together: rounds are as many as there are different postings of a member near each
# other, not as there are postings. A pair that is the nearest for both of its sides is what a person would take who
# goes through all pairs from the nearest on, so the rounds end where that would.
_NEAREST = """
    WITH {left}, alike AS (
        SELECT is_ours, living_id, kind, day, points FROM left_ WHERE living_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5),
    near AS (
        SELECT living_id, kind, o.day, o.points, t.day AS their_day, t.points AS their_points,
               row_number() OVER (PARTITION BY living_id, kind, o.day, o.points ORDER BY {order}) AS for_ours,
               row_number() OVER (PARTITION BY living_id, kind, t.day, t.points ORDER BY {order}) AS for_theirs
        FROM (SELECT living_id, kind, day, points FROM alike WHERE is_ours) o
        JOIN (SELECT living_id, kind, day, points FROM alike WHERE NOT is_ours) t USING (living_id, kind)
        WHERE abs(t.day - o.day) <= :days AND abs(t.points - o.points) <= :points),
    ranked AS (
        SELECT is_ours, n, living_id, kind, day, points,
               row_number() OVER (PARTITION BY is_ours, living_id, kind, day, points ORDER BY n) AS k
        FROM left_ WHERE living_id IS NOT NULL)
    INSERT INTO settlement.compared_pair (load_id, pass, ours, theirs)
    SELECT :load_id, :pass, o.n, t.n
    FROM near
    JOIN ranked o USING (living_id, kind, day, points)
    JOIN ranked t ON (t.living_id, t.kind, t.day, t.points, t.k)
                     = (near.living_id, near.kind, near.their_day, near.their_points, o.k)
    WHERE near.for_ours = 1 AND near.for_theirs = 1 AND o.is_ours AND NOT t.is_ours
"""
_TOO_MANY = """
    WITH {left}, alike AS (
        SELECT DISTINCT is_ours, living_id, kind, day, points FROM left_ WHERE living_id IS NOT NULL)
    SELECT EXISTS (SELECT FROM alike GROUP BY is_ours, living_id, kind HAVING count(*) > :most)
"""
_ORDER = "abs(t.day - o.day), abs(t.points - o.points), o.day, o.points, t.day, t.points"
# Nobody has told the planner how much was just laid there, and a nested loop over it would never end.
_PLANNED = text("""
    SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true),
           set_config('jit', 'off', true)
""")


@dataclass(frozen=True)
class Tolerance:
    """How far a line of the third pass may be from its transaction."""

    points: int = 0
    days: int = 0


def match(session: Session, load: Load, tolerance: Tolerance) -> None:
    """Find what belongs together of what was loaded, and write the pairs down beside it. Raises TooManyToMatch."""
    session.execute(_PLANNED)
    _by_rank(session, load, _REFERENCES)
    session.execute(text(_DUPLICATES), {"load_id": load.load_id, "pass": DUPLICATE})
    _by_rank(session, load, _MEMBERS)
    if tolerance == Tolerance():
        return
    too_many = text(_TOO_MANY.format(left=_LEFT))
    if session.scalar(too_many, {"load_id": load.load_id, "most": MOST_DIFFERENT}):
        raise TooManyToMatch(f"there are more than {MOST_DIFFERENT} different ones of a member and kind")
    nearest = text(_NEAREST.format(left=_LEFT, order=_ORDER))
    asked = {"load_id": load.load_id, "pass": TOLERANCE, "days": tolerance.days, "points": tolerance.points}
    while session.execute(nearest, asked).rowcount:
        pass


def _by_rank(session: Session, load: Load, steps: tuple[tuple[str, str, str, str], ...]) -> None:
    for pass_, names, order, has in steps:
        statement = _BY_RANK.format(left=_LEFT, names=names, order=order, has=has)
        session.execute(text(statement), {"load_id": load.load_id, "pass": pass_})
