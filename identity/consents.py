"""What members said yes to: spending through a partner up to so much, agreed to on our consent page.

Whether a consent covers a burn is asked in the database, where the points are spent (`partners.post`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from identity.oauth import grants
from kit.db import Session


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


def end_all(session: Session, *, member_id: UUID, because: str, now: datetime) -> None:
    """End the member's consents and what was issued by them."""
    for grant in grants.of_subject(session, subject_kind="member", subject_id=member_id):
        grants.revoke(session, grant_id=grant.grant_id, because=because, now=now)
