"""The database module: what counts as away, and that nothing half-done is kept."""

from __future__ import annotations

import os
import socket
import threading
import time

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kit import schema
from kit.db import Database, DatabaseUnavailable
from kit.schema import SchemaNotReady
from tests.conftest import World


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


def test_a_fault_of_the_statement_stays_what_it_is(world: World) -> None:
    with pytest.raises(IntegrityError), world.transaction() as session:
        session.execute(text("INSERT INTO coalition.member (member_id) VALUES (NULL)"))


def test_an_error_does_not_repeat_what_was_to_be_stored(world: World) -> None:
    with pytest.raises(IntegrityError) as error, world.transaction() as session:
        session.execute(
            text("INSERT INTO coalition.member (member_id) SELECT NULL WHERE :address <> ''"), {"address": "ann@x.test"}
        )
    assert "ann@x.test" not in str(error.value)


def test_a_schema_behind_the_code_is_not_ready(world: World) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(SchemaNotReady), world.transaction() as session:
        schema.check(session)


def test_migrations_go_down_and_up_again(world: World) -> None:
    schema.downgrade(str(world.settings.database_url), to="base")
    schema.migrate(str(world.settings.database_url))
    with world.transaction() as session:
        schema.check(session)
