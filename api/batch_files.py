"""Batch files: up to a million postings, stored as they came in parts, which a job works off (`batch_turns`)."""

from __future__ import annotations

import csv
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import IO, Any
from uuid import UUID

from sqlalchemy import text

from identity.clients import Principal
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid, NotFound
from kit.exposition import Gauge

MOST_OPEN = 10  # files of one partner that are not done yet
MOST_LINES = 1_000_000
LONGEST_LINE_BYTES = 4_096
LINES_PER_PART = 500
MOST_FILES = 1_000  # looked at by whoever asks about many
KEPT = timedelta(days=30)
COLUMNS = (
    *("kind", "member_id", "card", "phone", "email", "external_id", "hold_id", "transaction_id", "transactions"),
    *("reference", "points", "amount_minor", "currency", "effective_at", "vests_at", "expires_at", "location"),
)


class MalformedFile(Invalid):
    code = "malformed_file"
    title = "Malformed file"
    description = (
        "The file cannot be read: it is empty, has too many lines, has a line that is too long, or is a CSV that is "
        "broken or lacks our header."
    )
    remedy = (
        "Correct the file as `detail` says and send it again. Its first line names the columns of a CSV, it has 1 to "
        "1,000,000 lines, and each record is one line."
    )


class FileKeyReused(Invalid):
    code = "file_key_reused"
    title = "Idempotency key reused for another file"
    description = "You sent this Idempotency-Key before, with a different file."
    remedy = (
        "Send a new Idempotency-Key with each new file. To retry an upload, send the unchanged file with the same key."
    )


class TooManyFiles(Conflict):
    code = "too_many_files"
    title = "Too many files"
    description = "Too many of your files are not finished yet. `most` is how many can be open at once."
    remedy = "Wait until one of your files is finished, or cancel one. Then send this file again."
    retryable = True
    facts = ("most",)


class BatchNotFound(NotFound):
    code = "batch_not_found"
    title = "Batch not found"
    description = "You have no batch with this id."
    remedy = "Use the `batch_id` from the answer to your upload. You can see only your own batches."


class BatchFinished(Conflict):
    code = "batch_finished"
    title = "Batch finished"
    description = "The batch is already finished or cancelled."
    remedy = (
        "Read GET /v1/batches/{batch_id} to see how it ended. To take back what it posted, reverse its transactions."
    )


@dataclass(frozen=True)
class BatchFile:
    """A file and how far it is; `done` of `lines` are answered, and counted as posted, replayed or refused.

    `cancelled_because` is partner, operator or client_revoked. After a fault of ours, or once its refusals used up the
    lookups of its client, it goes on at `paused_until`.
    """

    batch_id: UUID
    status: str
    lines: int
    done: int
    posted: int
    replayed: int
    refused: int
    created_at: datetime
    finished_at: datetime | None
    cancelled_because: str | None
    paused_until: datetime | None


_SHOWN = """
    batch_id, status::text, lines, done, posted, replayed, refused, created_at, finished_at, cancelled_because,
    paused_until
"""


def store(
    session: Session, *, principal: Principal, key: str, format_: str, stream: IO[bytes], now: datetime
) -> tuple[BatchFile, bool]:
    """Keep the file in `stream` for the job; with it, whether it had been stored before under this key.

    Raises MalformedFile, FileKeyReused, TooManyFiles.
    """
    batch_id = ids.new()
    digest = sha256(format_.encode())
    header = _read_header(stream, digest) if format_ == "csv" else ""
    parameters = {"id": batch_id, "partner": principal.partner_id, "key": key}
    inserted = session.execute(
        text("""
            INSERT INTO partners.batch_file (batch_id, partner_id, client_id, scopes, key, content_hash, format,
                                             header, lines, created_at)
            VALUES (:id, :partner, :client, :scopes, :key, decode(repeat('00', 32), 'hex'), :format, :header, 1, :now)
            ON CONFLICT (partner_id, key) DO NOTHING
        """),
        {
            **parameters, "client": principal.client_id, "scopes": sorted(principal.scopes), "format": format_,
            "header": header, "now": now,
        },
    )  # fmt: skip
    is_new = inserted.rowcount == 1
    if is_new:
        _check_open(session, principal.partner_id)
    lines = 0
    for part in _parts(stream, digest, is_csv=format_ == "csv"):
        if is_new:
            session.execute(
                text("INSERT INTO partners.batch_part (batch_id, first_line, content) VALUES (:id, :first, :content)"),
                {"id": batch_id, "first": lines + 1, "content": b"".join(part)},
            )
        lines += len(part)
    if lines == 0:
        raise MalformedFile("the file has no lines")
    if is_new:
        # Two at once would each not see the other's; locked only now, for a large file takes a while to be stored.
        wait_for_lock(session, f"batch files of {principal.partner_id}")
        _check_open(session, principal.partner_id)
        session.execute(
            text("UPDATE partners.batch_file SET content_hash = :hash, lines = :lines WHERE batch_id = :id"),
            {"id": batch_id, "hash": digest.digest(), "lines": lines},
        )
    row = session.execute(
        text(f"SELECT content_hash, {_SHOWN} FROM partners.batch_file WHERE partner_id = :partner AND key = :key"),  # noqa: S608
        parameters,
    ).one()
    if bytes(row[0]) != digest.digest():
        raise FileKeyReused("you sent this Idempotency-Key before, with a different file")
    return BatchFile(*row[1:]), not is_new


_OPEN = text("""
    SELECT count(*) FROM partners.batch_file WHERE partner_id = :partner AND status IN ('waiting', 'running')
""")


def _check_open(session: Session, partner_id: UUID) -> None:
    """Raise TooManyFiles when the one just inserted is one too many."""
    if session.execute(_OPEN, {"partner": partner_id}).scalar_one() > MOST_OPEN:
        raise TooManyFiles(f"{MOST_OPEN} of your files are not finished yet", most=MOST_OPEN)


def get(session: Session, *, batch_id: UUID, partner_id: UUID | None) -> BatchFile:
    """One of the partner's files, for the operator (None) of anybody's; raises BatchNotFound."""
    row = session.execute(
        text(f"""
            SELECT {_SHOWN} FROM partners.batch_file
            WHERE batch_id = :id AND partner_id = coalesce(:partner, partner_id)
        """),  # noqa: S608
        {"id": batch_id, "partner": partner_id},
    ).first()
    if row is None:
        raise BatchNotFound("you have no batch with this id")
    return BatchFile(*row)


def of_all(session: Session, *, limit: int) -> list[tuple[UUID, BatchFile]]:
    """The newest files of all partners, each with its partner, those that are not done before the others."""
    rows = session.execute(
        text(f"""
            SELECT f.partner_id, {_SHOWN} FROM partners.batch_file f
            ORDER BY f.status IN ('waiting', 'running') DESC, f.batch_id DESC LIMIT :limit
        """),  # noqa: S608
        {"limit": limit},
    )
    return [(partner_id, BatchFile(*shown)) for partner_id, *shown in rows]


def cancel(session: Session, act: Act, *, batch_id: UUID, partner_id: UUID | None) -> BatchFile:
    """Stop a file after the part that is being posted; what is posted stays.

    The partner can its own, the operator (None) anybody's. Raises BatchNotFound, BatchFinished.
    """
    done = session.execute(
        text("""
            UPDATE partners.batch_file SET status = 'cancelled', cancelled_because = :because, finished_at = :now
            WHERE batch_id = :id AND partner_id = coalesce(:partner, partner_id) AND status IN ('waiting', 'running')
        """),
        {"id": batch_id, "partner": partner_id, "because": "partner" if partner_id else "operator", "now": act.now},
    )
    found = get(session, batch_id=batch_id, partner_id=partner_id)
    if done.rowcount == 0:
        raise BatchFinished(f"the batch is already {found.status}", batch_status=found.status)
    audit.append(session, act, "batch.cancelled", found)
    return found


def answered(session: Session, *, batch_id: UUID) -> tuple[int, int]:
    """How far the file is answered: the first line of the last part that is (0: none), and all answers' bytes."""
    row = session.execute(
        text("""
            SELECT coalesce(max(first_line), 0), coalesce(sum(octet_length(answers)), 0)
            FROM partners.batch_part WHERE batch_id = :id AND answers IS NOT NULL
        """),
        {"id": batch_id},
    ).one()
    return int(row[0]), int(row[1])


def answers(session: Session, *, batch_id: UUID, after_line: int, up_to: int, limit: int) -> list[tuple[int, str]]:
    """The answered parts behind `after_line` and `up_to` there: each with its first line, its answers as JSON Lines."""
    rows = session.execute(
        text("""
            SELECT first_line, answers FROM partners.batch_part
            WHERE batch_id = :id AND first_line > :after AND first_line <= :up_to AND answers IS NOT NULL
            ORDER BY first_line LIMIT :limit
        """),
        {"id": batch_id, "after": after_line, "up_to": up_to, "limit": limit},
    )
    return [(row.first_line, row.answers) for row in rows]


@dataclass(frozen=True)
class Lateness:
    """A file that is worked off, at least in part: its oldest line was booked `latest_s` seconds after it happened."""

    batch_id: UUID
    latest_s: float


def lateness(session: Session, *, partner_id: UUID, since: datetime) -> list[Lateness]:
    """Files the partner handed in since then that have postings, oldest first, at most MOST_FILES.

    By the answers of their first and last parts: what a till did is in the order it did it, and no file is read whole.
    """
    rows = session.execute(
        text("""
            SELECT f.batch_id, p.answers FROM (
                SELECT batch_id FROM partners.batch_file WHERE partner_id = :partner AND created_at >= :since
                ORDER BY batch_id LIMIT :most) f
            JOIN LATERAL (
                (SELECT answers FROM partners.batch_part WHERE batch_id = f.batch_id AND answers IS NOT NULL
                 ORDER BY first_line LIMIT 1)
                UNION
                (SELECT answers FROM partners.batch_part WHERE batch_id = f.batch_id AND answers IS NOT NULL
                 ORDER BY first_line DESC LIMIT 1)) p ON true
        """),
        {"partner": partner_id, "since": since, "most": MOST_FILES},
    )
    found: dict[UUID, float] = {}
    for row in rows:
        for line in filter(None, row.answers.split("\n")):
            for posted in _posted(json.loads(line)):
                booked, happened = (datetime.fromisoformat(posted[name]) for name in ("booked_at", "effective_at"))
                latest_s = (booked - happened).total_seconds()
                found[row.batch_id] = max(latest_s, found.get(row.batch_id, latest_s))
    return [Lateness(*one) for one in sorted(found.items())]


def _posted(answer: dict[str, Any]) -> list[dict[str, Any]]:
    if "transaction" in answer:
        return [answer["transaction"]]
    transactions: list[dict[str, Any]] = answer.get("returned", {}).get("transactions", [])
    return transactions


def forget(session: Session, *, now: datetime) -> int:
    """Delete files that were finished longer than KEPT ago; returns how many."""
    return session.execute(
        text("DELETE FROM partners.batch_file WHERE finished_at < :before"), {"before": now - KEPT}
    ).rowcount


def _read_header(stream: IO[bytes], digest: Any) -> str:
    line = stream.readline(LONGEST_LINE_BYTES)
    digest.update(line)
    names = next(csv.reader([line.decode("utf-8", "replace").removeprefix("\ufeff").strip()]), [])
    if "kind" not in names or len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        raise MalformedFile(f"the first line names the columns: kind, and others of {', '.join(COLUMNS)}")
    return ",".join(names)


def _parts(stream: IO[bytes], digest: Any, *, is_csv: bool) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    number = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        digest.update(line)
        if len(line) > LONGEST_LINE_BYTES:
            raise MalformedFile(f"line {number + 1} is longer than {LONGEST_LINE_BYTES} bytes")
        if number == 0:
            line = line.removeprefix(BOM_UTF8)
        if not line.strip():
            continue
        number += 1
        if is_csv and _ends_in_quotes(line):
            raise MalformedFile(f"line {number} ends inside quotes: a record is one line, no cell holds a line break")
        if number > MOST_LINES:
            raise MalformedFile(f"a file has up to {MOST_LINES} lines")
        # splitlines() also breaks at a lone carriage return: inside a line it would shift the numbers.
        part.append(line.strip().replace(b"\r", b" ") + b"\n")
        if len(part) == LINES_PER_PART:
            yield part
            part = []
    if part:
        yield part


def _ends_in_quotes(line: bytes) -> bool:
    # A record that goes on takes the next line in.
    return b'"' in line and len(list(csv.reader([line.decode("utf-8", "replace"), "next"]))) == 1


def _open(figure: str) -> Callable[[Session, datetime], float]:
    statement = text(f"SELECT {figure} FROM partners.batch_file WHERE status IN ('waiting', 'running')")  # noqa: S608
    return lambda session, now: float(session.scalar(statement, {"now": now}) or 0)


GAUGES = (
    Gauge("coalition_batch_files_open", "Files of postings that are not done", _open("count(*)")),
    Gauge("coalition_batch_lines_open", "Lines of those files that are not answered", _open("sum(lines - done)")),
    Gauge(
        "coalition_batch_files_oldest_seconds", "Since the oldest of those files was handed in",
        _open("greatest(extract(epoch FROM :now - min(created_at)), 0)"),
    ),
)  # fmt: skip
