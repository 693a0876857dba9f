"""Business days: closed by a barrier, then sealed into a hash chain; and what moved on one, for settlement.

Closing is a transaction of two rows behind an exclusive lock that every posting holds shared: when it has committed,
nothing can land in the day any more, and no posting falls between two days. Sealing reads what can't change any more.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme, seal_rows, seals
from coalition.programme import Programme
from kit import logs
from kit.db import Database, Session
from kit.errors import Conflict, Unavailable
from kit.secrets import Keyring

log = logging.getLogger("ledger")

GENESIS = bytes(32)
NEVER = datetime.max.replace(tzinfo=UTC)

_TOTALS = """
    SELECT concat(p.debit, '>', p.credit, ':', p.issuer_id), sum(p.points)::bigint, count(*)
    FROM coalition.posting p WHERE p.business_date = :day GROUP BY p.debit, p.credit, p.issuer_id
"""
# 1: postings only; 2: neither when the day was closed, nor signed; 3: rows as text
SEAL_VERSION = 4


class DayNotOver(Conflict):
    code, title = "day_not_over", "Business day not over"
    description = "The business day is still running, or an earlier one is still open."
    remedy = "Wait until the business day `detail` names is over, or name an earlier day."


class DayNotClosed(Conflict):
    code, title = "day_not_closed", "Business day not closed"
    description = "The business day is not closed and sealed yet."
    remedy = "Wait for the settlement job, or run `coalition ledger close-day` for the day first."


class ClockDoubtful(Unavailable):
    code, title = "clock_doubtful", "Clock in doubt"
    description = (
        "This machine's clock is ahead of the database's clock, or more days have passed since the open business day "
        "than a coalition ever pauses. By that clock we would close business days too early and for good. We post "
        "nothing until the clock is corrected."
    )
    remedy = "Send the same request again later. Whoever runs the coalition has to set its clocks right."


CLOCKS_APART = timedelta(hours=1)
MOST_DAYS_AT_ONCE = 92  # a coalition may stand still; whoever starts it after longer is asked


@dataclass(frozen=True)
class Seal:
    """What a closed day adds up to: `totals` are points by debit, credit and issuer; `chain` covers all days before.

    `digest` is over the day's postings, and since version 2 over its transactions too, in a fixed order. Since version
    3 the chain covers when the day was closed, and each seal is signed as it is made (coalition.seals). Since version 4
    the rows are bytes (coalition.seal_rows).
    """

    day: date
    version: int
    postings: int
    totals: dict[str, int]
    digest: bytes
    chain: bytes


def close_over(session: Session, *, now: datetime, however_many: bool = False) -> list[date]:
    """Close every business day that is over, the oldest first; returns them.

    It is quick, and whatever else a night has to do comes after it: nothing that is posted from now on lands in them.
    Raises ClockDoubtful; of more days than MOST_DAYS_AT_ONCE only unless somebody said that it may be `however_many`.
    """
    current = programme.get(session)
    if not current.is_demo and current.day(now) > current.open_day:
        _doubt(session, current, now, however_many=however_many)
    return list(session.scalars(text("SELECT coalition.close_days_over(:now)"), {"now": now}))


def _doubt(session: Session, current: Programme, now: datetime, *, however_many: bool) -> None:
    at_database: datetime = session.scalar(text("SELECT clock_timestamp()"))
    if now > at_database + CLOCKS_APART:
        raise ClockDoubtful(
            f"we close no day: this machine's clock shows {now:%Y-%m-%d %H:%M} UTC, "
            f"and the database's shows {at_database:%Y-%m-%d %H:%M} UTC; correct the clocks"
        )
    days = (current.day(now) - current.open_day).days
    if days > MOST_DAYS_AT_ONCE and not however_many:
        raise ClockDoubtful(
            f"we close no day: from the open day {current.open_day} to {current.day(now)} it would be {days} at "
            "once; if the clock is right: coalition ledger close-day --however-many --reason … --by …"
        )


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
        """Come before whatever posts; costs a comparison while the day lasts. Raises NoProgramme, ClockDoubtful."""
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
    """The open business day, which can't close before this transaction ends: for what may change only days to come.

    It holds the day's gate as every posting does, and so may post afterwards without waiting for who closes the day.
    """
    session.execute(text("SELECT pg_advisory_xact_lock_shared(coalition.day_gate())"))
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


def find_seals(session: Session, first: date, last: date) -> list[Seal]:
    """The seals of the days from `first` to `last` that have one, in order."""
    rows = session.execute(
        text("""
            SELECT day, version, postings, totals, digest, chain FROM coalition.sealed_day
            WHERE day BETWEEN :first AND :last AND chain IS NOT NULL ORDER BY day
        """),
        {"first": first, "last": last},
    )
    return [Seal(*row) for row in rows]


def closed_at(session: Session, day: date) -> datetime:
    """When `day` was closed, by the system clock; raises DayNotClosed."""
    at: datetime | None = session.scalar(
        text("SELECT closed_at FROM coalition.sealed_day WHERE day = :day"), {"day": day}
    )
    if at is None:
        raise DayNotClosed(f"{day} is not closed")
    return at


def compute_seal(session: Session, day: date, *, previous: bytes, version: int = SEAL_VERSION) -> Seal:
    """What the seal of `day` has to be, from its rows."""
    digest = seal_rows.digest(session, day, version=version)
    sums = session.execute(text(_TOTALS), {"day": day}).all()
    totals = {account: points for account, points, _ in sorted(sums)}
    postings = sum(count for _, _, count in sums)
    content: list[object] = [day.isoformat(), postings, totals, digest.hex()]
    if version > 2:
        content = [version, closed_at(session, day).astimezone(UTC).isoformat(timespec="microseconds"), *content]
    chain = hashlib.sha256(previous + json.dumps(content, separators=(",", ":")).encode()).digest()
    return Seal(day, version, postings, totals, digest, chain)


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


def first_closed(session: Session) -> date | None:
    """The first day that was closed; None: there is none."""
    day: date | None = session.scalar(text("SELECT min(day) FROM coalition.sealed_day"))
    return day


def closed_after(session: Session, day: date | None) -> list[date]:
    """The closed days after `day`, or all of them, in order."""
    statement = text("SELECT day FROM coalition.sealed_day WHERE day > coalesce(:day, '-infinity'::date) ORDER BY day")
    return list(session.scalars(statement, {"day": day}))


def unsealed_days(session: Session) -> list[date]:
    """The days that are closed and not sealed yet, oldest first."""
    return list(session.scalars(text("SELECT day FROM coalition.sealed_day WHERE chain IS NULL ORDER BY day")))


def matrix(session: Session) -> list[tuple[UUID, UUID, int]]:
    """Issuer, redeemer, points burned less given back, over all days, and points that repaid what a member owed it.

    So its sum is the total burn and all debts that were repaid.
    """
    rows = session.execute(
        text("""
            SELECT p.issuer_id, p.partner_id,
                   sum(CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END)::bigint
            FROM coalition.posting p
            WHERE p.debit = 'redemption' OR p.credit IN ('redemption', 'debt') GROUP BY 1, 2 ORDER BY 1, 2
        """)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def shortfall(session: Session, day: date) -> dict[UUID, int]:
    """Points > 0 that each partner's returns of `day` could not take back: written off, or owed from then on."""
    rows = session.execute(
        text("""
            SELECT t.partner_id, sum(t.shortfall)::bigint FROM coalition.txn t
            WHERE t.business_date = :day AND t.shortfall > 0 GROUP BY t.partner_id
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
    debt_repaid: int  # of what it issued, at once repaid to whom members owed points


def turnover(session: Session) -> list[Turnover]:
    """Points by partner over all days, from the transactions (the matrix is from the postings)."""
    rows = session.execute(
        text("""
            WITH o AS MATERIALIZED (
                SELECT x.txn_id, x.kind FROM coalition.txn x
                WHERE x.txn_id IN (SELECT r.reverses_txn_id FROM coalition.txn r WHERE r.reverses_txn_id IS NOT NULL)
            )
            SELECT t.partner_id,
                   coalesce(sum(t.points) FILTER (WHERE t.kind = 'earn'), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE t.kind IN ('burn', 'capture')), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE t.kind = 'clawback' OR o.kind = 'earn'), 0)::bigint,
                   coalesce(sum(t.points) FILTER (WHERE o.kind IN ('burn', 'capture')), 0)::bigint,
                   coalesce(sum(t.debt_repaid), 0)::bigint
            FROM coalition.txn t LEFT JOIN o ON o.txn_id = t.reverses_txn_id
            GROUP BY 1 ORDER BY 1
        """)
    )
    return [Turnover(*row) for row in rows]
