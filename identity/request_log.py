"""The requests partners made, kept for some days: what was sent (redacted), what was decided.

Kept are requests that change something, and those that were refused; answered reads and refusals for too many requests
are not. They are written in the background (`kit.write_behind`): a crash loses the last tenth of a second of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import text

from identity import redaction
from identity.redaction import Fields
from kit.db import Session, copy_in
from kit.errors import NotFound

ROWS_PER_DELETE = 10_000
MOST_DELETES = 1_000


class RequestNotFound(NotFound):
    code = "request_not_found"
    title = "Request not found"
    description = "You sent no request with this id, or we no longer keep it. We do not keep reads that succeeded."
    remedy = "Use the Request-Id of an answer to a request that changed something or was refused."


@dataclass(frozen=True)
class Record:
    """One request; `sent` holds its query and body, `answer` the problem or the ids of what came about."""

    partner_id: UUID
    request_id: str
    client_id: str
    at: datetime
    method: str
    path: str
    status: int
    code: str | None
    duration_us: int
    idempotency_key: str | None
    trace_id: str
    sent: Any
    answer: Any


_COLUMNS = ", ".join(field.name for field in fields(Record))
_COPY = f"COPY partners.request ({_COLUMNS}) FROM STDIN"
_values = attrgetter(*(field.name for field in fields(Record)))


def store(session: Session, records: list[Record], kept: Fields) -> None:
    """Keep `records` as JSON: of what was sent only what stands in the fields `kept`."""
    # Should the server fall over in the next half second, these are what it may forget.
    session.execute(text("SET LOCAL synchronous_commit = off"))
    copy_in(session, _COPY, (_row(record, kept) for record in records))


def _row(record: Record, kept: Fields) -> list[Any]:
    *plain, sent, answer = _values(record)
    redacted = {part: redaction.redact(value, kept) for part, value in sent.items()}
    return [
        *plain,
        redaction.as_json(redacted) if redacted else None,
        None if answer is None else redaction.as_json(redaction.redact_answer(answer, kept)),
    ]


def find(session: Session, *, request_id: str, partner_id: UUID) -> Record:
    """The newest request of a partner under this id; raises RequestNotFound."""
    row = session.execute(
        text(f"""
            SELECT {_COLUMNS} FROM partners.request_seen
            WHERE partner_id = :partner_id AND request_id = :request_id ORDER BY at DESC LIMIT 1
        """),  # noqa: S608
        {"partner_id": partner_id, "request_id": request_id},
    ).first()
    if row is None:
        raise RequestNotFound("you sent no request with this id, or we no longer keep it")
    return Record(*row)


def of_partner(session: Session, *, partner_id: UUID, since: datetime, limit: int) -> list[Record]:
    """A partner's newest requests since a time, at most `limit`, oldest first."""
    rows = session.execute(
        text(f"""
            SELECT {_COLUMNS} FROM partners.request
            WHERE partner_id = :partner_id AND at >= :since ORDER BY at DESC LIMIT :limit
        """),  # noqa: S608
        {"partner_id": partner_id, "since": since, "limit": limit},
    )
    return [Record(*row) for row in rows][::-1]


def forget(session: Session, *, now: datetime, days: int) -> int:
    """Delete requests older than `days`; returns how many."""
    deleted = 0
    for _ in range(MOST_DELETES):
        done = session.execute(
            text("""
                DELETE FROM partners.request WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM partners.request WHERE at < :before ORDER BY at LIMIT :limit))
            """),
            {"before": now - timedelta(days=days), "limit": ROWS_PER_DELETE},
        ).rowcount
        deleted += done
        if done < ROWS_PER_DELETE:
            break
    return deleted
