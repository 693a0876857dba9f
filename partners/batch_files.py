"""Batch files: up to a million postings, stored as they came and worked off part by part.

A part is posted, then its answers are stored and counted in one commit. Killed between the two, it is posted again and
posts nothing twice, since every line has a key of its own.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import IO, Any
from uuid import UUID

from sqlalchemy import Row, text

from kit import ids, strict_json
from kit.db import Database, Session, try_lock
from kit.errors import CoalitionError, Conflict, Invalid, NotFound
from kit.exposition import Gauge
from kit.secrets import Keyring
from kit.strict_json import MalformedJson, is_writable
from partners import accounts, batches, test_clocks
from partners.batches import Batch
from partners.clients import Principal

MOST_LINES = 1_000_000
LONGEST_LINE_BYTES = 4_096
LINES_PER_PART = 500
KEPT = timedelta(days=30)
COLUMNS = (
    *("kind", "member_id", "card", "phone", "email", "external_id", "hold_id", "transaction_id", "reference"),
    *("points", "amount_minor", "currency", "effective_at", "vests_at", "expires_at"),
)
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class MalformedFile(Invalid):
    """The file as a whole can't be read: empty, too many lines, a line too long, or a CSV without our header."""

    code = "malformed_file"
    title = "Malformed file"


class MalformedLine(Invalid):
    """A line of the file is not valid UTF-8, not JSON, holds NUL, or has more or fewer cells than the header."""

    code = "malformed_line"
    title = "Malformed line"


class FileKeyReused(Invalid):
    """This Idempotency-Key came before with another file."""

    code = "file_key_reused"
    title = "Key came with another file"


class BatchNotFound(NotFound):
    """No batch of yours has this id."""

    code = "batch_not_found"
    title = "Batch not found"


class BatchFinished(Conflict):
    """The batch is done or cancelled already."""

    code = "batch_finished"
    title = "Batch finished"


@dataclass(frozen=True)
class BatchFile:
    """A file and how far it is; `done` of `lines` are answered, and counted as posted, replayed or refused."""

    batch_id: UUID
    status: str
    lines: int
    done: int
    posted: int
    replayed: int
    refused: int
    created_at: datetime
    finished_at: datetime | None


_SHOWN = "batch_id, status::text, lines, done, posted, replayed, refused, created_at, finished_at"


def store(
    session: Session, *, principal: Principal, key: str, format_: str, stream: IO[bytes], now: datetime
) -> tuple[BatchFile, bool]:
    """Keep the file in `stream` for the job; with it, whether it had been stored before under this key.

    Raises MalformedFile, FileKeyReused.
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
    lines = 0
    for part in _parts(stream, digest):
        if is_new:
            session.execute(
                text("INSERT INTO partners.batch_part VALUES (:id, :first, :content)"),
                {"id": batch_id, "first": lines + 1, "content": b"".join(part)},
            )
        lines += len(part)
    if lines == 0:
        raise MalformedFile("the file has no lines")
    if is_new:
        session.execute(
            text("UPDATE partners.batch_file SET content_hash = :hash, lines = :lines WHERE batch_id = :id"),
            {"id": batch_id, "hash": digest.digest(), "lines": lines},
        )
    row = session.execute(
        text(f"SELECT content_hash, {_SHOWN} FROM partners.batch_file WHERE partner_id = :partner AND key = :key"),  # noqa: S608
        parameters,
    ).one()
    if bytes(row[0]) != digest.digest():
        raise FileKeyReused("this Idempotency-Key came before with another file")
    return BatchFile(*row[1:]), not is_new


def get(session: Session, *, batch_id: UUID, partner_id: UUID) -> BatchFile:
    """One of the partner's files; raises BatchNotFound."""
    row = session.execute(
        text(f"SELECT {_SHOWN} FROM partners.batch_file WHERE batch_id = :id AND partner_id = :partner"),  # noqa: S608
        {"id": batch_id, "partner": partner_id},
    ).first()
    if row is None:
        raise BatchNotFound("no batch of yours has this id")
    return BatchFile(*row)


def cancel(session: Session, *, batch_id: UUID, partner_id: UUID, now: datetime) -> BatchFile:
    """Stop a file after the part that is being posted; what is posted stays. Raises BatchNotFound, BatchFinished."""
    done = session.execute(
        text("""
            UPDATE partners.batch_file SET status = 'cancelled', finished_at = :now
            WHERE batch_id = :id AND partner_id = :partner AND status IN ('waiting', 'running')
        """),
        {"id": batch_id, "partner": partner_id, "now": now},
    )
    found = get(session, batch_id=batch_id, partner_id=partner_id)
    if done.rowcount == 0:
        raise BatchFinished(f"the batch is {found.status} already", batch_status=found.status)
    return found


def answers(session: Session, *, batch_id: UUID, after_line: int, limit: int) -> list[tuple[int, str]]:
    """The answered parts behind `after_line`: each with its first line, and its answers as JSON Lines."""
    rows = session.execute(
        text("""
            SELECT first_line, answers FROM partners.batch_part
            WHERE batch_id = :id AND first_line > :after AND answers IS NOT NULL ORDER BY first_line LIMIT :limit
        """),
        {"id": batch_id, "after": after_line, "limit": limit},
    )
    return [(row.first_line, row.answers) for row in rows]


def work_off(database: Database, *, keyring: Keyring, now: datetime) -> int:
    """Post every file that is not finished, the oldest first; returns how many parts were posted.

    One worker per file: others pass it by.
    """
    with database.transaction() as session:
        waiting = session.execute(
            text("SELECT batch_id FROM partners.batch_file WHERE status IN ('waiting', 'running') ORDER BY batch_id")
        ).all()
    return sum(_work_off(database, row.batch_id, keyring=keyring, now=now) for row in waiting)


def forget(session: Session, *, now: datetime) -> int:
    """Delete files that were finished longer than KEPT ago; returns how many."""
    return session.execute(
        text("DELETE FROM partners.batch_file WHERE finished_at < :before"), {"before": now - KEPT}
    ).rowcount


def _work_off(database: Database, batch_id: UUID, *, keyring: Keyring, now: datetime) -> int:
    parts = 0
    while True:
        with database.transaction() as holder:
            if not try_lock(holder, f"batch {batch_id}"):
                return parts
            found = holder.execute(_NEXT_PART, {"id": batch_id}).first()
            if found is None:
                holder.execute(_FINISH, {"id": batch_id, "now": now})
                return parts
            partner = accounts.by_id(holder, found.partner_id)
            principal = Principal(
                found.client_id, found.partner_id, frozenset(found.scopes), partner.is_issuer, partner.is_redeemer,
                partner.standing, ahead=test_clocks.ahead(holder, found.partner_id),
            )  # fmt: skip
            batch = Batch(principal, f"{batch_id}", now, keyring)
            done = batches.post(database.transaction, batch, list(_items(found)))
            lines = "".join(json.dumps(answer, default=str, ensure_ascii=False) + "\n" for answer in done)
            holder.execute(_KEEP, {"id": batch_id, "first": found.first_line, "answers": lines})
            holder.execute(_COUNT, {"id": batch_id, "done": len(done), **dict(batches.count(done))})
            parts += 1


_NEXT_PART = text("""
    SELECT f.partner_id, f.client_id, f.scopes, f.format, f.header, p.first_line, p.content
    FROM partners.batch_file f JOIN partners.batch_part p USING (batch_id)
    WHERE f.batch_id = :id AND f.status IN ('waiting', 'running') AND p.answers IS NULL
    ORDER BY p.first_line LIMIT 1
""")
# What is answered is not needed any more, and it may name people.
_KEEP = text("""
    UPDATE partners.batch_part SET answers = :answers, content = '' WHERE batch_id = :id AND first_line = :first
""")
_COUNT = text("""
    UPDATE partners.batch_file SET done = done + :done, posted = posted + :posted, replayed = replayed + :replayed,
        refused = refused + :refused, status = CASE status WHEN 'waiting' THEN 'running' ELSE status END
    WHERE batch_id = :id
""")
_FINISH = text("""
    UPDATE partners.batch_file SET status = 'finished', finished_at = :now
    WHERE batch_id = :id AND status IN ('waiting', 'running')
""")


def _items(part: Row[Any]) -> Iterator[tuple[int, Any]]:
    columns = part.header.split(",")
    for number, line in enumerate(bytes(part.content).splitlines(), start=part.first_line):
        try:
            yield number, _read_csv(line, columns) if part.format == "csv" else _read_json(line)
        except CoalitionError as error:
            yield number, error


def _read_json(line: bytes) -> Any:
    try:
        return strict_json.loads(line)
    except MalformedJson as error:
        raise MalformedLine(f"the line is not one JSON object: {error}") from None


def _read_csv(line: bytes, columns: list[str]) -> dict[str, Any]:
    try:
        text_ = line.decode("utf-8")
        cells = next(csv.reader([text_], strict=True))
    except (ValueError, csv.Error, StopIteration):
        raise MalformedLine("the line is not CSV in UTF-8") from None
    if not is_writable(text_):
        raise MalformedLine("the line holds NUL")
    if len(cells) != len(columns):
        raise MalformedLine(f"the line has {len(cells)} cells, the header {len(columns)}")
    found: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    for name in ("points", "amount_minor"):
        if name in found and _WHOLE.fullmatch(found[name]):
            found[name] = int(found[name])
    amount = {short: found.pop(name) for short, name in (("minor", "amount_minor"), ("currency", "currency"))
              if name in found}  # fmt: skip
    return {**found, "amount": amount} if amount else found


def _read_header(stream: IO[bytes], digest: Any) -> str:
    line = stream.readline(LONGEST_LINE_BYTES)
    digest.update(line)
    names = line.decode("utf-8", "replace").removeprefix("\ufeff").strip().split(",")
    if "kind" not in names or len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        raise MalformedFile(f"the first line names the columns: kind, and others of {', '.join(COLUMNS)}")
    return ",".join(names)


def _parts(stream: IO[bytes], digest: Any) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    number = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        digest.update(line)
        if len(line) > LONGEST_LINE_BYTES:
            raise MalformedFile(f"line {number + 1} is longer than {LONGEST_LINE_BYTES} bytes")
        if not line.strip():
            continue
        number += 1
        if number > MOST_LINES:
            raise MalformedFile(f"a file has up to {MOST_LINES} lines")
        # splitlines() also breaks at a lone carriage return: inside a line it would shift the numbers.
        part.append(line.strip().replace(b"\r", b" ") + b"\n")
        if len(part) == LINES_PER_PART:
            yield part
            part = []
    if part:
        yield part


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
