"""Whom we log in to PostgreSQL as: the service and partners' requests each have a login that can't become the owner.

COALITION_DATABASE_URL alone names the owner of the tables; the two logins are then made beside it, under names and
passwords that follow from the secret key: with another key they are others, and who needs them to read the root key
has them. With COALITION_DATABASE_TENANT_URL the operator names the logins, and the owner, if it is known at all, stands
in COALITION_DATABASE_OWNER_URL (docs/decisions/0021).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url, text

from kit import root_key, schema, secret_key
from kit.db import SERVICE_ROLE, TENANT_ROLE, Database, Session, connected, raw, shown
from kit.errors import Unavailable
from kit.metrics import Meter
from kit.secret_key import SecretKey
from kit.secrets import Keyring
from kit.settings import Settings


class LoginsRefused(Unavailable):
    code = "logins_refused"
    title = "Logins refused"
    description = (
        "We cannot create the service's database logins, or the logins you named have too many or too few rights."
    )
    remedy = (
        "Make the two logins as docs/how-to/deploy.md says, set COALITION_DATABASE_URL, COALITION_DATABASE_TENANT_URL "
        "and COALITION_DATABASE_OWNER_URL, and start again."
    )


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
    url = str(resolve(chosen).database_url)
    return Database(url, pool_size=pool_size, meter=meter, application=application(secret_key.of(chosen).key_id))


def tenant_database(
    chosen: Settings, *, pool_size: int = 5, read_only: bool = False, meter: Meter | None = None
) -> Database:
    """The pool of partners' requests: sees nobody's rows until a transaction says whose it is."""
    url = str(resolve(chosen).database_tenant_url)
    name = application(secret_key.of(chosen).key_id)
    return Database(url, pool_size=pool_size, role=TENANT_ROLE, read_only=read_only, meter=meter, application=name)


def application(key_id: str) -> str:
    """What sessions of processes call themselves that have this secret key: so it is seen whether any still do."""
    return f"coalition {key_id}"


def keyring(chosen: Settings) -> Keyring:
    """The keys of the books, for a process of the service as it starts; raises as `root_key.read` does."""
    database = service_database(chosen, pool_size=1)
    try:
        return root_key.keyring(database, chosen)
    finally:
        database.close()


def prepare(chosen: Settings, *, migrate: bool) -> None:
    """Make the database of `chosen` ready for the service: with `migrate` its schema, and always its logins.

    Where the owner's address isn't known, only look that it is ready. Raises LoginsRefused, WrongSecretKey,
    SchemaNotReady, MigrationRefused, PostgresqlTooOld, DatabaseUnavailable.
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


# Hosts that start together make the same logins and rights, and PostgreSQL refuses a row that two change at once
# ("tuple concurrently updated") with no code of its own. Held until the connection is closed.
_ONE_HOST = "SELECT pg_advisory_lock(hashtextextended('kit.logins', 0))"


def make(chosen: Settings) -> None:
    """Make the missing logins of `chosen`, if its owner is known.

    Raises LoginsRefused, WrongSecretKey, DatabaseUnavailable.
    """
    resolved = resolve(chosen)
    if resolved.database_owner_url is None:
        return
    with connected(resolved.database_owner_url) as owner:
        owner.execute(_ONE_HOST)
        if _follow_from_the_key(resolved):
            key = secret_key.of(resolved)
            root_key.require(owner, key)  # a wrong or retired key gets no logins
            _rename(owner, key)
        for url, role in _logins(resolved):
            if url.username is not None:  # otherwise the operating system's user, which is the operator's to make
                _make(owner, url.username, url.password, role)
        _close(owner)


def _rename(owner: psycopg.Connection, key: SecretKey) -> None:
    """Give the logins of the version before today's names: under theirs no retirement of a key would find them."""
    for role in (SERVICE_ROLE, TENANT_ROLE):
        former, (name, _) = key.login_of_before(role), key.login(role)
        found = owner.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[former, name]]).fetchall()
        there = {one for (one,) in found}
        with suppress(psycopg.errors.UndefinedObject, psycopg.errors.DuplicateObject), _drops_refused():
            if there == {former}:
                owner.execute(
                    sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(former), sql.Identifier(name))
                )
            elif former in there:
                owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(former)))


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


_SESSIONS = text("""
    SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
        AND (usename = ANY(:names) OR (datname = current_database() AND application_name = :application))
""")


def sessions(owner: Session, *, key_id: str, logins_of: str) -> int:
    """How many are open of processes that have the secret key `key_id`, or that use the logins made for `logins_of`."""
    names = [secret_key.login_name(role, logins_of) for role in (SERVICE_ROLE, TENANT_ROLE)]
    return int(owner.scalar(_SESSIONS, {"names": names, "application": application(key_id)}) or 0)


def end_sessions(url: str, *, logins_of: str) -> None:
    """Shut the logins made for the key `logins_of`, and end whatever is open under them; as the owner.

    Raises LoginsRefused.
    """
    with connected(url) as owner, _drops_refused():
        for name in _made_for(owner, logins_of):
            login = sql.Identifier(name)
            owner.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(login))
            owner.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(login))  # or it may not end what is another's
            owner.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [name])


def drop(owner: Session, *, logins_of: str) -> None:
    """Drop the logins made for the key `logins_of`, if there are any; raises LoginsRefused."""
    with _drops_refused(), raw(owner) as connection:
        for name in _made_for(connection, logins_of):
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def _drops_refused() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        said = str(error).splitlines()[0]
        raise LoginsRefused(f"the database's owner may not drop the logins of a key, so do it first: {said}") from error


def _made_for(owner: psycopg.Connection, key_id: str) -> list[str]:
    names = [secret_key.login_name(role, key_id) for role in (SERVICE_ROLE, TENANT_ROLE)]
    return [name for (name,) in owner.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [names])]


def check(chosen: Settings) -> None:
    """Log in as both; raise LoginsRefused where one can become the owner, or the tenant the service."""
    for url, role in _logins(resolve(chosen)):
        with connected(shown(url)) as login:
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


def _follow_from_the_key(resolved: Settings) -> bool:
    """Whether the service's login was made for the secret key, not named by the operator, nor another coalition's."""
    name = make_url(str(resolved.database_url)).username or ""
    return name.startswith(f"{SERVICE_ROLE}_") and name == secret_key.of(resolved).login(SERVICE_ROLE)[0]


def _login(chosen: Settings, role: str) -> str:
    # Named after the key: coalitions on one server have logins of their own, and a new key makes new ones.
    name, password = secret_key.of(chosen).login(role)
    return shown(_without_user(make_url(str(chosen.database_url))).set(username=name, password=password))


def _without_user(url: URL) -> URL:
    return url.difference_update_query(["user", "password", "passfile"])


def _one(connection: psycopg.Connection, statement: str, *values: object) -> object:
    row = connection.execute(statement.encode(), values).fetchone()
    return row and row[0]
