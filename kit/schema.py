"""The database's schema: brought to the head by its owner, checked by everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

import migrations
from kit.db import CONNECT_TIMEOUT_S, OLDEST_POSTGRESQL, Database, DatabaseUnavailable, Session
from kit.errors import Unavailable
from migrations import distribution

_LOCK = 7205759403792793601


class SchemaNotReady(Unavailable):
    """The database's schema isn't the one this version works with; `coalition db migrate` mends it."""

    code = "schema_not_ready"
    title = "Schema not ready"


class PostgresqlTooOld(Unavailable):
    """The server is older than the oldest PostgreSQL we run on."""

    code = "postgresql_too_old"
    title = "PostgreSQL too old"


class DatabaseRefused(Unavailable):
    """PostgreSQL doesn't let our user create the database; an administrator can."""

    code = "database_refused"
    title = "Database refused"


class MigrationRefused(Unavailable):
    """The database can't be brought to this version's schema: its user may not, or another version's is in it."""

    code = "migration_refused"
    title = "Migration refused"


class CitusMissing(Unavailable):
    """The PostgreSQL server doesn't offer the Citus extension, so nothing can be distributed; nothing was changed."""

    code = "citus_missing"
    title = "Citus missing"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The revision this version of the code works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("there are no migrations")
    return revision


def migrate(url: str) -> None:
    """Bring the database at `url` to the head; processes that start together take turns.

    Raises PostgresqlTooOld, DatabaseUnavailable, MigrationRefused.
    """
    try:
        _walk(url, lambda config: command.upgrade(config, "head"))
    except CommandError as error:
        raise MigrationRefused(f"its schema is not one this version knows: {error}") from error
    except ProgrammingError as error:
        raise MigrationRefused(f"the database refused a migration: {str(error.orig).splitlines()[0]}") from error


def downgrade(url: str, *, to: str) -> None:
    """Take the database at `url` back to the revision `to`, or `base`; what the steps made is gone then."""
    _walk(url, lambda config: command.downgrade(config, to))


def _walk(url: str, step: Callable[[Config], None]) -> None:
    owner = Database(url, pool_size=2, owner=True)
    try:
        with owner.transaction() as session:
            _check_server(session)
            # This session holds the lock, another one takes the steps: they commit one by one.
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            with owner.engine.connect() as connection:
                config = _config()
                config.attributes["connection"] = connection
                step(config)
    finally:
        owner.close()


def create_database(url: str, *, beside: str) -> None:
    """Make the database that `url` names, unless it is there, on the same server as that of `beside`.

    Raises DatabaseUnavailable, DatabaseRefused.
    """
    name = make_url(url).database
    try:
        with psycopg.connect(beside, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseRefused(f"the database's user may not create the database {name}") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"can't connect to the database: {str(error).splitlines()[0]}") from error


def distribute(url: str, *, report: Callable[[str], None]) -> bool:
    """Spread the database at `url` over its Citus cluster by member; `report` hears of each step.

    All in one transaction. False when it is distributed already. Raises CitusMissing, SchemaNotReady,
    PostgresqlTooOld, DatabaseUnavailable.
    """
    with _owner(url) as session:
        _check_server(session)
        check(session)
        if not session.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'")):
            raise CitusMissing("this PostgreSQL server doesn't offer the Citus extension; nothing was changed")
        session.execute(text("CREATE EXTENSION IF NOT EXISTS citus"))
        if session.scalar(text("SELECT to_regclass('coalition.receipt') IS NOT NULL")):
            return False
        for step in distribution.steps(session):
            report(step.name)
            step.do(session)
        return True


def require(url: str, *, role: str | None = None) -> None:
    """Raise PostgresqlTooOld or SchemaNotReady unless the service can work on the database at `url`.

    Asked as its owner where it is known, for the service's role need not exist yet; otherwise as `role`.
    """
    with _owner(url, role) as session:
        _check_server(session)
        check(session)


def require_server(url: str) -> None:
    """Raise PostgresqlTooOld unless the server at `url` is one we run on."""
    with _owner(url) as session:
        _check_server(session)


@contextmanager
def _owner(url: str, role: str | None = None) -> Iterator[Session]:
    owner = Database(url, pool_size=1, role=role) if role else Database(url, pool_size=1, owner=True)
    try:
        with owner.transaction() as session:
            yield session
    finally:
        owner.close()


def _check_server(session: Session) -> None:
    server = int(session.scalar(text("SHOW server_version_num")) or 0)
    if server < OLDEST_POSTGRESQL:
        raise PostgresqlTooOld(f"PostgreSQL 15 or newer is needed, this server is {server // 10000}")


def check(session: Session) -> None:
    """Raise SchemaNotReady unless the schema is at the head."""
    found = MigrationContext.configure(session, opts={"version_table_schema": "public"}).get_current_revision()
    if found != head():
        raise SchemaNotReady(f"the database is at revision {found or 'none'}, this version needs {head()}")
