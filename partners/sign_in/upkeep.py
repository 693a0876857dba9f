"""What may be forgotten of sign-ins: sessions, codes and challenges that are over."""

from __future__ import annotations

from datetime import datetime

from kit.db import Session
from partners.sign_in import challenges, codes, records

AT_ONCE = 10_000


def forget(session: Session, *, now: datetime) -> int:
    """Delete what is over, at most AT_ONCE of each kind; returns how many rows."""
    return sum(part.forget(session, now=now, limit=AT_ONCE) for part in (challenges, codes, records))
