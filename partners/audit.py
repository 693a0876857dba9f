"""The audit: who did what with which client. Append-only, each entry's digest over its content and the one before.

One chain for the coalition, appended under a lock that is held until the commit, so it is for what people and
administering programs do, and for looking members up; postings the ledger records itself. An entry is written in the
transaction of what it tells of, last of all. It names ids, never a card, phone number, address of mail or name.

The digests are keyed (HMAC-SHA-256) and the key is not in the database: whoever can write there can't mend the chain
behind a change. What a chain can't show is that its end was cut off; for that compare `head` with one kept elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from kit import logs
from kit.db import Session
from kit.secrets import Keyring, same

log = logging.getLogger("audit")
PURPOSE = "audit"
BEFORE_THE_FIRST = bytes(32)
ROWS_PER_READ = 1_000


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who: a client, a member of staff, or the operator at the terminal (by the name of the system's user)."""

    kind: str
    actor_id: str
    partner_id: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry as it was read; `content` is the JSON that the digest covers, to the letter."""

    seq: int
    content: str
    digest: bytes

    @property
    def facts(self) -> dict[str, Any]:
        """What the content says, with its place and digest."""
        return {"seq": self.seq, **json.loads(self.content), "digest": self.digest.hex()}


@dataclass(frozen=True)
class Finding:
    """What verification came to: so many entries hold, up to `head`; `broken_seq` is the first that doesn't."""

    entries: int
    head: str
    broken_seq: int | None = None
    reason: str = ""


def append(
    session: Session,
    *,
    actor: Actor,
    action: str,
    subject: str,
    now: datetime,
    keyring: Keyring,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write down that `actor` did `action` to `subject` (an id as it is shown); the last thing in a transaction.

    Others that append wait for its end, so nothing slow may follow.
    """
    who = {name: value for name, value in asdict(actor).items() if value is not None}
    content = json.dumps(
        {"at": now.isoformat(), "action": action, "subject": subject, **who, **({"facts": facts} if facts else {})},
        sort_keys=True,
        separators=(",", ":"),
        default=str,
    )
    seq, before = session.execute(text("SELECT seq, digest FROM partners.audit_head()")).one()
    digest = _digest(keyring, before=bytes(before), seq=seq + 1, content=content)
    session.execute(
        text("SELECT partners.audit_append(:seq, :content, :digest)"),
        {"seq": seq + 1, "content": content, "digest": digest},
    )
    # The log goes elsewhere: a second place that knows how far the chain was.
    logs.event(log, action, seq=seq + 1, digest=digest.hex(), subject=subject, by=actor.actor_id)


def newest(session: Session, *, limit: int, partner_id: str | None = None) -> list[Entry]:
    """The newest entries, the newest first; of one partner's clients and staff only, if it is given (as shown)."""
    rows = session.execute(
        text("""
            SELECT seq, content, digest FROM partners.audit_entry
            WHERE CAST(:partner_id AS text) IS NULL OR content::json ->> 'partner_id' = :partner_id
            ORDER BY seq DESC LIMIT :limit
        """),
        {"limit": limit, "partner_id": partner_id},
    )
    return [Entry(row.seq, row.content, bytes(row.digest)) for row in rows]


def verify(session: Session, *, keyring: Keyring, expected_head: str | None = None) -> Finding:
    """Recompute the chain; `expected_head` (`SEQ:DIGEST`, kept from an earlier time) has to lie on it."""
    count, before = 0, BEFORE_THE_FIRST
    expected_seq, _, expected_digest = (expected_head or "0:").partition(":")
    for entry in _everything(session):
        if entry.seq != count + 1:
            return Finding(count, _head(count, before), count + 1, "the entry is missing")
        if not same(entry.digest, _digest(keyring, before=before, seq=entry.seq, content=entry.content)):
            return Finding(count, _head(count, before), entry.seq, "the entry was changed")
        if entry.seq == int(expected_seq) and entry.digest.hex() != expected_digest:
            return Finding(count, _head(count, before), entry.seq, "the entry is not the one that was expected")
        count, before = entry.seq, entry.digest
    if count < int(expected_seq):
        return Finding(count, _head(count, before), count + 1, "the end of the chain was cut off")
    return Finding(count, _head(count, before))


def _everything(session: Session) -> Iterator[Entry]:
    after = -1
    while True:
        rows = session.execute(
            text("""
                SELECT seq, content, digest FROM partners.audit_entry WHERE seq > :after ORDER BY seq LIMIT :limit
            """),
            {"after": after, "limit": ROWS_PER_READ},
        ).all()
        yield from (Entry(row.seq, row.content, bytes(row.digest)) for row in rows)
        if len(rows) < ROWS_PER_READ:
            return
        after = rows[-1].seq


def _head(seq: int, digest: bytes) -> str:
    return f"{seq}:{digest.hex()}"


def _digest(keyring: Keyring, *, before: bytes, seq: int, content: str) -> bytes:
    return keyring.fingerprint(purpose=PURPOSE, value=f"{before.hex()}\n{seq}\n{content}")
