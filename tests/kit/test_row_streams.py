"""Rows by the hundred thousand are as in the database, and a reader that leaves in the middle harms nobody after it."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import text

from kit import ids
from kit.db import Session, fetch
from kit.row_streams import AT_ONCE, lines_out, rows_out
from tests.conftest import World

WITH_ALL = "".join(map(chr, range(1, 0x180))) + "\\N \\. \\x41 \\\\n €𝄞\u2028"


def test_a_line_is_its_text_and_a_line_feed_whatever_is_in_it(world: World) -> None:
    with (
        world.transaction() as session,
        lines_out(session, "VALUES (%(line)s), (''), ('a')", {"line": WITH_ALL}) as lines,
    ):
        assert list(lines) == [f"{WITH_ALL}\n\na\n".encode()]


def test_many_lines_come_some_at_a_time_and_no_lines_not_at_all(world: World) -> None:
    numbers = "SELECT n::text FROM generate_series(1, %(last)s::int) n"
    for last in (0, AT_ONCE, AT_ONCE + 1):
        with world.transaction() as session, lines_out(session, numbers, {"last": last}) as lines:
            found = list(lines)
        assert b"".join(found) == b"".join(b"%d\n" % n for n in range(1, last + 1))
        assert len(found) == -(-last // AT_ONCE)


def test_a_day_in_a_line_is_written_alike_whatever_the_server_is_set_to(world: World) -> None:
    with world.transaction() as session:
        session.execute(text("SELECT set_config('datestyle', 'German, DMY', true)"))
        session.execute(text("SELECT set_config('client_encoding', 'WIN1251', true)"))
        with lines_out(session, "SELECT 'день ' || %(day)s::date", {"day": date(2026, 3, 2)}) as lines:
            assert list(lines) == ["день 2026-03-02\n".encode()]


def test_a_row_has_its_values(world: World) -> None:
    row = (ids.new(), date(2026, 3, 2), -7, WITH_ALL, None)
    asked = "SELECT %(a)s::uuid, %(b)s::date, %(c)s::bigint, %(d)s::text, NULL::int"
    parameters = dict(zip("abcd", row, strict=False))
    with world.transaction() as session:
        with rows_out(session, asked, parameters) as rows:
            assert list(rows) == [row]
        with rows_out(session, asked, parameters, as_bytes=("uuid",)) as rows:
            assert list(rows) == [(row[0].bytes, *row[1:])]
        assert fetch(session, asked, parameters) == [row]


def test_who_leaves_in_the_middle_ends_the_statement_and_the_transaction(world: World) -> None:
    endless = "SELECT generate_series(1, 1000000000)::text AS endless"  # as a table it would be made whole first

    def leave_rows(session: Session) -> None:
        with rows_out(session, endless, {}) as rows:
            raise EOFError(next(rows))

    def leave_lines(session: Session) -> None:
        with lines_out(session, endless, {}) as lines:
            raise EOFError(next(lines))

    for leave in (leave_rows, leave_lines):
        with pytest.raises(EOFError), world.transaction() as session:
            leave(session)
    with world.transaction() as session:
        running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS endless'"
        assert session.scalar(text(running)) == 0
