"""The service's logins: whatever SQL gets into a session, it stays within what the session is for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from coalition import ledger, programme
from coalition.ledger import posting as contract
from kit import ids, logins, schema, secret_key, settings
from kit.db import SERVICE_ROLE, TENANT_ROLE, Database, DatabaseUnavailable, Tenant, shown
from kit.logins import LoginsRefused
from kit.schema import MigrationRefused, SchemaNotReady
from kit.secret_key import SecretKey
from kit.settings import Settings, SettingsError
from ops import key_rotation
from ops.key_rotation import RotationRefused
from tests.conftest import NOW, World, act, drop_logins, request

REFUSED = psycopg.errors.InsufficientPrivilege
# What a session may try to be somebody else.
ESCAPES = ("SET ROLE NONE", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "RESET SESSION AUTHORIZATION",
           "RESET ALL", "DISCARD ALL")  # fmt: skip
# What only the owner may, tried after each of them.
OWNERS = (
    "CREATE TABLE coalition.mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "ALTER TABLE coalition.wallet DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE coalition.txn DISABLE TRIGGER ALL",
    "ALTER FUNCTION coalition.ledger_post SECURITY INVOKER",
    "GRANT coalition_service TO coalition_tenant",
    "DROP TABLE coalition.debt",
    "TRUNCATE coalition.sealed_day",
    "UPDATE coalition.wallet SET available = 1000000",
    "INSERT INTO coalition.lot SELECT * FROM coalition.lot",
    "DELETE FROM coalition.txn",
    "UPDATE coalition.sealed_day SET chain = ''",
    "UPDATE settlement.payment SET amount_minor = 1",
    "SET session_replication_role = replica",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT rolpassword FROM pg_authid",
    "ALTER SYSTEM SET fsync = off",
)
THE_COALITIONS = ("lapse", "vest", "expiry", "adjustment", "merge")


@contextmanager
def session_of(world: World, role: str) -> Iterator[psycopg.Connection]:
    """A connection as a process of the service has it, to do anything with."""
    database = (logins.service_database if role == SERVICE_ROLE else logins.tenant_database)(world.settings)
    with closing(database), database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.autocommit = True
        yield driver


def refused(session: psycopg.Connection, statement: str, *values: object) -> bool:
    try:
        session.execute(statement.encode(), values)
    except REFUSED:
        return True
    except psycopg.Error as error:
        error.add_note(statement)
        raise
    return False


@pytest.mark.parametrize("role", [SERVICE_ROLE, TENANT_ROLE])
def test_no_session_becomes_the_owner(shared_world: World, role: str) -> None:
    owner = make_url(str(shared_world.settings.database_url)).username
    with session_of(shared_world, role) as session:
        others = [name for (name,) in session.execute("SELECT rolname FROM pg_roles")]
        assert str(owner) in others
        for name in others:
            if name not in (role, session.info.user):
                try:
                    assert refused(session, f'SET ROLE "{name}"'), name
                except psycopg.errors.InvalidParameterValue:
                    continue  # another test's login, dropped meanwhile
                if name.startswith("pg_") or name == owner:
                    assert refused(session, f'SET SESSION AUTHORIZATION "{name}"'), name
        for escape in ESCAPES:
            session.execute(escape.encode())
            assert [statement for statement in OWNERS if not refused(session, statement)] == [], escape


def test_a_session_that_leaves_its_role_has_nothing_at_all(shared_world: World) -> None:
    for role in (SERVICE_ROLE, TENANT_ROLE):
        with session_of(shared_world, role) as session:
            session.execute("SET ROLE NONE")
            assert refused(session, "SELECT * FROM coalition.programme")


def posting(kind: str, partner_id: UUID, member_id: UUID, other_id: UUID) -> dict[str, Any]:
    asked = ledger.Earn(member_id=member_id, points=1_000_000, reference=secrets.token_hex(8))
    wanted = {**contract._parameters(request(partner_id), asked), "kind": kind, "original_id": other_id}
    return {**wanted, "meta": '{"direction": "credit"}'}


def test_a_tenants_session_posts_no_kind_that_is_the_coalitions(shared_world: World) -> None:
    world = shared_world
    partner_id, member_id, other_id = (
        world.partner("grocer").partner_id,
        world.member(),
        world.member("7001000000178511"),
    )
    past_it = ("earn", "burn", "end_hold", "reverse", "claw_back", "adjust", "merge", "vest", "post")
    doors = ["partners.post", "partners.post_proved", *(f"coalition.ledger_{name}" for name in past_it)]
    with session_of(world, TENANT_ROLE) as session:
        for door in doors:
            for kind in THE_COALITIONS if door.startswith("partners.") else ledger.KINDS:
                statement = f"SELECT {door}({contract._REQUEST})"
                with pytest.raises(REFUSED):
                    session.execute(statement.encode(), posting(kind, partner_id, member_id, other_id))
        statement = f"SELECT partners.post_return({contract._REQUEST}, ARRAY[{contract._REQUEST}])"
        for kind in THE_COALITIONS:
            with pytest.raises(REFUSED):
                session.execute(statement.encode(), posting(kind, partner_id, member_id, other_id))
        for statement in (
            "SELECT coalition.ledger_close_day(current_date, now())",
            "SELECT coalition.ledger_seal_day(current_date, now(), 2, 0, '{}', '', '')",
            "SELECT coalition.ledger_set_blocked(gen_random_uuid(), true)",
            "SELECT coalition.claim_warnings(current_date)",
            "SELECT coalition.forget_outcomes(now(), 1)",
        ):
            assert refused(session, statement), statement
    assert world.available(member_id) == 0


def test_a_tenants_session_may_execute_none_of_the_ledgers_functions_but_these(shared_world: World) -> None:
    with psycopg.connect(str(shared_world.settings.database_url)) as owner:
        found = owner.execute("""
            SELECT p.oid::regproc::text FROM pg_proc p
            WHERE p.pronamespace = 'coalition'::regnamespace AND starts_with(p.proname, 'ledger_')
              AND has_function_privilege('coalition_tenant', p.oid, 'EXECUTE')
        """).fetchall()
    assert {name for (name,) in found} == {"coalition.ledger_open_wallet", "coalition.ledger_is_answered"}


def test_the_service_sees_no_single_partners_rows_by_mistake(shared_world: World) -> None:
    with pytest.raises(ValueError, match="coalition_tenant"):
        shared_world.database.of(Tenant(ids.new()))


@pytest.fixture
def user(engines: Settings) -> Iterator[Any]:
    """A user of PostgreSQL, by what it is granted, with a database of its own; both are gone afterwards."""
    name, password = f"owner_{secrets.token_hex(4)}", secrets.token_hex(8)
    url = make_url(str(engines.database_url)).set(username=name, password=password, database=name)
    key = secrets.token_hex(32)
    with psycopg.connect(str(engines.database_url), autocommit=True) as superuser:

        def run(statement: str) -> None:
            superuser.execute(sql.SQL(statement).format(name=sql.Identifier(name), password=sql.Literal(password)))

        def make(attributes: str, *grants: str) -> Settings:
            run(f"CREATE ROLE {{name}} LOGIN {attributes} PASSWORD {{password}}")
            run("CREATE DATABASE {name} OWNER {name}")
            for grant in grants:
                run(grant)
            return replace(engines, database_url=shown(url), secret_key=key)

        yield make, run
        run("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        drop_logins(replace(engines, secret_key=key))
        run("DROP OWNED BY {name}")
        run("DROP ROLE {name}")


def may_grant(engines: Settings) -> str:
    """What lets an owner who didn't make the roles grant them on."""
    with psycopg.connect(str(engines.database_url)) as connection:
        is_new = connection.info.server_version >= 160000
    how = "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE" if is_new else "WITH ADMIN OPTION"
    return f"GRANT coalition_service, coalition_tenant, coalition_reports TO {{name}} {how}"


def test_an_owner_who_may_create_roles_makes_the_logins(world: World, user, engines: Settings) -> None:
    """As on a managed server: no superuser, and the roles were made by another coalition on it."""
    make, _ = user
    chosen = make("CREATEROLE", may_grant(engines))
    logins.prepare(chosen, migrate=True)
    logins.prepare(chosen, migrate=True)
    database, tenants = logins.service_database(chosen), logins.tenant_database(chosen)
    with database.transaction() as session:
        schema.check(session)
        assert session.scalar(text("SELECT current_user")) == SERVICE_ROLE
    with tenants.of(Tenant(ids.new())).transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM coalition.txn")) == 0
    database.close()
    tenants.close()
    schema.downgrade(str(chosen.database_url), to="base")


def test_hosts_that_start_together_all_find_their_logins(world: World) -> None:
    """On one database, whose rights are open as those of a restored one are."""
    owner = str(world.settings.database_url)
    name = sql.Identifier(make_url(owner).database or "")
    for _ in range(5):
        drop_logins(world.settings)
        with psycopg.connect(owner) as connection:
            connection.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO PUBLIC").format(name))
            connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(logins.make, [world.settings] * 8))
        logins.check(world.settings)


def test_an_owner_who_is_no_superuser_rotates_the_key_and_puts_out_who_has_the_former(
    world: World, user, engines: Settings, tmp_path: Path
) -> None:
    make, _ = user
    chosen = replace(make("CREATEROLE", may_grant(engines)), sandbox="none", data_dir=tmp_path)
    logins.prepare(chosen, migrate=True)
    books, former, new = Database(str(chosen.database_url)), secret_key.of(chosen), SecretKey(secrets.token_bytes(32))
    with books.transaction() as session:
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=former)
    books.close()
    process = logins.service_database(chosen)
    with process.transaction() as session:
        assert session.scalar(text("SELECT current_user")) == SERVICE_ROLE
    with key_rotation.coalition(chosen, alone=True) as of:
        key_rotation.add(of, act(), new)
    after = replace(chosen, secret_key=new.hex)
    logins.check(after)
    with key_rotation.coalition(after, alone=True) as of:
        with pytest.raises(RotationRefused, match="1 connections are open"):
            key_rotation.retire(of, act(), former.key_id, force=False)
        key_rotation.retire(of, act(), former.key_id, force=True)
    with pytest.raises(DatabaseUnavailable), process.transaction():
        pass
    process.close()
    drop_logins(replace(engines, secret_key=new.hex))


def test_logins_that_the_owner_may_not_drop_are_named_and_nothing_is_retired(
    world: World, user, tmp_path: Path
) -> None:
    make, run = user
    owner = replace(
        make("", "GRANT coalition_service, coalition_tenant, coalition_reports TO {name}"),
        sandbox="none", data_dir=tmp_path,
    )  # fmt: skip
    former, new = secret_key.of(owner), SecretKey(secrets.token_bytes(32))
    for key in (former, new):
        for role in (SERVICE_ROLE, TENANT_ROLE):
            name, password = key.login(role)
            run(f"""CREATE ROLE "{name}" LOGIN NOINHERIT PASSWORD '{password}' IN ROLE {role}""")
    logins.prepare(owner, migrate=True)
    books = Database(str(owner.database_url))
    with books.transaction() as session:
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=former)
    with key_rotation.coalition(owner, alone=True) as of:
        key_rotation.add(of, act(), new)
    with key_rotation.coalition(replace(owner, secret_key=new.hex), alone=True) as of:
        with pytest.raises(LoginsRefused, match="may not drop the logins of a key"):
            key_rotation.retire(of, act(), former.key_id, force=False)
        assert of.others(of.live) == [former.key_id]
        for role in (SERVICE_ROLE, TENANT_ROLE):
            run(f"""DROP ROLE "{former.login(role)[0]}" """)
        key_rotation.retire(of, act(), former.key_id, force=False)
        assert of.others(of.live) == []
    books.close()
    for role in (SERVICE_ROLE, TENANT_ROLE):
        run(f"""DROP ROLE "{new.login(role)[0]}" """)


def test_an_owner_who_was_granted_the_roles_migrates_without_the_right_to_create_any(world: World, user) -> None:
    make, run = user
    owner = make("", "GRANT coalition_service, coalition_tenant, coalition_reports TO {name}")
    with pytest.raises(LoginsRefused, match=r"may not make the login .* docs/how-to/deploy\.md"):
        logins.prepare(owner, migrate=True)
    chosen = logins.resolve(owner)
    for url, role in ((chosen.database_url, SERVICE_ROLE), (chosen.database_tenant_url, TENANT_ROLE)):
        login = make_url(str(url))
        run(f"""CREATE ROLE "{login.username}" LOGIN NOINHERIT PASSWORD '{login.password}' IN ROLE {role}""")
    logins.prepare(chosen, migrate=True)
    # A host that serves needn't know the owner; it doesn't migrate.
    serving = logins.for_children(chosen)
    assert serving.database_owner_url is None
    logins.prepare(serving, migrate=True)
    with psycopg.connect(str(owner.database_url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(SchemaNotReady):
        logins.prepare(serving, migrate=True)


def test_a_login_that_may_too_much_or_too_little_is_refused(world: World, user) -> None:
    make, run = user
    owner = make("CREATEROLE")
    good = logins.resolve(world.settings)
    for wrong, why in (
        ({"database_url": world.settings.database_url}, "can become the owner"),
        ({"database_tenant_url": good.database_url}, "isn't granted coalition_tenant"),
        ({"database_url": good.database_tenant_url}, "isn't granted coalition_service"),
        ({"database_url": logins.at(str(owner.database_url), str(good.database_url))}, "can become the owner"),
    ):
        with pytest.raises(LoginsRefused, match=why):
            logins.check(replace(good, **wrong))
    both = logins.at(str(owner.database_url), str(good.database_url))
    run("ALTER ROLE {name} NOCREATEROLE")
    run("GRANT coalition_service, coalition_tenant TO {name}")
    with pytest.raises(LoginsRefused, match="can become coalition_service"):
        logins.check(replace(good, database_tenant_url=both))


def test_a_user_who_may_neither_create_roles_nor_finds_itself_granted_them_is_told_in_one_line(user) -> None:
    make, _ = user
    with pytest.raises(
        (MigrationRefused, LoginsRefused), match=r"permission denied|must have admin option|may not make"
    ):
        logins.prepare(make(""), migrate=True)


def test_what_the_processes_of_the_service_are_told_names_no_owner(world: World) -> None:
    owner = str(world.settings.database_url)
    told = settings.to_environment(
        logins.for_children(replace(world.settings, sandbox_database_url=owner.replace("coalition_test", "elsewhere")))
    )
    user = str(make_url(owner).username)
    assert {name for name, value in told.items() if f"//{user}:" in value or f"//{user}@" in value} == set()
    assert "COALITION_DATABASE_OWNER_URL" not in told


@pytest.mark.parametrize(
    ("name", "needed"), [("TENANT_URL", "COALITION_DATABASE_URL"), ("OWNER_URL", "COALITION_DATABASE_TENANT_URL")]
)
def test_an_address_that_makes_no_sense_alone_is_refused(name: str, needed: str) -> None:
    with pytest.raises(SettingsError, match=f"COALITION_DATABASE_{name}: expected {needed}"):
        settings.from_environment({f"COALITION_DATABASE_{name}": "postgresql://a@b/c"})


def test_the_owner_may_still_do_what_migrations_do(world: World) -> None:
    owner = Database(str(world.settings.database_url), owner=True)
    with owner.trial() as session:
        session.execute(text("CREATE TABLE coalition.mine (a int)"))
    owner.close()
