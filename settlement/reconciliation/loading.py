"""Both sides of a comparison, laid beside each other in one table for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import identifiers, members
from coalition.identifiers import KIND_OF_FIELD, Identifier
from kit import ids
from kit.db import Session, copy_in
from kit.errors import Invalid
from kit.pairwise import view_of
from kit.secrets import Keyring
from settlement.cycles import Span
from settlement.reconciliation.lines import Line
from settlement.reconciliation.mappings import MEMBER_ID

LINES_AT_ONCE = 5_000
_KEY_FOR = "members in partners' files"
_COPY = """
    COPY settlement.compared_row (load_id, is_ours, n, kind, reference, day, points, amount_minor, currency, member_id,
        living_id, member_key, store, is_unknown, is_erased) FROM STDIN
"""


@dataclass(frozen=True)
class Load:
    """One comparison of a partner's, of the days of `span` and, to either side, so many days `around` them.

    What lies around can belong to what lies inside, but is never missing itself.
    """

    load_id: UUID
    partner_id: UUID
    span: Span
    around: timedelta
    member_by: str
    keyring: Keyring

    @property
    def reach(self) -> Span:
        """All days that are looked at."""
        return Span(self.span.first - self.around, self.span.last + self.around)


def ours(session: Session, load: Load) -> None:
    """Lay the partner's transactions there, in the order of their ids."""
    session.execute(
        text("""
            INSERT INTO settlement.compared_row (load_id, is_ours, n, transaction_id, kind, reference, day, points,
                amount_minor, currency, member_id, living_id, is_unknown, is_erased)
            SELECT :load_id, true, row_number() OVER (ORDER BY p.txn_id), p.txn_id, p.kind, p.reference, p.day,
                   p.points, p.amount_minor, p.currency, p.member_id, p.member_id, false, false
            FROM coalition.posted_by(:partner_id, :first, :last) p
        """),
        {
            "load_id": load.load_id,
            "partner_id": load.partner_id,
            "first": load.reach.first,
            "last": load.reach.last,
        },
    )


def theirs(session: Session, load: Load, lines: Iterable[Line], told: Callable[[int], None]) -> int:
    """Lay the lines of the partner's file there that are within reach; returns how many others there were.

    `told` hears how many were read, after every few thousand.
    """
    reach, outside, read = load.reach, 0, 0
    left = iter(lines)
    while some := list(islice(left, LINES_AT_ONCE)):
        inside = [line for line in some if reach.first <= line.day <= reach.last]
        outside += len(some) - len(inside)
        found = _resolved(session, load, {line.member for line in inside if line.member})
        copy_in(session, _COPY, _rows(load, inside, found))
        read += len(some)
        told(read)
    return outside


def _rows(load: Load, lines: list[Line], found: dict[str, UUID | None]) -> Iterator[Sequence[Any]]:
    for line in lines:
        member_id = found[line.member] if line.member else None
        key = None
        if line.member:
            key = str(member_id or load.keyring.fingerprint(purpose=_KEY_FOR, value=line.member).hex())
        yield (
            load.load_id, False, line.number, line.kind, line.reference, line.day, line.points, line.amount_minor,
            line.currency, member_id, member_id, key, line.store, bool(line.member) and member_id is None, False,
        )  # fmt: skip


def _resolved(session: Session, load: Load, written: set[str]) -> dict[str, UUID | None]:
    """Whom the partner means by what it has written; None: nobody we could know."""
    if load.member_by == MEMBER_ID:
        view = view_of(load.keyring, load.partner_id)
        with ids.seen_by(view):
            return {one: _parsed(one) for one in written}
    kind = KIND_OF_FIELD[load.member_by]
    given = {one: _identifier(kind, one, load.partner_id) for one in written}
    found = members.find_many(session, {one for one in given.values() if one}, load.keyring)
    return {one: found.get(identifier) if identifier else None for one, identifier in given.items()}


def _parsed(written: str) -> UUID | None:
    try:
        return ids.parse(ids.MEMBER, written)
    except ids.MalformedId:
        return None


def _identifier(kind: str, written: str, partner_id: UUID) -> Identifier | None:
    try:
        return identifiers.parse(kind, written, partner_id=partner_id)
    except Invalid:
        return None


def follow_merges(session: Session, load: Load) -> None:
    """Take members that were merged for those they were merged into, and note who is nobody's."""
    session.execute(
        text("""
            UPDATE settlement.compared_row r SET living_id = m.living_id FROM coalition.merged_members() m
            WHERE r.load_id = :load_id AND r.member_id = m.member_id
        """),
        {"load_id": load.load_id},
    )
    session.execute(
        text("""
            UPDATE settlement.compared_row r SET is_unknown = true, member_id = NULL, living_id = NULL
            WHERE r.load_id = :load_id AND NOT r.is_ours AND r.member_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM coalition.known_members(ARRAY(
                    SELECT DISTINCT x.member_id FROM settlement.compared_row x
                    WHERE x.load_id = :load_id AND NOT x.is_ours AND x.member_id IS NOT NULL)) k
                WHERE k.member_id = r.member_id)
        """),
        {"load_id": load.load_id},
    )


def note_erased(session: Session, load: Load) -> None:
    """Note the members that were erased: what differs doesn't name them. Whoever calls it keeps erasures waiting.

    Who was merged was erased with the one it was merged into, maybe after the rows were laid there.
    """
    session.execute(
        text("""
            WITH loaded AS MATERIALIZED (
                SELECT DISTINCT r.member_id FROM settlement.compared_row r
                WHERE r.load_id = :load_id AND r.member_id IS NOT NULL
            ), merged AS MATERIALIZED (
                SELECT m.member_id, m.living_id FROM coalition.merged_members() m JOIN loaded USING (member_id)
            ), erased AS MATERIALIZED (
                SELECT k.member_id FROM coalition.known_members(ARRAY(
                    SELECT l.member_id FROM loaded l UNION SELECT m.living_id FROM merged m)) k
                WHERE k.is_erased
            )
            UPDATE settlement.compared_row r SET is_erased = true
            WHERE r.load_id = :load_id AND r.member_id IN (
                SELECT e.member_id FROM erased e
                UNION ALL SELECT m.member_id FROM merged m JOIN erased e ON e.member_id = m.living_id)
        """),
        {"load_id": load.load_id},
    )


def clear(session: Session, load: Load) -> None:
    """Take all of it away again."""
    for table in ("compared_pair", "compared_row"):
        session.execute(
            text(f"DELETE FROM settlement.{table} WHERE load_id = :load_id"),  # noqa: S608 -- names of ours
            {"load_id": load.load_id},
        )
