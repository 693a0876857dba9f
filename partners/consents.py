"""What members said yes to: spending through a partner up to so much, agreed to on our consent page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import wallets
from kit.db import Session
from partners.oauth import grants


def covers(session: Session, *, member_id: UUID, partner_id: UUID, points: int, now: datetime) -> bool:
    """Whether a consent of the member, in force at `now`, lets the partner spend `points` of its points.

    Ask in the transaction that spends them: the consent stays locked until its end, so that of two purchases at once
    the second counts the first.
    """
    limits = session.scalars(
        text("""
            SELECT g.most_per_day FROM partners.oauth_grant g JOIN partners.oauth_client c USING (client_id)
            WHERE g.subject_id = :member_id AND g.subject_kind = 'member' AND c.partner_id = :partner_id
              AND g.created_at <= :now AND g.revoked_at IS NULL AND c.revoked_at IS NULL
              AND g.most_per_purchase >= :points
            ORDER BY g.grant_id FOR UPDATE OF g
        """),
        {"member_id": member_id, "partner_id": partner_id, "points": points, "now": now},
    ).all()
    if not limits:
        return False
    spent = wallets.spent_today(session, member_id=member_id, partner_id=partner_id)
    return bool(spent + points <= max(limits))


def of_member(session: Session, *, member_id: UUID) -> list[dict[str, Any]]:
    """The member's consents, for its export."""
    return [
        {
            "client_id": grant.client_id,
            "scopes": list(grant.scopes),
            "most_per_purchase": grant.spend and grant.spend.most_per_purchase,
            "most_per_day": grant.spend and grant.spend.most_per_day,
            "given_at": grant.created_at.isoformat(),
        }
        for grant in grants.of_subject(session, subject_kind="member", subject_id=member_id)
    ]


def forget(session: Session, *, member_id: UUID, now: datetime) -> None:
    """End the member's consents and what was issued by them: the member is being erased."""
    for grant in grants.of_subject(session, subject_kind="member", subject_id=member_id):
        grants.revoke(session, grant_id=grant.grant_id, because="the member was erased", now=now)
