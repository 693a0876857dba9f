"""Steps that build an index while others write: nobody waits for them, and what was interrupted is put right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from kit import ids, schema
from kit.db import DatabaseUnavailable
from tests.conftest import World

BEFORE = "0049"  # the step before the one that builds
WRITE = """
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (%(id)s, %(id)s, %(id)s, 'points.earned', now(), '{}')
"""
BUILDING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%CREATE INDEX CONCURRENTLY%'
    AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""
INDEXES = """
    SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = 'kit.event'::regclass AND relname LIKE 'event\\_%' ORDER BY relname
"""
WHOLE = [(name, True) for name in ("event_by_id", "event_not_sequenced", "event_of_partner", "event_pkey",
                                   "event_position")]  # fmt: skip


@contextmanager
def connected(url: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, options="-c lock_timeout=1s", **options) as connection:
        yield connection


def until(holds: Callable[[], Any]) -> Any:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        if found := holds():
            return found
        sleep(0.02)
    raise AssertionError("never")


@contextmanager
def migrating(url: str) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any], Future[None]]]:
    """A migration that waits in the middle of a build for somebody who writes; who writes, who watches, and it."""
    with connected(url) as writer, connected(url, autocommit=True) as watch, ThreadPoolExecutor(1) as threads:
        writer.execute(WRITE, {"id": ids.new()})
        migration = threads.submit(schema.migrate, url)
        try:
            until(lambda: watch.execute(BUILDING).fetchone() or migration.done())
            yield writer, watch, migration
        finally:
            writer.rollback()


@pytest.mark.parametrize("before", [schema.baseline(), BEFORE])
def test_whoever_posts_waits_for_no_index(world: World, before: str) -> None:
    url = str(world.settings.database_url)
    schema.downgrade(url, to=before)
    with migrating(url) as (writer, watch, migration):
        assert not migration.done()
        for _ in range(3):
            watch.execute(WRITE, {"id": ids.new()})
        writer.commit()
        migration.result(timeout=30)
        assert watch.execute(INDEXES).fetchall() == WHOLE
    assert world.count("kit.event") == 4


def test_a_build_that_was_interrupted_is_done_once_more(world: World) -> None:
    url = str(world.settings.database_url)
    schema.downgrade(url, to=BEFORE)
    with migrating(url) as (_, watch, migration):
        watch.execute("SELECT pg_terminate_backend(pid) FROM (" + BUILDING + ") AS building")
        with pytest.raises(DatabaseUnavailable):
            migration.result(timeout=30)
        assert ("event_of_partner", False) in watch.execute(INDEXES).fetchall()
        assert schema.revision_of(url) == BEFORE
    schema.migrate(url)
    with connected(url) as watch:
        assert watch.execute(INDEXES).fetchall() == WHOLE


def test_who_migrates_meanwhile_waits_for_the_build_and_not_the_build_for_it(world: World) -> None:
    url = str(world.settings.database_url)
    schema.downgrade(url, to=BEFORE)
    with migrating(url) as (writer, _, migration), ThreadPoolExecutor(1) as threads:
        second = threads.submit(schema.migrate, url)
        sleep(1)  # it waits by now
        assert not second.done()
        writer.rollback()
        migration.result(timeout=30)
        second.result(timeout=30)
