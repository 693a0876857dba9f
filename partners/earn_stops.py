"""Issuers whose earns are refused, for they owe more than their limit: who stands above this room says which."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session


def put(session: Session, act: Act, wanted: Collection[UUID]) -> None:
    """Let the earns of `wanted` be refused, and those of nobody else. A request learns of it within seconds."""
    there = set(session.scalars(text("SELECT partner_id FROM partners.earn_stop")))
    allowed, refused = sorted(there - set(wanted)), sorted(set(wanted) - there)
    if not allowed and not refused:
        return
    session.execute(text("DELETE FROM partners.earn_stop WHERE partner_id = ANY(:ids)"), {"ids": allowed})
    session.execute(
        text("INSERT INTO partners.earn_stop (partner_id, since) SELECT unnest(CAST(:ids AS uuid[])), :now"),
        {"ids": refused, "now": act.now},
    )
    shown = {
        name: [ids.show(ids.PARTNER, partner_id) for partner_id in found]
        for name, found in (("allowed", allowed), ("refused", refused))
    }
    audit.append(session, act, "earn_stops.changed", "earn stops", **shown)


def are_any(session: Session) -> bool:
    """Whether the earns of any partner are refused."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT FROM partners.earn_stop)")))


def is_stopped(session: Session, partner_id: UUID) -> bool:
    """Whether the earns of a partner are refused."""
    return bool(
        session.scalar(
            text("SELECT EXISTS (SELECT FROM partners.earn_stop WHERE partner_id = :id)"), {"id": partner_id}
        )
    )
