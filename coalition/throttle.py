"""Tries at a member's PIN or rotating code: counted before they are looked at, so that no two slip through one gap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Database, Session
from kit.errors import Forbidden

FREE_TRIES = 5  # in a row that fail; after them every further one has to wait
FIRST_DELAY_S = 60
DELAY_GROWS = 4
LONGEST_DELAY_S = 86_400
LOOKS = 3


class SecretsLocked(Forbidden):
    code = "secrets_locked"
    title = "PIN and code locked"
    description = (
        "Someone entered too many wrong PINs or codes in a row. We accept no PIN or code of this member for "
        "`retry_after_s` seconds."
    )
    remedy = (
        "Wait for the time that `retry_after_s` gives in seconds, then let the member try once more. The coalition can "
        "end the lock with `coalition member unlock`."
    )
    facts = ("retry_after_s",)


@dataclass(frozen=True)
class Secrets:
    """What a member proves itself with, as stored; a pair is None where it has none."""

    sealed_seed: bytes | None
    last_used_step: int
    used_by: UUID | None
    spent: bool
    pin_salt: bytes | None
    pin_hash: bytes | None


_TAKE = text("""
    UPDATE coalition.member_secret s
    SET failures = s.failures + 1,
        locked_until = CASE WHEN s.failures + 1 >= :free THEN CAST(:now AS timestamptz) + interval '1 second'
            * least(:first * power(CAST(:grows AS int), least(s.failures + 1 - :free, 10)), :longest) END
    WHERE s.member_id = :member_id AND (s.locked_until IS NULL OR s.locked_until <= :now)
    RETURNING s.sealed_seed, s.last_used_step, s.used_by, s.spent, s.pin_salt, s.pin_hash
""")


def take(database: Database, member_id: UUID, *, now: datetime) -> Secrets | None:
    """Count one try as failed, and committed, before it is looked at; None where the member has no secrets.

    `now` is the true time, also in a demo coalition. Call `clear` when the try was right. Raises SecretsLocked.
    """
    bounds = {"free": FREE_TRIES, "first": FIRST_DELAY_S, "grows": DELAY_GROWS, "longest": LONGEST_DELAY_S}
    with database.transaction() as session:
        for _ in range(LOOKS):
            row = session.execute(_TAKE, {"member_id": member_id, "now": now, **bounds}).first()
            if row is not None:
                seed, step, used_by, spent, salt, hash_ = row
                return Secrets(seed and bytes(seed), step, used_by, spent, salt and bytes(salt), hash_ and bytes(hash_))
            if not _has_any(session, member_id, now):
                return None
            # The lock ended between the two statements: a right try next to this one cleared it.
    raise SecretsLocked("too many PINs or codes at once; try again in 1 s", retry_after_s=1)


def clear(session: Session, member_id: UUID) -> None:
    """Forget the failed tries."""
    session.execute(
        text("UPDATE coalition.member_secret SET failures = 0, locked_until = NULL WHERE member_id = :member_id"),
        {"member_id": member_id},
    )


def unlock(session: Session, act: Act, *, member_id: UUID) -> None:
    """Let the member try its PIN and code again at once."""
    clear(session, member_id)
    audit.append(session, act, "member.unlocked", ids.show_our_own(member_id))


def has_secrets(session: Session, member_id: UUID) -> bool:
    """Whether the member has a PIN or a rotating code."""
    return bool(
        session.scalar(
            text("""
                SELECT EXISTS (SELECT FROM coalition.member_secret
                               WHERE member_id = :member_id AND (pin_hash IS NOT NULL OR handle IS NOT NULL))
            """),
            {"member_id": member_id},
        )
    )


def drop(session: Session, member_id: UUID) -> None:
    """Take all secrets from the member."""
    session.execute(text("DELETE FROM coalition.member_secret WHERE member_id = :member_id"), {"member_id": member_id})


def _has_any(session: Session, member_id: UUID, now: datetime) -> bool:
    """Whether the member has secrets; raises SecretsLocked where they are locked."""
    row = session.execute(
        text("SELECT locked_until FROM coalition.member_secret WHERE member_id = :member_id"), {"member_id": member_id}
    ).first()
    if row is not None and row.locked_until is not None and row.locked_until > now:
        wait_s = max(1, math.ceil((row.locked_until - now).total_seconds()))
        raise SecretsLocked(f"too many wrong PINs or codes; try again in {wait_s} s", retry_after_s=wait_s)
    return row is not None
