"""The database's schema: brought to the head by its owner, checked by everybody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import psycopg
from psycopg import sql
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ProgrammingError

import migrations
from kit.db import OLDEST_POSTGRESQL, Database, Session, connected
from kit.errors import Unavailable
from migrations import distribution

_LOCK = 7205759403792793601
_TURN_S = 0.1


class SchemaNotReady(Unavailable):
    code = "schema_not_ready"
    title = "Schema not ready"
    description = (
        "The database does not have the schema that this version works with. `coalition db migrate` brings it there, "
        "or says why it cannot."
    )
    remedy = "Run `coalition db migrate` with this version, then start it again."


class PostgresqlTooOld(Unavailable):
    code = "postgresql_too_old"
    title = "PostgreSQL too old"
    description = "The server is older than the oldest PostgreSQL that we support."
    remedy = "Use PostgreSQL 15 or newer, or unset COALITION_DATABASE_URL to use the embedded one."


class DatabaseRefused(Unavailable):
    code = "database_refused"
    title = "Database refused"
    description = "PostgreSQL does not let our user create the database. An administrator can create it."
    remedy = (
        "Let an administrator of PostgreSQL create the database that `detail` names, or give "
        "COALITION_DATABASE_OWNER_URL a user that may, and start again."
    )


class MigrationRefused(Unavailable):
    code = "migration_refused"
    title = "Migration refused"
    description = (
        "We cannot bring the database to this version's schema: its user lacks the rights, or the schema belongs to "
        "another version."
    )
    remedy = (
        "Set COALITION_DATABASE_OWNER_URL to the owner of the tables and run `coalition db migrate` again. If the "
        "schema is of a later version, use that version."
    )


class CitusMissing(Unavailable):
    code = "citus_missing"
    title = "Citus missing"
    description = (
        "The PostgreSQL server does not offer the Citus extension, so we cannot distribute anything. We changed "
        "nothing."
    )
    remedy = (
        "Install the Citus extension on the PostgreSQL server and run `coalition db distribute` again, or stay with "
        "one server."
    )


@cache
def _revisions() -> list[str]:
    """The steps there are, in order: their files begin with their numbers."""
    folder = Path(migrations.__file__).parent / "versions"
    found = sorted(path.name[:4] for path in folder.glob("[0-9][0-9][0-9][0-9]_*.py"))
    if not found:
        raise RuntimeError("there are no migrations")
    return found


def head() -> str:
    """The revision this version of the code works with."""
    return _revisions()[-1]


def baseline() -> str:
    """The revision that an empty database begins with; those before it are gone (docs/decisions/0027)."""
    return _revisions()[0]


def migrate(url: str) -> None:
    """Bring the database at `url` to the head; processes that start together take turns.

    Where a later version brought it further, and its schema serves this version too, it stays as it is. Raises
    PostgresqlTooOld, DatabaseUnavailable, MigrationRefused.
    """
    try:
        _walk(url, _to_the_head)
    except ProgrammingError as error:
        raise MigrationRefused(f"the database refused a migration: {str(error.orig).splitlines()[0]}") from error


def downgrade(url: str, *, to: str) -> None:
    """Take the database at `url` back to the revision `to`, or `base`; what the steps made is gone then."""
    _walk(url, lambda _, connection: _steps().downgrade(connection, to=to))


def _steps() -> ModuleType:
    # Most processes take none, and need not load what takes them.
    return import_module("kit.migrating")


def _to_the_head(owner: Database, connection: Connection) -> None:
    with owner.transaction() as session:
        found = revision(session)
        if _serves_us(session, found):
            return
        # Before the first step commits: processes of the version before stay ready meanwhile.
        if found is not None and found <= head():
            _promise(session)
    if found is not None and found not in _revisions():
        raise MigrationRefused(f"its schema is not one this version knows: it is at the revision {found}")
    _steps().upgrade(connection)
    if found is None:
        with owner.transaction() as session:
            _promise(session)


def _walk(url: str, step: Callable[[Database, Connection], None]) -> None:
    owner = Database(url, pool_size=3, owner=True)
    try:
        # Who waits asks again and again, in a new transaction each time: an index that is built beside writers waits
        # for the end of every transaction that may see what was before it, and so would that transaction for the build.
        while not _took(owner, step):
            time.sleep(_TURN_S)
    finally:
        owner.close()


def _took(owner: Database, step: Callable[[Database, Connection], None]) -> bool:
    """Whether it was our turn, and `step` is done."""
    with owner.transaction() as session:
        _check_server(session)
        # This session holds the lock, another one takes the steps: they commit one by one.
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}):
            return False
        _refuse_older(revision(session), MigrationRefused)
        with owner.engine.connect() as connection:
            step(owner, connection)
    return True


def create_database(url: str, *, server: str) -> None:
    """Make the database that `url` names, unless it is there, on the same server as that of `server`.

    Raises DatabaseUnavailable, DatabaseRefused.
    """
    if has_database(url, server=server):
        return
    name, made_meanwhile = make_url(url).database, (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
    try:
        with connected(server) as connection, suppress(*made_meanwhile):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseRefused(f"the database's user may not create the database {name}") from error


def has_database(url: str, *, server: str) -> bool:
    """Whether the database that `url` names is on the same server as that of `server`; raises DatabaseUnavailable."""
    with connected(server) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [make_url(url).database]).fetchone()
        return found is not None


def distribute(url: str, *, report: Callable[[str], None]) -> bool:
    """Spread the database at `url` over its Citus cluster by member; `report` hears of each step.

    All in one transaction. False when it is distributed already. Raises CitusMissing, SchemaNotReady,
    PostgresqlTooOld, DatabaseUnavailable.
    """
    with _owner(url, changes=True) as session:
        _check_server(session)
        if revision(session) != head():
            raise _not_ready(session)
        if not session.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'")):
            raise CitusMissing("this PostgreSQL server does not offer the Citus extension; we changed nothing")
        session.execute(text("CREATE EXTENSION IF NOT EXISTS citus"))
        if session.scalar(text("SELECT coalition.is_distributed()")):
            return False
        for step in distribution.steps():
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


def revision_of(url: str) -> str | None:
    """The last step that the database at `url` took, asked as its owner."""
    with _owner(url) as session:
        return revision(session)


@contextmanager
def _owner(url: str, role: str | None = None, *, changes: bool = False) -> Iterator[Session]:
    owner = Database(url, pool_size=1, role=role) if role else Database(url, pool_size=1, owner=True)
    try:
        with owner.transaction() if changes else owner.reading() as session:
            yield session
    finally:
        owner.close()


def _check_server(session: Session) -> None:
    server = int(session.scalar(text("SHOW server_version_num")) or 0)
    if server < OLDEST_POSTGRESQL:
        raise PostgresqlTooOld(f"PostgreSQL 15 or newer is needed, this server is {server // 10000}")


def check(session: Session) -> None:
    """Raise SchemaNotReady unless the schema is at the head, or is a later version's that serves this one too."""
    found = revision(session)
    _refuse_older(found, SchemaNotReady)
    if found != head() and not _serves_us(session, found):
        raise _not_ready(session)


def revision(session: Session) -> str | None:
    """The last step that the database took; None in an empty one."""
    if session.scalar(text("SELECT to_regclass('public.alembic_version')")) is None:
        return None
    found: str | None = session.scalar(text("SELECT version_num FROM public.alembic_version"))
    return found


def _not_ready(session: Session) -> SchemaNotReady:
    return SchemaNotReady(f"the database is at revision {revision(session) or 'none'}, this version needs {head()}")


def _refuse_older(found: str | None, refusal: type[Unavailable]) -> None:
    """Raise `refusal` if no step leads from `found` to the head, since those steps are gone."""
    if found is not None and found < baseline():
        raise refusal(
            f"the database is at revision {found}, before the baseline {baseline()}, and no step leads on from there: "
            "start anew, with an empty database or data folder"
        )


# What a database says of itself, for a version can't know which later schema it can work on.
PROMISE = "serves versions whose last step is at least "
_PROMISED = text("SELECT obj_description('public.alembic_version'::regclass, 'pg_class')")


def _promise(session: Session) -> None:
    said = PROMISE + migrations.SERVES_FROM
    if session.scalar(_PROMISED) != said:
        session.execute(text(f"COMMENT ON TABLE public.alembic_version IS '{said}'"))


def _serves_us(session: Session, found: str | None) -> bool:
    if found is None or found <= head():
        return False
    _, is_promised, oldest = str(session.scalar(_PROMISED)).partition(PROMISE)
    return bool(is_promised) and oldest <= head()
