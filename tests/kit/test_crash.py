"""A backend of PostgreSQL crashes, and with it every connection there is: each says so, and the next works."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from kit import embedded
from kit.db import Database, DatabaseUnavailable, Session, call, copy_in, stream, try_lock
from kit.row_streams import rows_out
from kit.settings import Settings

POOL = 4
DEADLINE_S = 30.0


def plain(session: Session) -> None:
    session.execute(text("SELECT 1"))


def streamed(session: Session) -> None:
    list(stream(session, "SELECT 1", {}))


def copied(session: Session) -> None:
    copy_in(session, "COPY kept FROM STDIN", [(1,)])


def sent(session: Session) -> None:
    with rows_out(session, "SELECT 1", {}) as rows:
        assert list(rows) == [(1,)]


WAYS: dict[str, Callable[[Session], object]] = {
    "a statement": plain,
    "a hot statement": lambda session: call(session, "SELECT 1", {}),
    "a stream": streamed,
    "a COPY": copied,
    "rows sent": sent,
    "a lock": lambda session: try_lock(session, "x"),
}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own, for the suite's is not to crash."""
    with embedded.running(Settings(data_dir=Path(tmp_path_factory.mktemp("crash")))) as chosen:
        yield str(chosen.database_url)


@pytest.fixture
def database(own_server: str) -> Iterator[Database]:
    made = Database(own_server, pool_size=POOL, owner=True)
    with made.transaction() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS kept (n int)"))
    yield made
    made.close()


def crash(url: str) -> None:
    """Kill a backend of nobody's, and wait until the others are gone and the server is back."""
    deadline = time.monotonic() + DEADLINE_S
    with psycopg.connect(url, autocommit=True) as witness:
        with psycopg.connect(url) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
        with suppress(psycopg.Error):
            while time.monotonic() < deadline:
                witness.execute("SELECT 1")
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=1).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError("the server did not come back")


def test_whatever_meets_a_pooled_connection_of_before_the_crash_is_unavailable_and_passes(
    own_server: str, database: Database
) -> None:
    for name, way in WAYS.items():
        for opened in (database.transaction, database.statements):
            if opened == database.statements and name == "a stream":
                continue  # a cursor lives in a transaction
            with ExitStack() as stack:
                for _ in range(POOL):
                    plain(stack.enter_context(database.transaction()))
            crash(own_server)
            for _ in range(POOL):  # nothing else than Unavailable leaves the database module
                try:
                    with opened() as session:
                        way(session)
                except DatabaseUnavailable:
                    continue
            with opened() as session:
                way(session)


@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of_a_transaction_a_crash_is_unavailable_for(
    own_server: str, database: Database, way: str
) -> None:
    def meet_a_crash() -> None:
        with database.transaction() as session:
            plain(session)
            crash(own_server)
            WAYS[way](session)

    with pytest.raises(DatabaseUnavailable):
        meet_a_crash()
    with database.transaction() as session:
        WAYS[way](session)
