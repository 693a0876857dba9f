"""What the authorization server may forget: codes and assertions that are over, tokens nobody can use any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from kit.db import Session

# Kept for a while after their end, so that a repetition is still known for one.
KEPT = {
    "authorization_code": ("code_hash", timedelta(days=1)),
    "device_code": ("device_hash", timedelta(days=1)),
    "client_assertion": ("jti", timedelta(hours=1)),
    "refresh_token": ("token_hash", timedelta(days=30)),
}
MOST = 10_000


def forget(session: Session, *, now: datetime) -> int:
    """Forget at most 10,000 rows of each kind; returns how many."""
    return sum(_forget(session, table, key, now - kept) for table, (key, kept) in KEPT.items())


def _forget(session: Session, table: str, key: str, before: datetime) -> int:
    statement = f"""
        DELETE FROM partners.{table} WHERE ({key}, expires_at) IN (
            SELECT {key}, expires_at FROM partners.{table} WHERE expires_at < :before LIMIT :most)
    """  # noqa: S608 -- names of ours
    return session.execute(text(statement), {"before": before, "most": MOST}).rowcount
