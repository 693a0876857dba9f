"""Business days: closed by a barrier, then sealed into a hash chain; and what moved on one, for settlement.

Closing is a transaction of two rows behind an exclusive lock that every posting holds shared: when it has committed,
nothing can land in the day any more, and no posting falls between two days. Sealing reads what can't change any more.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme, seals
from kit import logs
from kit.db import Database, Session, stream
from kit.errors import Conflict
from kit.secrets import Keyring

log = logging.getLogger("ledger")

GENESIS = bytes(32)
NEVER = datetime.max.replace(tzinfo=UTC)

# The same rows in the same order, whatever the server's settings: this is what the digest is over.
_POSTINGS = """
    SELECT concat_ws('|', p.member_id, p.txn_id, p.seq, p.debit, p.credit, p.points, p.lot_id, p.issuer_id,
                     p.partner_id, to_char(p.business_date, 'YYYY-MM-DD'), to_char(p.issued_on, 'YYYY-MM-DD')) AS line,
           concat(p.debit, '>', p.credit, ':', p.issuer_id) AS account, p.points
    FROM coalition.posting p WHERE p.business_date = :day ORDER BY p.member_id, p.txn_id, p.seq
"""
_TRANSACTIONS = """
    SELECT concat(t.member_id, '|', t.member_seq, '|', t.txn_id, '|', t.kind, '|', t.partner_id, '|', t.points, '|',
                  t.uncovered, '|', t.repaid, '|', t.available_after, '|', t.held_after, '|', t.pending_after, '|',
                  t.owed_after, '|', t.reference, '|', t.reverses_txn_id, '|', t.hold_id, '|', t.amount_minor, '|',
                  t.currency, '|', t.points_per_unit, '|', t.minor_per_unit, '|', to_char(t.expires_on, 'YYYY-MM-DD'),
                  '|', extract(epoch FROM t.effective_at), '|', extract(epoch FROM t.booked_at), '|',
                  extract(epoch FROM t.due_at), '|', to_char(t.business_date, 'YYYY-MM-DD'), '|',
                  to_char(t.original_business_date, 'YYYY-MM-DD'), '|', t.meta) AS line
    FROM coalition.txn t WHERE t.business_date = :day ORDER BY t.member_id, t.member_seq
"""
SEAL_VERSION = 3  # 1: postings only; 2: neither when the day was closed, nor signed


class DayNotOver(Conflict):
    """The business day is still running, or earlier ones are still open."""

    code = "day_not_over"
    title = "Business day not over"


class DayNotClosed(Conflict):
    """The business day is not closed and sealed yet."""

    code = "day_not_closed"
    title = "Business day not closed"


@dataclass(frozen=True)
class Seal:
    """What a closed day adds up to: `totals` are points by debit, credit and issuer; `chain` covers all days before.

    `digest` is over the day's postings, and since version 2 over its transactions too, in a fixed order. Since version
    3 the chain covers when the day was closed, and each seal is signed as it is made (coalition.seals).
    """

    day: date
    version: int
    postings: int
    totals: dict[str, int]
    digest: bytes
    chain: bytes


@dataclass(frozen=True)
class Flow:
    """Points of `issuer_id`'s lots issued on `issued_on` that `redeemer_id` took, less those given back.

    They were burned or captured there, or repaid what the member owed it.
    """

    issuer_id: UUID
    redeemer_id: UUID
    issued_on: date
    points: int


@dataclass(frozen=True)
class FlowLine:
    """One transaction's part of a Flow, signed alike; `reference` is the redeemer's receipt, posted on `day`."""

    issuer_id: UUID
    redeemer_id: UUID
    issued_on: date
    points: int
    transaction_id: UUID
    reference: str
    day: date


def close_over(session: Session, *, now: datetime) -> list[date]:
    """Close every business day that is over, the oldest first; returns them.

    It is quick, and whatever else a night has to do comes after it: nothing that is posted from now on lands in them.
    """
    return list(session.scalars(text("SELECT coalition.close_days_over(:now)"), {"now": now}))


def close_early(session: Session, *, now: datetime) -> date:
    """Close the open day before it is over, where nobody's money is behind it; returns it.

    What is posted until midnight belongs to the next day, which then lasts until its own midnight.
    """
    day = programme.get(session).open_day
    session.execute(text("SELECT coalition.ledger_close_day(:day, :now)"), {"day": day, "now": now})
    return day


class DayWatch:
    """Closes business days as soon as they are over; asks the database only when one may be."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ends_at = datetime.min.replace(tzinfo=UTC)

    def look(self, now: datetime) -> None:
        """Come before whatever posts; costs a comparison while the day lasts. Raises NoProgramme."""
        if now < self._ends_at:
            return
        with self._database.transaction() as session:
            close_over(session, now=now)
            current = programme.get(session)
        # In a demo days end by its test clock, and who moves it closes them.
        self._ends_at = NEVER if current.is_demo else current.ends_at(current.open_day)


def close(session: Session, *, day: date, now: datetime) -> bool:
    """Close `day` and open the next; False when it was closed before.

    Raises DayNotOver while `now` lies before the day's end in the coalition's zone, or an earlier day is open.
    """
    current = programme.get(session)
    if day < current.open_day:
        return False
    if day > current.open_day or current.time(now) < current.ends_at(day):
        raise DayNotOver(f"{day} is not over; the open business day is {current.open_day}", open_day=current.open_day)
    return bool(session.scalar(text("SELECT coalition.ledger_close_day(:day, :now)"), {"day": day, "now": now}))


def hold_open(session: Session) -> date:
    """The open business day, which can't close before this transaction ends: for what may change only days to come."""
    session.execute(text("SELECT FROM coalition.programme FOR SHARE"))
    return programme.get(session).open_day


def seal(session: Session, *, day: date, now: datetime, keyring: Keyring) -> Seal:
    """Seal a closed day, chained to the day before, and sign it; the same seal again when it has one.

    Raises DayNotClosed.
    """
    if (known := find_seal(session, day)) is not None:
        return known
    made = compute_seal(session, day, previous=_chain_before(session, day))
    session.execute(
        text(
            "SELECT coalition.ledger_seal_day(:day, :now, :version, :postings, CAST(:totals AS jsonb), :digest, :chain)"
        ),
        {"now": now, **vars(made), "totals": json.dumps(made.totals)},
    )
    seals.sign(session, day=day, chain=made.chain, now=now, keyring=keyring)
    logs.event(log, "day sealed", day=day, chain=made.chain.hex())  # a second place that knows it
    return made


def find_seal(session: Session, day: date) -> Seal | None:
    """The seal of `day`, or None while it has none; raises DayNotClosed while the day is open."""
    row = session.execute(
        text("SELECT day, version, postings, totals, digest, chain FROM coalition.sealed_day WHERE day = :day"),
        {"day": day},
    ).first()
    if row is None:
        raise DayNotClosed(f"{day} is not closed")
    return Seal(*row) if row.chain is not None else None


def closed_at(session: Session, day: date) -> datetime:
    """When `day` was closed, by the system clock; raises DayNotClosed."""
    at: datetime | None = session.scalar(
        text("SELECT closed_at FROM coalition.sealed_day WHERE day = :day"), {"day": day}
    )
    if at is None:
        raise DayNotClosed(f"{day} is not closed")
    return at


def compute_seal(session: Session, day: date, *, previous: bytes, version: int = SEAL_VERSION) -> Seal:
    """What the seal of `day` has to be, from its rows, read as a stream: memory doesn't grow with the day."""
    digest = hashlib.sha256()
    totals: dict[str, int] = {}
    postings = 0
    for line, account, points in stream(session, _POSTINGS, {"day": day}):
        digest.update(line.encode() + b"\n")
        totals[account] = totals.get(account, 0) + points
        postings += 1
    if version > 1:
        for (line,) in stream(session, _TRANSACTIONS, {"day": day}):
            digest.update(line.encode() + b"\n")
    totals = dict(sorted(totals.items()))
    content: list[object] = [day.isoformat(), postings, totals, digest.hexdigest()]
    if version > 2:
        content = [version, closed_at(session, day).astimezone(UTC).isoformat(timespec="microseconds"), *content]
    chain = hashlib.sha256(previous + json.dumps(content, separators=(",", ":")).encode()).digest()
    return Seal(day, version, postings, totals, digest.digest(), chain)


def _chain_before(session: Session, day: date) -> bytes:
    row = session.execute(
        text("SELECT day, chain FROM coalition.sealed_day WHERE day < :day ORDER BY day DESC LIMIT 1"),
        {"day": day},
    ).first()
    if row is None:
        return GENESIS
    if row.chain is None or row.day != day - timedelta(days=1):
        raise DayNotClosed(f"{day} can't be sealed before {row.day}")
    return bytes(row.chain)


def last_sealed(session: Session) -> Seal:
    """The seal of the last day that has one; raises DayNotClosed."""
    day = session.scalar(text("SELECT max(day) FROM coalition.sealed_day WHERE chain IS NOT NULL"))
    found = find_seal(session, day) if day else None
    if found is None:
        raise DayNotClosed("no day is sealed yet")
    return found


def closed_days(session: Session) -> list[tuple[date, bool]]:
    """The closed days in order, each with whether it is sealed."""
    rows = session.execute(text("SELECT day, chain IS NOT NULL AS sealed FROM coalition.sealed_day ORDER BY day"))
    return [(row.day, row.sealed) for row in rows]


def unsealed_days(session: Session) -> list[date]:
    """The days that are closed and not sealed yet, oldest first."""
    return list(session.scalars(text("SELECT day FROM coalition.sealed_day WHERE chain IS NULL ORDER BY day")))


# Redemption is where points meet money: credited by a burn or capture, debited when one is given back.
# A debt repaid out of another issuer's points is money between the two just the same.
_FLOWS = """
    SELECT p.issuer_id, p.partner_id, p.issued_on,
           sum(CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END)::bigint
    FROM coalition.posting p
    WHERE p.business_date = :day AND (p.debit = 'redemption' OR p.credit IN ('redemption', 'recovery'))
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_FLOW_LINES = """
    SELECT p.issuer_id, p.partner_id, p.issued_on,
           CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END, p.txn_id, t.reference,
           p.business_date
    FROM coalition.posting p
    JOIN coalition.txn t ON t.txn_id = p.txn_id AND t.business_date = p.business_date  -- found by the day as well
    WHERE p.business_date = :day AND (p.debit = 'redemption' OR p.credit IN ('redemption', 'recovery'))
    ORDER BY p.issuer_id, p.partner_id, p.issued_on, p.txn_id, p.seq
"""


def flows(session: Session, day: date) -> list[Flow]:
    """What crossed between partners on `day`, added up; a partner's own points at its own till included."""
    return [Flow(*row) for row in session.execute(text(_FLOWS), {"day": day})]


def flow_lines(session: Session, day: date) -> Iterator[FlowLine]:
    """The single lines behind `flows`, in a fixed order, as a stream."""
    for row in stream(session, _FLOW_LINES, {"day": day}):
        yield FlowLine(*row)


def matrix(session: Session) -> list[tuple[UUID, UUID, int]]:
    """Issuer, redeemer, points burned less given back, over all days, and points that repaid what a member owed it.

    So its sum is the total burn and all that was recovered.
    """
    rows = session.execute(
        text("""
            SELECT p.issuer_id, p.partner_id,
                   sum(CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END)::bigint
            FROM coalition.posting p
            WHERE p.debit = 'redemption' OR p.credit IN ('redemption', 'recovery') GROUP BY 1, 2 ORDER BY 1, 2
        """)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def uncovered(session: Session, day: date) -> dict[UUID, int]:
    """Points > 0 that each partner's returns of `day` could not take back: written off, or owed from then on."""
    rows = session.execute(
        text("""
            SELECT t.partner_id, sum(t.uncovered)::bigint FROM coalition.txn t
            WHERE t.business_date = :day AND t.uncovered > 0 GROUP BY t.partner_id
        """),
        {"day": day},
    )
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True)
class Turnover:
    """What one partner did, in points: all ≥ 0."""

    partner_id: UUID
    earned: int
    burned: int
    earns_reversed: int
    burns_reversed: int
    recovered: int  # of what it issued, at once repaid to whom members owed points


def turnover(session: Session) -> list[Turnover]:
    """Points by partner over all days, from the transactions (the matrix is from the postings)."""
    rows = session.execute(
        text("""
            SELECT t.partner_id,
                   coalesce(sum(t.points) FILTER (WHERE t.kind = 'earn'), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE t.kind IN ('burn', 'capture')), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE t.kind = 'clawback' OR o.kind = 'earn'), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE o.kind IN ('burn', 'capture')), 0)::bigint,
                   coalesce(sum(t.repaid), 0)::bigint
            FROM coalition.txn t LEFT JOIN coalition.txn o ON o.txn_id = t.reverses_txn_id
            GROUP BY 1 ORDER BY 1
        """)
    )
    return [Turnover(*row) for row in rows]
