"""A database beside another: made once, by who may."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from kit import schema
from kit.db import DatabaseUnavailable, shown
from kit.schema import DatabaseRefused, MigrationRefused
from kit.settings import Settings


def named(engines: Settings, **parts: str) -> str:
    return shown(make_url(str(engines.database_url)).set(**parts))


def execute(engines: Settings, statement: str, name: str) -> None:
    with psycopg.connect(str(engines.database_url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture
def name(engines: Settings) -> Iterator[str]:
    """Of a database, and of a user who may create none; both are gone afterwards."""
    made = f"coalition_test_{secrets.token_hex(6)}"
    execute(engines, "CREATE ROLE {} LOGIN NOCREATEDB PASSWORD 'x'", made)
    yield made
    execute(engines, "DROP DATABASE IF EXISTS {} WITH (FORCE)", made)
    execute(engines, "DROP ROLE {}", made)


def test_it_is_made_where_it_is_missing_and_left_where_it_is(engines: Settings, name: str) -> None:
    url = named(engines, database=name)
    for _ in range(2):
        schema.create_database(url, server=str(engines.database_url))
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == name


def test_who_may_not_is_told_and_needs_not_where_it_is_there(engines: Settings, name: str) -> None:
    url = named(engines, database=name)
    powerless = named(engines, username=name, password="x")
    with pytest.raises(DatabaseRefused, match=f"may not create the database {name}"):
        schema.create_database(url, server=powerless)
    schema.create_database(url, server=str(engines.database_url))
    schema.create_database(url, server=powerless)


def test_a_database_of_somebody_else_is_refused_in_one_line(engines: Settings, name: str) -> None:
    schema.create_database(named(engines, database=name), server=str(engines.database_url))
    with pytest.raises(MigrationRefused, match=r"^the database refused a migration: permission denied"):
        schema.migrate(named(engines, database=name, username=name, password="x"))


def test_a_schema_of_another_version_is_refused_in_one_line(engines: Settings, name: str) -> None:
    url = named(engines, database=name)
    schema.create_database(url, server=str(engines.database_url))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(MigrationRefused, match=r"is not one this version knows: .*9999"):
        schema.migrate(url)


def test_a_schema_before_the_baseline_is_told_to_start_anew_and_left_as_it_is(engines: Settings, name: str) -> None:
    url = named(engines, database=name)
    schema.create_database(url, server=str(engines.database_url))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('0045')")
    for refused in (schema.migrate, partial(schema.downgrade, to="base")):
        with pytest.raises(MigrationRefused, match=r"^the database is at revision 0045, before .*: start anew"):
            refused(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("TABLE alembic_version").fetchall() == [("0045",)]
        assert connection.execute("SELECT to_regnamespace('kit')").fetchone() == (None,)


def test_who_migrates_while_another_does_waits_and_finds_it_done(engines: Settings, name: str) -> None:
    url = named(engines, database=name)
    schema.create_database(url, server=str(engines.database_url))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(schema.migrate, [url] * 3)) == [None] * 3
    schema.require(url)


def test_a_server_that_is_away_is_named_without_its_password(engines: Settings, name: str) -> None:
    with pytest.raises(DatabaseUnavailable) as met:
        schema.create_database(named(engines, database=name), server="postgresql://x:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in met.value.detail
