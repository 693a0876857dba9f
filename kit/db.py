"""The database: one engine per process, one way to open a transaction, and nothing else commits.

Who a transaction is for is said as it begins: a partner's request runs as a role that sees that partner's rows only
(docs/decisions/0016).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kit.errors import Unavailable
from kit.metrics import Counter, Histogram, Meter

# What a verb is handed: an open transaction.
Session: TypeAlias = Connection

SERVICE_ROLE = "coalition_service"
TENANT_ROLE = "coalition_tenant"
OLDEST_POSTGRESQL = 150_000
POOL_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 5

# Nothing of ours may wait or idle longer than this inside PostgreSQL; long jobs say so themselves.
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000

# Faults of the server and its limits, not of a statement: the same transaction may simply be tried again. By SQLSTATE
# (PostgreSQL's appendix A), whole classes: connection, rollback, resources, operator; and single ones: a lock that was
# waited for too long, a server that became read-only, a transaction that idled.
_PASSING_CLASSES = ("08", "40", "53", "57")
_PASSING_STATES = ("55P03", "25006", "25P03", "25P04")

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAITED = Histogram("coalition_db_connection_wait_seconds", "Waiting for a connection of the pool", bounds=_BOUNDS)
HELD = Histogram("coalition_db_connection_held_seconds", "Connections in use, until each came back", bounds=_BOUNDS)
FAILED = Counter(
    "coalition_db_failures_total", "Work the database did not take or complete", ("reason",),
    from_zero=("pool_exhausted", "not_connected", "not_completed"),
)  # fmt: skip


def shown(url: URL) -> str:
    """`url` as text with its password, for libpq too: to that a plus sign is no space."""
    place, mark, query = url.render_as_string(hide_password=False).partition("?")
    return place + mark + query.replace("+", "%20")


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    title = "Database unavailable"
    description = "PostgreSQL does not answer, restarted, or was too busy. We kept nothing of the transaction."


@dataclass(frozen=True)
class Tenant:
    """Whose rows may be seen: a partner's and, with a consent, those of the member who gave it."""

    partner_id: UUID
    member_id: UUID | None = None


class Database:
    """A pool of connections to the coalition's database.

    They run as `role`: `coalition_service` sees everything, and may not touch the ledger's tables but through the
    ledger's functions; `coalition_tenant` sees nobody's rows until a transaction says whose it is: see `of`. Whether
    they can leave that role hangs on the login in the URL (`kit.logins`). `owner=True` is for migrations: no role
    but the URL's user. With `read_only` nothing writes through it, a statement without a transaction neither.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        owner: bool = False,
        role: str = SERVICE_ROLE,
        read_only: bool = False,
        meter: Meter | None = None,
        application: str = "coalition",
    ) -> None:
        options = {
            "timezone": "UTC",
            "statement_timeout": 0 if owner else STATEMENT_TIMEOUT_MS,
            "lock_timeout": 0 if owner else LOCK_TIMEOUT_MS,
            "idle_in_transaction_session_timeout": 0 if owner else IDLE_IN_TRANSACTION_TIMEOUT_MS,
            "client_min_messages": "warning",
        }
        if not owner:
            options["role"] = role
        if read_only:
            options["default_transaction_read_only"] = "on"
        self.role = None if owner else role
        self._read_only = read_only
        self.whose = ""
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            # BEGIN is ours to send, with whom it is for, and a single statement goes without. Alembic leaves it to
            # the driver.
            isolation_level=None if owner else "AUTOCOMMIT",
            hide_parameters=True,  # an error's text goes to the log, and values may be somebody's
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
                "connect_timeout": CONNECT_TIMEOUT_S,
                "application_name": application,
                # Every statement of ours recurs, so it is prepared at its first use; a migration's file is many
                # statements at once, which can't be.
                "prepare_threshold": None if owner else 0,
            },
        )
        self._meter = meter

    def of(self, tenant: Tenant) -> Database:
        """The same pool, its transactions for `tenant`: other partners' rows aren't there."""
        if self.role != TENANT_ROLE:
            raise ValueError(f"only {TENANT_ROLE} sees one partner's rows and no others")
        view = copy.copy(self)
        view.whose = f"; SET LOCAL coalition.partner = '{tenant.partner_id}'"
        if tenant.member_id is not None:
            view.whose += f"; SET LOCAL coalition.member = '{tenant.member_id}'"
        return view

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseUnavailable where the fault is PostgreSQL's, not the statement's.
        """
        with self._connection() as connection, connection.begin():
            self._open(connection, "BEGIN")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction in which nothing can be written: PostgreSQL refuses it, as the fault of ours that it is.

        Raises DatabaseUnavailable like `transaction`.
        """
        with self._connection(reads=True) as connection, connection.begin():
            self._open(connection, "BEGIN READ ONLY")
            yield connection

    @contextmanager
    def trial(self) -> Iterator[Session]:
        """A transaction that is rolled back whatever happens: to see what would come of it."""
        with self._connection() as connection:
            started = connection.begin()
            self._open(connection, "BEGIN")
            try:
                yield connection
            finally:
                started.rollback()

    @contextmanager
    def statements(self) -> Iterator[Session]:
        """Every statement a transaction of its own: for a verb that is one statement, in one round trip, not three.

        Of `coalition_tenant` it is for nobody: a partner's rows are reached through functions only, which are told
        whose they are. Raises DatabaseUnavailable like `transaction`.
        """
        with self._connection() as connection:
            yield connection

    def _open(self, session: Session, begin: str) -> None:
        """Begin the transaction and say who it is for, in the one round trip that BEGIN takes anyway."""
        connection = _driver(session)
        result = connection.pgconn.exec_((begin + self.whose).encode())
        if result.status == ExecStatus.COMMAND_OK:
            return
        error = psycopg.errors.error_from_result(result)
        if connection.broken or error.sqlstate is None or error.sqlstate.startswith("57P"):
            # The server took it away; so it did with those that lie in the pool.
            session.invalidate()
            self.engine.dispose()
        raise error

    @contextmanager
    def _connection(self, *, reads: bool = False) -> Iterator[Connection]:
        began = time.perf_counter()
        try:
            connection = self.engine.connect()
        except PoolTimeoutError as error:
            raise self._failed("pool_exhausted", "all database connections are in use") from error
        except OperationalError as error:
            # The first line names host and port, never the password.
            said = f"can't connect to the database: {str(error.orig).splitlines()[0]}"
            raise self._failed("not_connected", said) from error
        connected = time.perf_counter()
        try:
            with connection:
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated or self._is_passing(error.orig, reads):
                raise self._failed("not_completed", _not_completed(error.orig)) from error
            raise
        except psycopg.Error as error:
            if self._is_passing(error, reads):
                raise self._failed("not_completed", _not_completed(error)) from error
            raise
        finally:
            if self._meter is not None:
                self._meter.observe(WAITED, connected - began)
                self._meter.observe(HELD, time.perf_counter() - connected)

    def _is_passing(self, cause: BaseException | None, reads: bool) -> bool:
        # Who asked to be able to read only has written: the server is as it was, and trying again helps nobody.
        return _is_passing(cause) and not (
            (reads or self._read_only) and isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)
        )

    def _failed(self, reason: str, said: str) -> DatabaseUnavailable:
        if self._meter is not None:
            self._meter.count(FAILED, reason)
        return DatabaseUnavailable(said)

    def close(self) -> None:
        """Give all connections back to the server."""
        self.engine.dispose()


def _is_passing(cause: BaseException | None) -> bool:
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is not None:
        return cause.sqlstate.startswith(_PASSING_CLASSES) or cause.sqlstate in _PASSING_STATES
    # No state, so it wasn't the server that spoke: a connection broke off, which is told as `OperationalError` or,
    # where another backend crashed, as plain `DatabaseError`. psycopg's complaints about our calls are other classes.
    return isinstance(cause, psycopg.OperationalError) or type(cause) is psycopg.DatabaseError


# What a statement can meet when a step of a migration commits in the middle of it: a function goes on in the body it
# began with, which may call what is gone by now, call what takes something else, or leave out a column that is new.
_BETWEEN_VERSIONS = ("0A000", "22004", "23502", "42703", "42725", "42804", "42883", "42P01", "42P13", "XX000")


def is_between_versions(error: Exception) -> bool:
    """Whether a transaction that failed with `error` may have begun before a migration and gone on behind it.

    Then it goes through when it is done once more. A fault of ours can look the same: it will be met again.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, psycopg.Error) and cause.sqlstate in _BETWEEN_VERSIONS


def _not_completed(cause: BaseException | None) -> str:
    said = "the database did not complete the transaction"
    return f"{said}: its disk is full" if isinstance(cause, psycopg.errors.DiskFull) else said


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection outside of any pool, its every statement a transaction.

    Raises DatabaseUnavailable, also for what is done on it, where the fault is PostgreSQL's.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"can't connect to the database: {str(error).splitlines()[0]}") from error
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        if _is_passing(error):
            raise DatabaseUnavailable(_not_completed(error)) from error
        raise


def _driver(session: Session) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] | None = session.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    return driver


@contextmanager
def raw(session: Session) -> Iterator[psycopg.Connection[Any]]:
    """The driver's own connection under `session`, in the same transaction."""
    driver = _driver(session)
    try:
        yield driver
    except psycopg.Error:
        if driver.broken:
            session.invalidate()  # or the pool would hand it out again
        raise


def call(session: Session, statement: str, parameters: dict[str, Any]) -> tuple[Any, ...]:
    """The one row of a hot `statement` with `%(name)s` places, straight from psycopg.

    SQLAlchemy's way to the same row costs 0.5 ms of CPU a call more, most of it for describing the columns anew
    (docs/performance.md). Raises psycopg's own errors.
    """
    rows = fetch(session, statement, parameters)
    if len(rows) != 1:
        raise RuntimeError(f"the statement returned {len(rows)} rows instead of one")
    return rows[0]


def fetch(
    session: Session, statement: str, parameters: dict[str, Any], *, binary: bool = False
) -> list[tuple[Any, ...]]:
    """All rows of a hot `statement`, like `call`; `binary` reads ids, times and bytes several times as fast as text."""
    with raw(session) as driver:
        rows: list[tuple[Any, ...]] = driver.execute(statement, parameters, binary=binary).fetchall()
    return rows


def execute(session: Session, statement: str, parameters: dict[str, Any]) -> int:
    """Run a hot `statement` like `call`; returns how many rows it changed.

    Arrays belong at places for binary parameters, `%(name)b`: as text, a body of 600 bytes takes 30 µs to write.
    """
    with raw(session) as driver:
        return driver.execute(statement, parameters).rowcount


def copy_in(session: Session, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Hand `rows` to a `COPY … FROM STDIN`: an eighth of what arrays of parameters cost, for sets of thousands.

    Raises psycopg's own errors.
    """
    with raw(session) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


FETCH_ROWS = 5_000
# A cursor is planned for its first tenth unless told otherwise, so that rows in the order asked for come at once: the
# planner then walks a whole table in that order and passes the index over that would find one day's rows. We read all.
_READ_WHOLE = text("SELECT set_config('cursor_tuple_fraction', '1', true)")
# Whoever reads rows does something with each set of them meanwhile, so the limit between statements goes as well.
_UNLIMITED = text("""
    SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)
    WHERE current_setting('coalition.statements_end', true) IS DISTINCT FROM 'yes'
""")


def stream(
    session: Session, statement: str, parameters: dict[str, Any], *, fetch_rows: int = FETCH_ROWS
) -> Iterator[Any]:
    """All rows of `statement`, `fetch_rows` at a time through a cursor: memory doesn't grow with their number.

    For the rest of the transaction its statements may take long.
    """
    allow_long_statements(session)
    session.execute(_READ_WHOLE)
    with session.execute(text(statement), parameters, execution_options={"yield_per": fetch_rows}) as result:
        yield from result


def allow_long_statements(session: Session) -> None:
    """Lift the time limits of statements, and between them, for this transaction: for nightly jobs."""
    session.execute(_UNLIMITED)


def reach_rows_by_key(session: Session) -> None:
    """Let the planner join arrays of keys to tables through indexes only, for this transaction.

    A table without statistics, such as one that was just filled, looks small to the planner; it then hashes all of it
    for ten keys, and a prepared statement keeps that plan (docs/performance.md).
    """
    session.execute(
        text("""
            SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
                   set_config('enable_mergejoin', 'off', true)
        """)
    )


def try_lock(session: Session, name: str) -> bool:
    """Take the advisory lock `name` until the end of the transaction; False when somebody else holds it."""
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}))


def wait_for_lock(session: Session, name: str) -> None:
    """Take the advisory lock `name` until the end of the transaction, waiting for its present holder."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
