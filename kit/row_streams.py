"""Rows by the hundred thousand: the server goes on while we work on what came, and memory doesn't grow with them.

Where `kit.db.stream` asks for a set, waits, and asks for the next, PostgreSQL here sends all of them, from several of
its processes if it likes. So within a block nothing else can be asked of its session, and leaving it early ends the
statement, with the transaction. Its statements may take long.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, cast

from psycopg.types.string import ByteaBinaryLoader
from sqlalchemy import text

from kit.db import Session, allow_long_statements, raw

AT_ONCE = 500  # rows that libpq hands over together; of more, the processor's caches hold less


@contextmanager
def rows_out(
    session: Session, statement: str, parameters: dict[str, Any], *, as_bytes: tuple[str, ...] = ()
) -> Iterator[Iterator[tuple[Any, ...]]]:
    """All rows of a SELECT with `%(name)s` places; values of the types `as_bytes` as PostgreSQL sends them, unread."""
    allow_long_statements(session)
    with raw(session) as driver, driver.cursor() as cursor:
        for name in as_bytes:
            cursor.adapters.register_loader(name, ByteaBinaryLoader)
        # Its stream is a generator, though it says it is an iterator: closed, it ends the statement.
        rows = cast(Generator[tuple[Any, ...]], cursor.stream(statement, parameters, binary=True, size=AT_ONCE))
        with closing(rows):
            yield rows


def read_whole_days(session: Session) -> None:
    """Let the planner join, sort and hash rows by the hundred thousand, for this transaction; dates are in ISO 8601.

    What PostgreSQL estimates of a day that was just posted is too little by far: it would look up each row by its key.
    The memory that it gets for each sort or table of hashes is the same however many rows there are.
    """
    session.execute(
        text("""
            SELECT set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true),
                   set_config('work_mem', '8MB', true), set_config('client_encoding', 'UTF8', true),
                   set_config('datestyle', 'ISO', true)
        """)
    )


@contextmanager
def lines_out(session: Session, statement: str, parameters: dict[str, Any]) -> Iterator[Iterator[bytes]]:
    """The only column of each row, a text that is never NULL, in UTF-8 with a line feed behind it, many at a time.

    Dates in them are written as ISO 8601 has them, whatever the server's settings. For what is read only to be hashed.
    """
    read_whole_days(session)
    with rows_out(session, statement, parameters, as_bytes=("text",)) as rows:
        yield _joined(rows)


def _joined(rows: Iterable[tuple[bytes]]) -> Iterator[bytes]:
    unread = iter(rows)
    while lines := [line for (line,) in islice(unread, AT_ONCE)]:
        yield b"\n".join([*lines, b""])
