"""Batch files worked off in turns: one part of one file of each partner, so that no partner waits for another's file.

A part is posted, then its answers are stored and counted in one commit. Killed between the two, it is posted again and
posts nothing twice, since every line has a key of its own. What goes wrong with one file sets that file aside.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from api import batches
from api.batches import Answer, Batch
from identity import client_settings, clients, lookups
from identity.clients import Principal
from identity.lookups import Lookup
from kit import ids, strict_json
from kit.audit import Actor
from kit.db import Database, Session, try_lock
from kit.errors import CoalitionError, Invalid
from kit.http import rate_limits
from kit.http.rate_limits import Limiter, Policies
from kit.secrets import Keyring
from kit.settings import Settings
from kit.strict_json import MalformedJson, is_writable
from partners import accounts, earn_stops, test_clocks

log = logging.getLogger("api.batches")
LONGEST_PAUSE = timedelta(hours=1)
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class MalformedLine(Invalid):
    code = "malformed_line"
    title = "Malformed line"
    description = (
        "A line of the file is not valid UTF-8 or JSON, holds a NUL, or has more or fewer cells than the header."
    )
    remedy = "Correct the line and send it again in a new file. The other lines of this file are posted without it."


@dataclass(frozen=True)
class Desk:
    """What files are worked off with; lines count against the budgets that requests of their client count against."""

    database: Database
    keyring: Keyring
    limiter: Limiter
    limits: Policies


@contextmanager
def desk(database: Database, keys: Keyring, chosen: Settings) -> Iterator[Desk]:
    """The desk on the engines of `chosen` (Redis' address set)."""
    with closing(Limiter(str(chosen.redis_url), prefix=rate_limits.key_prefix(keys))) as limiter:
        yield Desk(database, keys, limiter, rate_limits.policies(chosen))


def take_turns(ctx: Desk, *, now: datetime) -> int:
    """Post one part of the oldest file of each partner that has any; returns how many parts were posted.

    One worker per file: others pass it by.
    """
    with ctx.database.transaction() as session:
        found = session.scalars(_NEXT_FILES, {"now": now}).all()
    return sum(_take_turn(ctx, batch_id, now=now) for batch_id in found)


_NEXT_FILES = text("""
    SELECT DISTINCT ON (partner_id) batch_id FROM partners.batch_file
    WHERE status IN ('waiting', 'running') AND coalesce(paused_until <= :now, true) ORDER BY partner_id, batch_id
""")


def _take_turn(ctx: Desk, batch_id: UUID, *, now: datetime) -> int:
    try:
        with ctx.database.transaction() as session:
            return _post_part(session, ctx, batch_id, now=now)
    except Exception:
        # Whatever it is, it is this file's, and the others go on. If it is the database's, this fails as well.
        with ctx.database.transaction() as session:
            session.execute(_SET_ASIDE, {"id": batch_id, "now": now, "longest": LONGEST_PAUSE})
        facts = {"batch_id": ids.show(ids.BATCH, batch_id)}
        log.exception("a batch file is set aside", extra={"facts": facts})
        return 0


def _post_part(session: Session, ctx: Desk, batch_id: UUID, *, now: datetime) -> int:
    """Post the file's next part and store its answers in `session`; 0 when there is none, or another is at it."""
    if not try_lock(session, f"batch {batch_id}"):
        return 0
    found = session.execute(_NEXT_PART, {"id": batch_id}).first()
    if found is None:
        session.execute(_FINISH, {"id": batch_id, "now": now})
        return 0
    client = clients.get(session, found.client_id)
    if client is None:
        # A client that is revoked, or whose partner has left, posts nothing more, by files neither.
        session.execute(_STOP, {"id": batch_id, "now": now})
        return 0
    if _waits(session, ctx, batch_id, client.client_id, count=0, now=now):
        return 0
    partner = accounts.by_id(session, found.partner_id)
    scopes = frozenset(found.scopes) & frozenset(client.scopes)
    principal = Principal(
        found.client_id, found.partner_id, scopes, partner.is_issuer, partner.is_redeemer, partner.standing,
        ahead=test_clocks.ahead(session, found.partner_id),
        is_over_limit=earn_stops.is_stopped(session, found.partner_id),
    )  # fmt: skip
    batch, items = Batch(principal, f"{batch_id}", now, ctx.keyring), list(_items(found))
    done = batches.post(ctx.database.transaction, batch, items)
    lines = "".join(json.dumps(answer, default=str, ensure_ascii=False) + "\n" for answer in done)
    session.execute(_KEEP, {"id": batch_id, "first": found.first_line, "answers": lines})
    session.execute(_COUNT, {"id": batch_id, "done": len(done), **dict(batches.count(done))})
    session.execute(_FINISH, {"id": batch_id, "now": now})
    told = _told(principal, items, done, now)
    _waits(session, ctx, batch_id, client.client_id, count=len(told), now=now)
    lookups.write_down(session, told, ctx.keyring, batch_id=ids.show(ids.BATCH, batch_id))
    return 1


def _waits(session: Session, ctx: Desk, batch_id: UUID, client_id: str, *, count: int, now: datetime) -> bool:
    """Count so many lookups against what the file's client may look up by files; whether it has to wait, and does.

    That is half of what its requests may, in a budget of its own: neither takes the other's.

    It goes on more slowly, and no line is refused for it: a night's receipts are answered whole, and name strangers no
    faster than requests could.
    """
    whole = ctx.limits.scaled(client_settings.rate_limit_percent(session, client_id)).lookups
    ours = replace(whole, per_s=max(1, whole.per_s // 2), burst=max(1, whole.burst // 2))
    wait_s = ctx.limiter.charge(ours, f"{client_id}:files", count)
    if wait_s:
        session.execute(_WAIT, {"id": batch_id, "until": now + timedelta(seconds=wait_s)})
    return wait_s > 0


def _told(principal: Principal, items: Sequence[tuple[int, Any]], done: list[Answer], now: datetime) -> list[Lookup]:
    partner_id = principal.partner_id
    actor = Actor(kind="client", actor_id=principal.client_id, partner_id=ids.show(ids.PARTNER, partner_id))
    return [
        Lookup(actor, now, None, item=number)
        for (number, item), answer in zip(items, done, strict=True)
        if lookups.tells(item, answer)
    ]


_STOP = text("""
    UPDATE partners.batch_file SET status = 'cancelled', cancelled_because = 'client_revoked', finished_at = :now
    WHERE batch_id = :id AND status IN ('waiting', 'running')
""")
_NEXT_PART = text("""
    SELECT f.partner_id, f.client_id, f.format, f.header, f.scopes, p.first_line, p.content
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
        refused = refused + :refused, status = CASE status WHEN 'waiting' THEN 'running' ELSE status END,
        faults = 0, paused_until = NULL
    WHERE batch_id = :id
""")
_FINISH = text("""
    UPDATE partners.batch_file SET status = 'finished', finished_at = :now
    WHERE batch_id = :id AND status IN ('waiting', 'running') AND done = lines
""")
_WAIT = text("""
    UPDATE partners.batch_file SET paused_until = :until WHERE batch_id = :id AND status IN ('waiting', 'running')
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
    return _fields({name: cell for name, cell in zip(columns, cells, strict=True) if cell})


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    """An item's fields as JSON has them; what is no whole number stays text, and is refused as such."""
    found: dict[str, Any] = dict(cells)
    for name in ("points", "amount_minor"):
        if name in cells and _WHOLE.fullmatch(cells[name]):
            found[name] = int(cells[name])
    amount = {short: found.pop(name) for short, name in (("minor", "amount_minor"), ("currency", "currency"))
              if name in found}  # fmt: skip
    if "transactions" in cells:
        found["transactions"] = [_fields(_returned(each)) for each in cells["transactions"].split()]
    return {**found, "amount": amount} if amount else found


def _returned(cell: str) -> dict[str, str]:
    """A transaction of a return: its id, and of it `:points` or `:amount_minor:currency`, or all that is left."""
    match cell.split(":"):
        case [transaction_id]:
            return {"transaction_id": transaction_id}
        case [transaction_id, points]:
            return {"transaction_id": transaction_id, "points": points}
        case [transaction_id, minor, currency]:
            return {"transaction_id": transaction_id, "amount_minor": minor, "currency": currency}
    raise MalformedLine("a transaction of a return is its id, id:points or id:amount_minor:currency")
