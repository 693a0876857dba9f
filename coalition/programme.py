"""The programme: one row that says which currency, which zone, which business day is open, and what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kit import audit, ids, money, root_key
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.root_key import WrongSecretKey
from kit.secret_key import SecretKey
from kit.secrets import Keyring, same

# Of books that are opened where nobody says otherwise.
CURRENCY, TIME_ZONE = "GBP", "UTC"
EXPIRY_MONTHS = 24
# Of new programmes: a stolen card spends no more than this, and a member that proves itself as much as it has.
PIN_FREE_POINTS, PIN_FREE_POINTS_PER_DAY = 1_000, 2_000


class NoProgramme(NotFound):
    code = "no_programme"
    title = "No programme yet"
    description = "The database holds no programme yet. `coalition up` creates one."
    remedy = (
        "Run `coalition up` once against this database, or set COALITION_DATABASE_URL to the database that holds the "
        "books."
    )


class ProgrammeMismatch(Conflict):
    code = "programme_mismatch"
    title = "Settings contradict the books"
    description = "A setting contradicts what the coalition's books were opened with."
    remedy = (
        "Set the setting that `detail` names back to the value of the books, or set COALITION_DATABASE_URL to another "
        "coalition's database."
    )


class UnknownCurrency(Invalid):
    code = "unknown_currency"
    title = "Unknown currency"
    description = "The currency is not a current ISO 4217 code such as GBP."
    remedy = "Name a current currency by its three letters; that of the programme is set by COALITION_CURRENCY."


class ClockRefused(Conflict):
    code = "clock_refused"
    title = "Test clock refused"
    description = "Only a demo coalition has a test clock, and it moves forward only."
    remedy = (
        "Set the clock of a new, empty coalition only, to a later time than it shows. During a replay leave the clock "
        "alone: the replay moves it."
    )


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
        raise NoProgramme("the database holds no programme; run `coalition up` once to create one")
    return Programme(*row)


def is_founded(session: Session) -> bool:
    """Whether the books are open."""
    return session.scalar(text("SELECT true FROM coalition.programme")) is True


def ensure(
    session: Session,
    *,
    now: datetime,
    currency: str | None,
    time_zone: str | None,
    key: SecretKey,
    like: Programme | None = None,
) -> Programme:
    """The programme, founded with these values and a new root key, which `key` opens, if there is none.

    None: as in `like`, or whatever the books are kept in. Raises ProgrammeMismatch where the values are not those of
    its founding, WrongSecretKey where `key` doesn't open it, UnknownCurrency.
    """
    keys, programme_id = root_key.made(key), None
    if not is_founded(session):
        programme_id = _found(
            session,
            now=now,
            currency=currency or (like.currency if like else CURRENCY),
            time_zone=time_zone or (like.time_zone if like else TIME_ZONE),
            keyring=keys,
        )
    programme = get(session)
    if programme_id is None and not root_key.wrappings(session):
        keys = _keys_of_before(session, key)
        programme_id = programme.programme_id
    if programme_id is not None:
        root_key.add(session, keys, key=key, programme_id=programme_id, now=now)
    for name, given, kept in (
        ("COALITION_CURRENCY", currency, programme.currency),
        ("COALITION_TIME_ZONE", time_zone, programme.time_zone),
    ):
        if given not in (None, kept):
            raise ProgrammeMismatch(f"{name} is {given}, but the books of this database are kept in {kept}")
    require_key(session, root_key.read(session, key))
    return programme


def _found(session: Session, *, now: datetime, currency: str, time_zone: str, keyring: Keyring) -> UUID | None:
    # Here and not where settings are read: a currency that is given up one day keeps no open books from going on.
    if currency not in money.currencies():
        raise UnknownCurrency(f"{currency} is no currency of ISO 4217; set COALITION_CURRENCY to one, such as GBP")
    made: UUID | None = session.scalar(
        text("""
            INSERT INTO coalition.programme
                (programme_id, currency, time_zone, key_check, expiry_months, pin_free_points,
                 pin_free_points_per_day, open_day, created_at)
            VALUES (:programme_id, :currency, :time_zone, :key_check, :expiry_months, :pin_free, :pin_free_per_day,
                    CAST(CAST(:now AS timestamptz) AT TIME ZONE :time_zone AS date), :now)
            ON CONFLICT (singleton) DO NOTHING RETURNING programme_id
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
    return made  # None: somebody else just founded it


def _keys_of_before(session: Session, key: SecretKey) -> Keyring:
    """The keys of books that were opened before there was a root key: the secret key itself is theirs."""
    keys = Keyring(key.value, key.realm)
    require_key(session, keys)
    return keys


def require_key(session: Session, keyring: Keyring) -> None:
    """Raise WrongSecretKey where `keyring` is not the one these books were opened with, or NoProgramme."""
    stored = session.scalar(text("SELECT key_check FROM coalition.programme"))
    if stored is None:
        raise NoProgramme("the database holds no programme; run `coalition up` once to create one")
    if not same(stored, _key_check(keyring)):
        raise WrongSecretKey(
            "these books were opened with another key, or as live and not as a sandbox, or the other way round; give "
            "the key back with COALITION_SECRET_KEY or the secret.key of its data folder"
        )


def _key_check(keyring: Keyring) -> bytes:
    return keyring.fingerprint(purpose="key check", value="coalition" if keyring.realm == "live" else "sandbox")


@dataclass(frozen=True)
class Rules:
    """What the programme does where programmes differ.

    Points live for `expiry_months`, as it stands when they are earned, from the day they are earned for.
    `return_policy` is about points of a return that are spent: within_balance (written off), debt, refuse. Points that
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
        raise NoProgramme("the database holds no programme; run `coalition up` once to create one")
    return Rules(*row)


def set_rules(session: Session, act: Act, wanted: Rules) -> None:
    """Let `wanted` be in force for what is posted from now on."""
    before = vars(rules(session))
    session.execute(
        text("""
            UPDATE coalition.programme SET expiry_months = :expiry_months,
                return_policy = CAST(:return_policy AS coalition.return_policy), grace_days = :grace_days,
                warn_days = :warn_days, adjustment_limit = :adjustment_limit, pin_free_points = :pin_free_points,
                pin_free_points_per_day = :pin_free_points_per_day
        """),
        vars(wanted),
    )
    changed = {name: value for name, value in vars(wanted).items() if value != before[name]}
    audit.append(session, act, "programme.changed", "programme", **changed)


_CLOCK_REFUSALS = {
    "live": "this coalition has real postings; only a new, empty one can have a test clock",
    "backwards": "the test clock moves forward only",
}


def set_test_clock(session: Session, *, to: datetime) -> None:
    """Make it `to` in this demo coalition; the first call, in an empty coalition, is what makes it one.

    Raises ClockRefused.
    """
    refusal = session.scalar(text("SELECT coalition.set_test_clock(:to)"), {"to": to})
    if refusal is not None:
        raise ClockRefused(_CLOCK_REFUSALS[refusal])
