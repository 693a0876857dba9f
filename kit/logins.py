"""Whom we log in to PostgreSQL as: the service and partners' requests each have a login that can't become the owner.

COALITION_DATABASE_URL alone names the owner of the tables; the two logins are then made beside it, under names and
passwords that follow from the secret key. With COALITION_DATABASE_TENANT_URL the operator names the logins, and the
owner, if it is known at all, stands in COALITION_DATABASE_OWNER_URL (docs/decisions/0021).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from kit import schema
from kit.db import CONNECT_TIMEOUT_S, SERVICE_ROLE, TENANT_ROLE, Database, DatabaseUnavailable, shown
from kit.errors import Unavailable
from kit.metrics import Meter
from kit.secrets import keyring
from kit.settings import Settings


class LoginsRefused(Unavailable):
    """The logins of the service can't be made, or the ones named may too much or too little."""

    code = "logins_refused"
    title = "Logins refused"


def resolve(chosen: Settings) -> Settings:
    """`chosen` with an address for each user: the service's, that of partners' requests, and the owner's if known."""
    if chosen.database_url is None:
        raise ValueError("the address of the database has to be known")
    if chosen.database_tenant_url is not None:
        return chosen
    return replace(
        chosen,
        database_url=_login(chosen, SERVICE_ROLE),
        database_tenant_url=_login(chosen, TENANT_ROLE),
        database_owner_url=chosen.database_url,
    )


def for_children(chosen: Settings) -> Settings:
    """What the processes of the service are told: everything but the owner's address."""
    resolved = resolve(chosen)
    elsewhere = resolved.sandbox_database_url
    if elsewhere is not None:
        elsewhere = at(str(resolved.database_url), elsewhere)
    return replace(resolved, database_owner_url=None, sandbox_database_url=elsewhere)


def at(login: str, place: str) -> str:
    """The address of `place` for the user of the address `login`."""
    user = make_url(login)
    return shown(_without_user(make_url(place)).set(username=user.username, password=user.password))


def service_database(chosen: Settings, *, pool_size: int = 5, meter: Meter | None = None) -> Database:
    """The service's own pool of connections: sees everything, and changes the ledger through its functions only."""
    return Database(str(resolve(chosen).database_url), pool_size=pool_size, meter=meter)


def tenant_database(chosen: Settings, *, pool_size: int = 5, meter: Meter | None = None) -> Database:
    """The pool of partners' requests: sees nobody's rows until a transaction says whose it is."""
    url = str(resolve(chosen).database_tenant_url)
    return Database(url, pool_size=pool_size, role=TENANT_ROLE, meter=meter)


def prepare(chosen: Settings, *, migrate: bool) -> None:
    """Make the database of `chosen` ready for the service: with `migrate` its schema, and always its logins.

    Where the owner's address isn't known, only look that it is ready. Raises LoginsRefused, SchemaNotReady,
    MigrationRefused, PostgresqlTooOld, DatabaseUnavailable.
    """
    resolved = resolve(chosen)
    if resolved.database_owner_url is None:
        schema.require(str(resolved.database_url), role=SERVICE_ROLE)
    elif migrate:
        schema.migrate(resolved.database_owner_url)
    else:
        schema.require(resolved.database_owner_url)
    make(resolved)
    if migrate:
        check(resolved)


def make(chosen: Settings) -> None:
    """Make the missing logins of `chosen`, if its owner is known; raises LoginsRefused, DatabaseUnavailable."""
    resolved = resolve(chosen)
    if resolved.database_owner_url is None:
        return
    with _connected(resolved.database_owner_url) as owner:
        for url, role in _logins(resolved):
            if url.username is not None:  # otherwise the operating system's user, which is the operator's to make
                _make(owner, url.username, url.password, role)
        _close(owner)


def _make(owner: psycopg.Connection, name: str, password: str | None, role: str) -> None:
    made = owner.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None
    if made and _one(owner, "SELECT pg_has_role(%s::name, %s::name, 'MEMBER')", name, role):
        return
    login, words = sql.Identifier(name), sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(sql.Identifier(name))
    if password is not None:
        # Hashed here: the password itself is in no statement that the server might log.
        hashed = owner.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        words += sql.SQL(" PASSWORD {}").format(hashed.decode())
    try:
        if not made:
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                owner.execute(words)
        with suppress(psycopg.errors.UniqueViolation):
            owner.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))
    except psycopg.errors.InsufficientPrivilege as error:
        raise LoginsRefused(
            f"the database's owner may not make the login {name} and grant it {role}; make two logins as "
            "docs/how-to/deploy.md says, and set COALITION_DATABASE_URL, _TENANT_URL and _OWNER_URL"
        ) from error


# Whether everybody may make things that the owner's functions could find before their own: in a database that was made
# before PostgreSQL 15, and in one that was restored, whose own rights no dump holds.
_OPEN = """
    SELECT has_database_privilege('public', current_database(), 'TEMP')
        OR has_schema_privilege('public', 'public', 'CREATE')
"""


def _close(owner: psycopg.Connection) -> None:
    if _one(owner, _OPEN):
        name = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(name))
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


_MAY = """
    SELECT session_user, r.rolsuper OR r.rolcreaterole OR pg_has_role(session_user, n.nspowner, 'MEMBER'),
           pg_has_role(session_user, %(role)s, 'MEMBER'), pg_has_role(session_user, %(service)s, 'MEMBER'),
           has_database_privilege(session_user, current_database(), 'TEMP')
               OR has_schema_privilege(session_user, 'public', 'CREATE')
    FROM pg_roles r, pg_namespace n WHERE r.rolname = session_user AND n.nspname = 'coalition'
"""


def check(chosen: Settings) -> None:
    """Log in as both; raise LoginsRefused where one can become the owner, or the tenant the service."""
    for url, role in _logins(resolve(chosen)):
        with _connected(shown(url)) as login:
            found = login.execute(_MAY, {"role": role, "service": SERVICE_ROLE}).fetchone()
        name, becomes_owner, has_role, becomes_service, makes = found or ("", True, False, True, True)
        if becomes_owner:
            raise LoginsRefused(f"the login {name} can become the owner of the tables; give the service one that can't")
        if not has_role:
            raise LoginsRefused(f"the login {name} isn't granted {role}")
        if makes:
            raise LoginsRefused(
                f"the login {name} may create objects: REVOKE TEMPORARY ON the DATABASE and CREATE ON SCHEMA public "
                "FROM PUBLIC"
            )
        if role == TENANT_ROLE and becomes_service:
            raise LoginsRefused(f"the login {name} of partners' requests can become {SERVICE_ROLE}; use one that can't")


def _logins(resolved: Settings) -> list[tuple[URL, str]]:
    return [
        (make_url(str(resolved.database_url)), SERVICE_ROLE),
        (make_url(str(resolved.database_tenant_url)), TENANT_ROLE),
    ]


def _login(chosen: Settings, role: str) -> str:
    keys = keyring(chosen)
    # Named after the key: coalitions on one server have logins of their own, and a new key makes new ones.
    name = f"{role}_{keys.fingerprint(purpose='database login', value=role).hex()[:12]}"
    password = keys.fingerprint(purpose="database password", value=role).hex()
    return shown(_without_user(make_url(str(chosen.database_url))).set(username=name, password=password))


def _without_user(url: URL) -> URL:
    return url.difference_update_query(["user", "password", "passfile"])


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"can't connect to the database: {str(error).splitlines()[0]}") from error
    with connection:
        yield connection


def _one(connection: psycopg.Connection, statement: str, *values: object) -> object:
    row = connection.execute(statement.encode(), values).fetchone()
    return row and row[0]
