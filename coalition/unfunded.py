"""Issuers whose earns are not funded now, and the points that wait for it: who stands above this room says which.

What such an issuer's earns give is pending in an account of its own, `unfunded`, and counts as issued once it is funded
(docs/decisions/0036).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition.scheduled_postings import Waiting
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, stream


def put(session: Session, act: Act, wanted: Collection[UUID]) -> None:
    """Let the earns of `wanted` be unfunded from now on, and those of nobody else.

    An issuer that has points waiting stays as it is: what it issues next would be funded before them.
    """
    there = issuers(session)
    dropped, added = there - set(wanted), set(wanted) - there
    if dropped:
        dropped -= waiting(session).keys()
    if dropped:
        # Waits for earns that saw it. Those that come now wait for this, and then see what it left.
        session.execute(
            text("DELETE FROM coalition.unfunded_issuer WHERE issuer_id = ANY(:ids)"), {"ids": sorted(dropped)}
        )
        still = waiting(session).keys() & dropped
        dropped -= still
        _add(session, still, act.now)
    _add(session, added, act.now)
    if not dropped and not added:
        return
    shown = {
        name: [ids.show(ids.PARTNER, partner_id) for partner_id in found]
        for name, found in (("funded", sorted(dropped)), ("unfunded", sorted(added)))
    }
    audit.append(session, act, "unfunded_issuers.changed", "unfunded issuers", **shown)


def _add(session: Session, wanted: Collection[UUID], now: datetime) -> None:
    session.execute(
        text("INSERT INTO coalition.unfunded_issuer (issuer_id, since) SELECT unnest(CAST(:ids AS uuid[])), :now"),
        {"ids": sorted(wanted), "now": now},
    )


def are_any(session: Session) -> bool:
    """Whether the earns of any issuer are unfunded."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT FROM coalition.unfunded_issuer)")))


def issuers(session: Session) -> set[UUID]:
    """Whose earns are unfunded: all who have points that wait are among them."""
    return set(session.scalars(text("SELECT issuer_id FROM coalition.unfunded_issuer")))


def waiting(session: Session) -> dict[UUID, int]:
    """How many points wait to be funded, by issuer; none that are 0."""
    rows = session.execute(
        text("""
            SELECT l.issuer_id, sum(l.remaining)::bigint AS points FROM coalition.lot l
            WHERE l.is_unfunded GROUP BY 1
        """)
    )
    return {row.issuer_id: row.points for row in rows}


def lots(session: Session, issuer_id: UUID, *, at_most: int) -> Iterator[Waiting]:
    """The lots of an issuer that wait, in the order they were earned."""
    rows = stream(
        session,
        """
        SELECT l.issuer_id, l.member_id, l.lot_id, l.issued_on, l.remaining FROM coalition.lot l
        WHERE l.is_unfunded AND l.issuer_id = :issuer
        ORDER BY l.issued_on, coalesce(l.origin_id, l.lot_id), l.lot_id LIMIT :at_most
        """,
        {"issuer": issuer_id, "at_most": at_most},
    )
    return (Waiting(*row) for row in rows)
