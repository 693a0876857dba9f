"""The audit: who did what with which client. Append-only, each entry's digest over its content and the one before.

One chain for the coalition, appended under a lock that is held until the commit, so it is for what people and
administering programs do, and for looking members up; postings the ledger records itself. An edge says who acts and
why (`Act`), and the verb that does it writes the entry, in its own transaction and last of all. It names ids, never a
card, phone number, address of mail or name.

The digests are keyed (HMAC-SHA-256) and the key is not in the database: whoever can write there can't mend the chain
behind a change. What a chain can't show is that its end was cut off; for that compare `head` with one kept elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import text

from kit import ids, logs, texts
from kit.db import Session
from kit.errors import Invalid
from kit.secrets import Keyring, same

log = logging.getLogger("audit")
PURPOSE = "audit"
BEFORE_THE_FIRST = bytes(32)
ROWS_PER_READ = 1_000
LONGEST_REASON = 500


class ReasonMissing(Invalid):
    code = "reason_missing"
    title = "Reason missing"
    description = "An adjustment or a merge needs a reason and the name of the person who makes it."
    remedy = (
        "Say why in `reason`, or after --reason at the terminal, where --by names the person if it is not the user of "
        "the system."
    )


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who: a client, a member or one of staff, the operator at the terminal (by the system's user), or the clock."""

    kind: str
    actor_id: str
    partner_id: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Act:
    """That `actor` does something at `now`: made by an edge, taken by the verb that does it, which writes it down.

    `reason` says why, `by` who decides it if not the actor, `approved_by` who else did, where it takes two.
    Raises MalformedText.
    """

    actor: Actor
    now: datetime
    keyring: Keyring
    reason: str | None = None
    by: str | None = None
    approved_by: str | None = None

    def __post_init__(self) -> None:
        for what, longest in _SAID.items():
            if (said := getattr(self, what)) is not None:
                object.__setattr__(self, what, texts.text(said, what=what, longest=longest))

    @property
    def decider(self) -> str:
        """Who decides it."""
        return self.by or self.actor.actor_id


_SAID = {"reason": LONGEST_REASON, "by": texts.LONGEST_NAME, "approved_by": texts.LONGEST_NAME}


def require_reason(act: Act) -> str:
    """The reason, of what is never done without one; raises ReasonMissing."""
    if act.reason is None:
        raise ReasonMissing("say why")
    return act.reason


def of_clock(now: datetime, keyring: Keyring) -> Act:
    """What nobody does: its time has come."""
    return Act(actor=Actor(kind="clock", actor_id="the coalition's clock"), now=now, keyring=keyring)


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


def append(session: Session, act: Act, action: str, subject: object, **facts: object) -> None:
    """Write down that `act` is `action` on `subject`, an id as it is shown or a record: the last thing a verb does.

    Others that append wait for the transaction's end, so nothing slow may follow, nor any lock be taken. Facts are ids,
    states and the names of fields, never what says who somebody is; whose the record is, if not the actor's, is added.
    """
    shown, owner = _named(subject)
    said = {what: words for what in _SAID if (words := getattr(act, what)) is not None}
    whose = {"of": owner} if owner not in (None, act.actor.partner_id) else {}
    told = {**whose, **facts, **said}
    who = {name: value for name, value in asdict(act.actor).items() if value is not None}
    content = json.dumps(
        {"at": act.now.isoformat(), "action": action, "subject": shown, **who, **({"facts": told} if told else {})},
        sort_keys=True,
        separators=(",", ":"),
        default=str,
    )
    seq, before = session.execute(text("SELECT seq, digest FROM partners.audit_head()")).one()
    digest = _digest(act.keyring, before=bytes(before), seq=seq + 1, content=content)
    session.execute(
        text("SELECT partners.audit_append(:seq, :content, :digest)"),
        {"seq": seq + 1, "content": content, "digest": digest},
    )
    # The log goes elsewhere: a second place that knows how far the chain was.
    logs.event(log, action, seq=seq + 1, digest=digest.hex(), subject=shown, by=act.actor.actor_id)


def _named(subject: object) -> tuple[str, str | None]:
    """A subject as it is shown, and the partner whose it is; a record's id is its first field."""
    if isinstance(subject, str):
        return subject, None
    key = fields(subject)[0].name  # type: ignore[arg-type]
    found, owner = getattr(subject, key), getattr(subject, "partner_id", None)
    with ids.seen_by(ids.OUR_OWN):
        shown = ids.show(ids.PREFIX_OF_FIELD[key], found) if key in ids.PREFIX_OF_FIELD else str(found)
    return shown, None if owner is None or key == "partner_id" else ids.show(ids.PARTNER, owner)


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
