"""Batch files worked off in turns: one part of one file of each partner, so that no partner waits for another's file.

A part is posted, then its answers are stored and counted in one commit. Killed between the two, it is posted again and
posts nothing twice, since every line has a key of its own. What goes wrong with one file sets that file aside.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kit import ids, strict_json
from kit.db import Database, Session, try_lock
from kit.errors import CoalitionError, Invalid
from kit.secrets import Keyring
from kit.strict_json import MalformedJson, is_writable
from partners import accounts, batches, test_clocks
from partners.batches import Batch
from partners.clients import Principal

log = logging.getLogger("partners.batches")
LONGEST_PAUSE = timedelta(hours=1)
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class MalformedLine(Invalid):
    """A line of the file is not valid UTF-8, not JSON, holds NUL, or has more or fewer cells than the header."""

    code = "malformed_line"
    title = "Malformed line"


def take_turns(database: Database, *, keyring: Keyring, now: datetime) -> int:
    """Post one part of the oldest file of each partner that has any; returns how many parts were posted.

    One worker per file: others pass it by.
    """
    with database.transaction() as session:
        found = session.scalars(_NEXT_FILES, {"now": now}).all()
    return sum(_take_turn(database, batch_id, keyring=keyring, now=now) for batch_id in found)


_NEXT_FILES = text("""
    SELECT DISTINCT ON (partner_id) batch_id FROM partners.batch_file
    WHERE status IN ('waiting', 'running') AND coalesce(paused_until <= :now, true) ORDER BY partner_id, batch_id
""")


def _take_turn(database: Database, batch_id: UUID, *, keyring: Keyring, now: datetime) -> int:
    try:
        with database.transaction() as session:
            return _post_part(session, database, batch_id, keyring=keyring, now=now)
    except Exception:
        # Whatever it is, it is this file's, and the others go on. If it is the database's, this fails as well.
        with database.transaction() as session:
            session.execute(_SET_ASIDE, {"id": batch_id, "now": now, "longest": LONGEST_PAUSE})
        facts = {"batch_id": ids.show(ids.BATCH, batch_id)}
        log.exception("a batch file is set aside", extra={"facts": facts})
        return 0


def _post_part(session: Session, database: Database, batch_id: UUID, *, keyring: Keyring, now: datetime) -> int:
    """Post the file's next part and store its answers in `session`; 0 when there is none, or another is at it."""
    if not try_lock(session, f"batch {batch_id}"):
        return 0
    if session.execute(_STOP, {"id": batch_id, "now": now}).rowcount:
        return 0
    found = session.execute(_NEXT_PART, {"id": batch_id}).first()
    if found is None:
        session.execute(_FINISH, {"id": batch_id, "now": now})
        return 0
    partner = accounts.by_id(session, found.partner_id)
    principal = Principal(
        found.client_id, found.partner_id, frozenset(found.scopes), partner.is_issuer, partner.is_redeemer,
        partner.standing, ahead=test_clocks.ahead(session, found.partner_id),
    )  # fmt: skip
    batch = Batch(principal, f"{batch_id}", now, keyring)
    done = batches.post(database.transaction, batch, list(_items(found)))
    lines = "".join(json.dumps(answer, default=str, ensure_ascii=False) + "\n" for answer in done)
    session.execute(_KEEP, {"id": batch_id, "first": found.first_line, "answers": lines})
    session.execute(_COUNT, {"id": batch_id, "done": len(done), **dict(batches.count(done))})
    session.execute(_FINISH, {"id": batch_id, "now": now})
    return 1


# A client that is revoked, or whose partner has left, posts nothing more, by files neither.
_STOP = text("""
    UPDATE partners.batch_file f SET status = 'cancelled', cancelled_because = 'client_revoked', finished_at = :now
    FROM partners.oauth_client c
    WHERE f.batch_id = :id AND f.status IN ('waiting', 'running') AND c.client_id = f.client_id
      AND c.revoked_at IS NOT NULL
""")
_NEXT_PART = text("""
    SELECT f.partner_id, f.client_id, f.format, f.header, p.first_line, p.content,
           ARRAY(SELECT unnest(f.scopes) INTERSECT SELECT unnest(c.scopes)) AS scopes
    FROM partners.batch_file f
    JOIN partners.batch_part p USING (batch_id)
    JOIN partners.oauth_client c USING (client_id)
    WHERE f.batch_id = :id AND f.status IN ('waiting', 'running') AND p.answers IS NULL
    ORDER BY p.first_line LIMIT 1
""")
# What is answered is not needed any more, and it may name people.
_KEEP = text("""
    UPDATE partners.batch_part SET answers = :answers, content = '' WHERE batch_id = :id AND first_line = :first
""")
_COUNT = text("""
    UPDATE partners.batch_file SET done = done + :done, posted = posted + :posted, replayed = replayed + :replayed,
        refused = refused + :refused, status = CASE status WHEN 'waiting' THEN 'running' ELSE status END,
        faults = 0, paused_until = NULL
    WHERE batch_id = :id
""")
_FINISH = text("""
    UPDATE partners.batch_file SET status = 'finished', finished_at = :now
    WHERE batch_id = :id AND status IN ('waiting', 'running') AND done = lines
""")
_SET_ASIDE = text("""
    UPDATE partners.batch_file
    SET faults = faults + 1, paused_until = :now + least(interval '5 seconds' * 2 ^ least(faults, 10), :longest)
    WHERE batch_id = :id
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
