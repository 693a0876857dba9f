"""What time does to wallets: holds lapse, pending points vest, are funded, are warned of and expire.

All of it is found by the database, posted in sets through the ledger like anybody's postings, and done once however
often it is tried: a hold ends once, a lot vests once, an emptied lot has nothing left to expire.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text

from coalition import ledger, programme
from coalition.ledger import Command, Outcome, Request
from kit import ids, outbox
from kit.db import Database, Session, stream
from kit.errors import Unavailable

log = logging.getLogger("ledger")
OUTCOMES_KEPT = timedelta(days=30)  # how long a key's outcome is remembered; references are for ever
FORGET_AT_ONCE = 5_000


@dataclass(frozen=True, kw_only=True)
class Lapse(Command):
    """End the hold `original_id`, whose time is over."""

    kind = "lapse"
    original_id: UUID


@dataclass(frozen=True, kw_only=True)
class Vest(Command):
    """Make the pending lot `original_id` available."""

    kind = "vest"
    member_id: UUID
    original_id: UUID


@dataclass(frozen=True, kw_only=True)
class Fund(Command):
    """Take the unfunded lot `original_id` for issued from now on: available, or pending until it vests."""

    kind = "fund"
    member_id: UUID
    original_id: UUID


@dataclass(frozen=True, kw_only=True)
class Expire(Command):
    """Expire the member's points of one issuer that can't be spent on the day of `due_at` any more."""

    kind = "expiry"
    member_id: UUID
    due_at: datetime


def lapse_holds(database: Database, *, now: datetime, partner_id: UUID | None = None) -> int:
    """Give back what is held beyond its time, by everybody or by one partner; returns how many holds ended."""
    return _post_all(
        database,
        f"""
        SELECT h.partner_id, h.member_id, h.hold_id FROM coalition.hold h
        WHERE h.status = 'open' AND h.expires_at <= :at {_only(partner_id, "h.partner_id")}
        ORDER BY h.member_id, h.hold_id
        """,  # noqa: S608
        lambda row: Lapse(original_id=row.hold_id, reference=f"lapse:{row.hold_id}"),
        now=now,
        partner_id=partner_id,
    )


def vest(database: Database, *, now: datetime, partner_id: UUID | None = None) -> int:
    """Make pending points available whose time has come, everybody's or one issuer's; returns how many lots."""
    return _post_all(
        database,
        f"""
        SELECT l.issuer_id AS partner_id, l.member_id, l.lot_id FROM coalition.lot l
        WHERE l.vests_at <= :at AND NOT l.is_unfunded {_only(partner_id, "l.issuer_id")}
        ORDER BY l.member_id, l.lot_id
        """,  # noqa: S608
        lambda row: Vest(member_id=row.member_id, original_id=row.lot_id, reference=f"vest:{row.lot_id}"),
        now=now,
        partner_id=partner_id,
    )


class Waiting(NamedTuple):
    """A lot that is unfunded."""

    partner_id: UUID  # its issuer
    member_id: UUID
    lot_id: UUID
    issued_on: date
    points: int


def fund(database: Database, lots: Sequence[Waiting], *, now: datetime) -> int:
    """Fund up to MOST_AT_ONCE lots in one transaction; returns how many of them were still unfunded."""
    wanted = [
        _Due(
            lot.member_id,
            Request(partner_id=lot.partner_id, key=None, request_hash=None, now=now),
            Fund(member_id=lot.member_id, original_id=lot.lot_id, reference=f"fund:{lot.lot_id}"),
        )
        for lot in sorted(lots, key=lambda lot: lot.member_id)
    ]
    return sum(outcome.refusal is None for outcome in _post(database, wanted))


def expire(database: Database, *, day: date, now: datetime, partner_id: UUID | None = None) -> int:
    """Expire what can be spent on `day` for the last time, of all issuers or one, to breakage.

    Called when `day` is over and still open, so that its books hold it. Returns how many wallets' issuers.
    """
    first_day_without = datetime.combine(day + timedelta(days=1), time.min, UTC)
    return _post_all(
        database,
        f"""
        SELECT l.member_id, l.issuer_id AS partner_id FROM coalition.lot l
        WHERE l.is_open AND l.expires_on <= :next_day {_only(partner_id, "l.issuer_id")}
        UNION
        SELECT l.member_id, l.issuer_id FROM coalition.lot l
        WHERE l.is_unfunded AND l.expires_on <= :next_day {_only(partner_id, "l.issuer_id")}
        ORDER BY 1, 2
        """,  # noqa: S608
        # Points can come back to an expired lot, when a hold ends, and expire again on the same day: a name each.
        lambda row: Expire(member_id=row.member_id, due_at=first_day_without, reference=f"expiry:{day}:{ids.new()}"),
        now=now,
        next_day=first_day_without.date(),
        partner_id=partner_id,
    )


def _only(partner_id: UUID | None, column: str) -> str:
    # A condition that isn't there costs the nightly job nothing; one that asks for NULL costs it its index.
    return "" if partner_id is None else f"AND {column} = :partner_id"


def warn_of_expiry(database: Database, *, day: date, now: datetime) -> int:
    """Tell each issuer which points expire within the programme's warning time after `day`: event `points.expiring`.

    Returns how many events. One transaction with the mark of how far was warned: nobody is warned twice.
    """
    with database.transaction() as session:
        warn_days = session.scalar(text("SELECT warn_days FROM coalition.programme"))
        until = day + timedelta(days=warn_days or 0)
        since = session.scalar(text("SELECT coalition.claim_warnings(:day)"), {"day": until})
        if since is None:
            return 0
        at = programme.get(session).time(now)
        return _warn(session, since=since, until=until, at=at) + _warn_late(session, day=day, since=since, at=at)


def warn_issuer(session: Session, *, partner_id: UUID, since: date, until: date, now: datetime) -> int:
    """Tell one issuer, of which points it would have heard between two days; returns how many events."""
    warning = timedelta(days=programme.rules(session).warn_days)
    return _warn(session, since=since + warning, until=until + warning, at=now, partner_id=partner_id)


# What was issued, vested, given back or moved on the day to lots whose warning would have come before it.
_CAME_LATE = """
    SELECT l.member_id, l.issuer_id, l.expires_on, sum(l.remaining - l.held)::bigint AS points
    FROM (SELECT DISTINCT p.member_id, p.lot_id FROM coalition.posting p
          WHERE p.business_date = :day AND p.credit = 'wallet') c
    JOIN coalition.lot l ON l.member_id = c.member_id AND l.lot_id = c.lot_id
    WHERE l.is_open AND l.expires_on > :next_day AND l.expires_on <= :since
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def _warn_late(session: Session, *, day: date, since: date, at: datetime) -> int:
    """Tell of points that came, or came back, on `day` to expire before its warning: nobody was told of them."""
    late = {"day": day, "next_day": day + timedelta(days=1), "since": since}
    return _tell(session, stream(session, _CAME_LATE, late), at=at)


def _warn(session: Session, *, since: date, until: date, at: datetime, partner_id: UUID | None = None) -> int:
    statement = f"""
        SELECT l.member_id, l.issuer_id, l.expires_on, sum(l.remaining - l.held)::bigint AS points
        FROM coalition.lot l
        WHERE l.is_open AND l.expires_on > :since AND l.expires_on <= :until {_only(partner_id, "l.issuer_id")}
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """  # noqa: S608
    return _tell(session, stream(session, statement, {"since": since, "until": until, "partner_id": partner_id}), at=at)


def _tell(session: Session, expiring: Iterable[Row[Any]], *, at: datetime) -> int:
    warned = 0
    for row in expiring:
        warned += 1
        outbox.append(
            session,
            outbox.Event(
                type="points.expiring",
                subject_id=row.member_id,
                partner_id=row.issuer_id,
                occurred_at=at,
                data={
                    "member_id": row.member_id,
                    "partner_id": row.issuer_id,
                    "points": row.points,
                    "expires_on": row.expires_on,
                },
            ),
        )
    return warned


def forget_outcomes(database: Database, *, now: datetime) -> int:
    """Drop the outcomes of keys older than OUTCOMES_KEPT, a set at a time; returns how many."""
    forgotten = 0
    while True:
        with database.transaction() as session:
            dropped = session.scalar(
                text("SELECT coalition.forget_outcomes(:before, :limit)"),
                {"before": now - OUTCOMES_KEPT, "limit": FORGET_AT_ONCE},
            )
        forgotten += dropped or 0
        if not dropped:
            return forgotten


def _post_all(
    database: Database, statement: str, command_for: Callable[[Row[Any]], Command], *, now: datetime, **more: Any
) -> int:
    """Post a command for each row of `statement`, which is read in one snapshot; returns how many were posted.

    A row says at least whose wallet it is, `member_id`, and for which partner.
    """
    posted = 0
    with database.transaction() as reader:
        at = programme.get(reader).time(now)
        rows = stream(reader, statement, {"at": at, **more}, fetch_rows=ledger.MOST_AT_ONCE)
        while chunk := list(islice(rows, ledger.MOST_AT_ONCE)):
            wanted = [
                _Due(
                    row.member_id,
                    Request(partner_id=row.partner_id, key=None, request_hash=None, now=now),
                    command_for(row),
                )
                for row in chunk
            ]
            # A refusal means that somebody else ended the hold, or spent the points, since they were found.
            posted += sum(outcome.refusal is None for outcome in _post(database, wanted))
    return posted


class _Due(NamedTuple):
    member_id: UUID
    request: Request
    command: Command


def _post(database: Database, wanted: list[_Due]) -> list[Outcome]:
    """Post them together; where one can't be, each by itself: a wallet that is broken keeps no other waiting.

    Raises DatabaseUnavailable: then none can be.
    """
    try:
        with database.transaction() as session:
            return ledger.post_many(session, [(one.request, one.command) for one in wanted])
    except Unavailable:
        raise
    except Exception:
        if len(wanted) == 1:
            [(member_id, _, command)] = wanted
            log.exception(
                "can't post the %s %s of %s; `coalition ledger verify` tells more",
                command.kind, command.reference, ids.show_our_own(member_id),
            )  # fmt: skip
            return []
    return [outcome for one in wanted for outcome in _post(database, [one])]
