"""The programme: one row that says which currency, which zone, which business day is open, and what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.secrets import Keyring, same

EXPIRY_MONTHS = 24
# Of new programmes: a stolen card spends no more than this, and a member that proves itself as much as it has.
PIN_FREE_POINTS, PIN_FREE_POINTS_PER_DAY = 1_000, 2_000


class NoProgramme(NotFound):
    """The database holds no programme yet; `coalition up` makes one."""

    code = "no_programme"
    title = "No programme yet"


class ProgrammeMismatch(Conflict):
    """A setting contradicts what the books were opened with."""

    code = "programme_mismatch"
    title = "Settings contradict the books"


class ClockRefused(Conflict):
    """The test clock exists only in a demo coalition, and moves only forward."""

    code = "clock_refused"
    title = "Test clock refused"


@dataclass(frozen=True)
class Programme:
    """`test_now` is set in a demo coalition only; `open_day` is a date in `time_zone`."""

    programme_id: UUID
    currency: str
    time_zone: str
    open_day: date
    test_now: datetime | None

    @property
    def is_demo(self) -> bool:
        """Whether this coalition runs on a test clock, with nobody's real money."""
        return self.test_now is not None

    @property
    def zone(self) -> ZoneInfo:
        """The zone business days are reckoned in."""
        return ZoneInfo(self.time_zone)

    def time(self, now: datetime) -> datetime:
        """The coalition's time: the test clock of a demo coalition, otherwise `now`."""
        return self.test_now or now

    def day(self, at: datetime) -> date:
        """Which business day the instant `at` lies in, by the calendar of the coalition's zone."""
        return at.astimezone(self.zone).date()

    def ends_at(self, day: date) -> datetime:
        """The instant `day` is over: midnight in the coalition's zone (days of 23 and 25 hours included)."""
        return datetime.combine(day + timedelta(days=1), time.min, self.zone)


def get(session: Session) -> Programme:
    """The programme; raises NoProgramme."""
    row = session.execute(
        text("SELECT programme_id, currency, time_zone, open_day, test_now FROM coalition.programme")
    ).first()
    if row is None:
        raise NoProgramme("the database holds no programme; start it once with `coalition up`")
    return Programme(*row)


def ensure(session: Session, *, now: datetime, currency: str, time_zone: str, keyring: Keyring) -> Programme:
    """The programme, founded with these values if there is none.

    Raises ProgrammeMismatch where the values, or the secret key, are not those of its founding.
    """
    session.execute(
        text("""
            INSERT INTO coalition.programme
                (programme_id, currency, time_zone, key_check, expiry_months, pin_free_points,
                 pin_free_points_per_day, open_day, created_at)
            VALUES (:programme_id, :currency, :time_zone, :key_check, :expiry_months, :pin_free, :pin_free_per_day,
                    CAST(CAST(:now AS timestamptz) AT TIME ZONE :time_zone AS date), :now)
            ON CONFLICT (singleton) DO NOTHING
        """),
        {
            "programme_id": ids.new(),
            "currency": currency,
            "time_zone": time_zone,
            "key_check": _key_check(keyring),
            "expiry_months": EXPIRY_MONTHS,
            "pin_free": PIN_FREE_POINTS,
            "pin_free_per_day": PIN_FREE_POINTS_PER_DAY,
            "now": now,
        },
    )
    programme = get(session)
    for name, given, kept in (
        ("COALITION_CURRENCY", currency, programme.currency),
        ("COALITION_TIME_ZONE", time_zone, programme.time_zone),
    ):
        if given != kept:
            raise ProgrammeMismatch(f"{name} is {given}, but the books of this database are kept in {kept}")
    require_key(session, keyring)
    return programme


def require_key(session: Session, keyring: Keyring) -> None:
    """Raise ProgrammeMismatch where the secret key is not the one the books were opened with, or NoProgramme."""
    stored = session.scalar(text("SELECT key_check FROM coalition.programme"))
    if stored is None:
        raise NoProgramme("the database holds no programme; start it once with `coalition up`")
    if not same(stored, _key_check(keyring)):
        raise ProgrammeMismatch(
            "this database was founded with another secret key, or as live and not as a sandbox, or the other way "
            "round; give the key back with COALITION_SECRET_KEY or the secret.key of its data folder"
        )


def _key_check(keyring: Keyring) -> bytes:
    return keyring.fingerprint(purpose="key check", value="coalition" if keyring.realm == "live" else "sandbox")


@dataclass(frozen=True)
class Rules:
    """What the programme does where programmes differ.

    Points live for `expiry_months`, as it stands when they are earned, from the day they are earned for.
    `return_policy` is about points of a return that are spent: within_balance (written off), owed, refuse. Points that
    return to an expired lot live for `grace_days`; issuers hear `warn_days` before points expire; adjustments of more
    than `adjustment_limit` points take two people. A burn or hold of more than `pin_free_points`, or with which the
    member's spending of a business day comes to more than `pin_free_points_per_day` (None: no limit), takes a PIN, a
    rotating code or a consent.
    """

    expiry_months: int
    return_policy: str
    grace_days: int
    warn_days: int
    adjustment_limit: int
    pin_free_points: int | None
    pin_free_points_per_day: int | None


def rules(session: Session) -> Rules:
    """The rules in force."""
    row = session.execute(
        text("""
            SELECT expiry_months, return_policy::text, grace_days, warn_days, adjustment_limit, pin_free_points,
                   pin_free_points_per_day
            FROM coalition.programme
        """)
    ).first()
    if row is None:
        raise NoProgramme("the database holds no programme; start it once with `coalition up`")
    return Rules(*row)


def set_rules(session: Session, wanted: Rules) -> None:
    """Let `wanted` be in force for what is posted from now on."""
    session.execute(
        text("""
            UPDATE coalition.programme SET expiry_months = :expiry_months,
                return_policy = CAST(:return_policy AS coalition.return_policy), grace_days = :grace_days,
                warn_days = :warn_days, adjustment_limit = :adjustment_limit, pin_free_points = :pin_free_points,
                pin_free_points_per_day = :pin_free_points_per_day
        """),
        vars(wanted),
    )


_CLOCK_REFUSALS = {
    "live": "this coalition has real postings; a test clock is only for a new, empty one",
    "backwards": "the test clock moves only forward",
}


def set_test_clock(session: Session, *, to: datetime) -> None:
    """Make it `to` in this demo coalition; the first call, in an empty coalition, is what makes it one.

    Raises ClockRefused.
    """
    refusal = session.scalar(text("SELECT coalition.set_test_clock(:to)"), {"to": to})
    if refusal is not None:
        raise ClockRefused(_CLOCK_REFUSALS[refusal])
