"""The database module: what counts as away, and that nothing half-done is kept."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

import migrations
from coalition import closing
from kit import logins, schema
from kit.db import Database, DatabaseUnavailable, connected
from kit.schema import MigrationRefused, SchemaNotReady
from tests.conftest import NOW, World, act


def test_a_transaction_that_raises_keeps_nothing(world: World) -> None:
    member = world.count("coalition.member")

    def insert_and_fail() -> None:
        with world.transaction() as session:
            session.execute(text("INSERT INTO coalition.member VALUES (gen_random_uuid(), gen_random_uuid(), now())"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()
    assert world.count("coalition.member") == member


def test_a_connection_killed_by_the_server_is_unavailable_and_the_next_works(world: World) -> None:
    def terminate() -> None:
        time.sleep(0.2)
        with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    killer = threading.Thread(target=terminate)
    killer.start()
    with pytest.raises(DatabaseUnavailable), world.transaction() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    killer.join()
    assert world.count("coalition.member") == 0


def test_a_connection_cut_without_a_word_is_unavailable_and_the_next_works(world: World) -> None:
    with world.transaction() as session:
        fd = session.connection.driver_connection.fileno()
    with socket.socket(fileno=os.dup(fd)) as cut:
        cut.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DatabaseUnavailable), world.transaction():
        pass
    assert world.count("coalition.member") == 0


def test_an_address_where_nobody_listens_is_unavailable() -> None:
    database = Database("postgresql://nobody:hunter2@127.0.0.1:1/none", pool_size=1)
    with pytest.raises(DatabaseUnavailable, match="can't connect") as error, database.transaction():
        pass
    assert "hunter2" not in str(error.value)


def test_a_full_disk_is_unavailable_and_named_in_a_pool_and_outside(world: World) -> None:
    full, url = "DO $$ BEGIN RAISE disk_full; END $$", str(world.settings.database_url)
    with pytest.raises(DatabaseUnavailable, match="its disk is full"), world.transaction() as session:
        session.execute(text(full))
    with (
        pytest.raises(DatabaseUnavailable, match="its disk is full"),
        connected(url) as one,
    ):
        one.execute(full)
    with pytest.raises(psycopg.errors.DivisionByZero), connected(url) as one:
        one.execute("SELECT 1/0")


def test_a_fault_of_the_statement_stays_what_it_is(world: World) -> None:
    with pytest.raises(IntegrityError), world.transaction() as session:
        session.execute(text("INSERT INTO coalition.member (member_id) VALUES (NULL)"))


def test_an_error_does_not_repeat_what_was_to_be_stored(world: World) -> None:
    with pytest.raises(IntegrityError) as error, world.transaction() as session:
        session.execute(
            text("INSERT INTO coalition.member (member_id) SELECT NULL WHERE :address <> ''"), {"address": "ann@x.test"}
        )
    assert "ann@x.test" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM alembic_version", "at revision none, this version needs"),
        ("UPDATE alembic_version SET version_num = '0001'", "at revision 0001, .*: start anew"),
        (
            "UPDATE alembic_version SET version_num = '9999'; COMMENT ON TABLE alembic_version IS NULL",
            "at revision 9999, this version needs",
        ),
    ],
)
def test_a_schema_that_is_not_the_codes_is_not_ready(world: World, change: str, said: str) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(change.encode())
    with pytest.raises(SchemaNotReady, match=said), world.transaction() as session:
        schema.check(session)


def test_the_schema_of_a_later_version_is_ready_and_stays_where_it_serves_this_one(world: World) -> None:
    url = str(world.settings.database_url)

    def later(promise: str) -> None:
        with psycopg.connect(url) as owner:
            owner.execute("UPDATE alembic_version SET version_num = '9999'")
            owner.execute(f"COMMENT ON TABLE alembic_version IS '{promise}'".encode())

    for promise in ("", "another word", schema.PROMISE + "9998"):
        later(promise)
        with pytest.raises(SchemaNotReady), world.transaction() as session:
            schema.check(session)
        with pytest.raises(MigrationRefused):
            schema.migrate(url)
    later(schema.PROMISE + schema.head())
    with world.transaction() as session:
        schema.check(session)
    logins.prepare(world.settings, migrate=True)
    assert schema.revision_of(url) == "9999"
    with pytest.raises(SchemaNotReady):
        schema.distribute(url, report=print)


def test_a_database_says_which_versions_it_serves(world: World) -> None:
    url, said = str(world.settings.database_url), "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    with psycopg.connect(url, autocommit=True) as owner:
        assert owner.execute(said).fetchone() == (schema.PROMISE + migrations.SERVES_FROM,)
        for before in ("NULL", f"'{schema.PROMISE}0001'"):
            owner.execute(f"COMMENT ON TABLE alembic_version IS {before}".encode())
            schema.migrate(url)
            assert owner.execute(said).fetchone() == (schema.PROMISE + migrations.SERVES_FROM,)


def test_migrations_go_down_and_up_again(world: World) -> None:
    schema.downgrade(str(world.settings.database_url), to="base")
    schema.migrate(str(world.settings.database_url))
    with world.transaction() as session:
        schema.check(session)


def test_migrations_do_not_go_down_to_a_version_that_cannot_verify_what_is_sealed(world: World) -> None:
    url, to_the_version_before = str(world.settings.database_url), "0072"
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=NOW.date())
    try:
        with pytest.raises(DBAPIError, match=f"days from {NOW.date()} on have seals of version 4"):
            schema.downgrade(url, to=to_the_version_before)
    finally:
        schema.migrate(url)  # databases are used again
    with world.transaction() as session:
        schema.check(session)


def test_a_step_that_cannot_have_its_lock_ends_and_changes_nothing(world: World) -> None:
    url = str(world.settings.database_url)
    schema.downgrade(url, to=schema.baseline())  # each step is a transaction of its own
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM coalition.programme")  # and its transaction stays open
        with pytest.raises(DatabaseUnavailable):
            schema.downgrade(url, to="base")
    with world.transaction() as session:
        assert schema.revision(session) == schema.baseline()
        assert session.scalar(text("SELECT to_regclass('webhooks.endpoint') IS NOT NULL"))


def test_the_steps_are_numbered_as_they_are_walked() -> None:
    walked = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert (walked.get_base(), walked.get_current_head()) == (schema.baseline(), schema.head())
