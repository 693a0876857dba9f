"""What is read as a stream is found by an index too: PostgreSQL plans a cursor otherwise than a plain statement."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from coalition import scheduled_postings, seal_rows, unfunded
from kit import ids
from kit.db import Session
from migrations import sources
from tests.conftest import NOW, World

ROOT = Path(__file__).parents[2]
MEMBERS, DAYS = 1_000, 60  # every member earned on every day: few pages of a table are one day's
FIRST = NOW.date() - timedelta(days=DAYS - 1)
A = ids.new()
# Of each member's first hold and lot the time is over, and of no other's.
FIXTURES = """
    CREATE TEMP TABLE made AS
    SELECT m, d, %(first)s::date + d AS day,
           ('01900000-0000-7000-8000-' || lpad(to_hex(m), 12, '0'))::uuid AS member_id,
           ('01900000-0000-7001-8000-' || lpad(to_hex(d * 100000 + m), 12, '0'))::uuid AS txn_id
    FROM generate_series(0, %(days)s::int - 1) d, generate_series(1, %(members)s::int) m ORDER BY d, m;
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after, reference,
                               expires_on, effective_at, booked_at, business_date, original_business_date)
    SELECT member_id, d + 1, txn_id, 'earn', %(issuer)s, 10, 10 * (d + 1), txn_id, day + 365, day, day, day, day
    FROM made;
    INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open,
                               vests_at, txn_id)
    SELECT member_id, txn_id, %(issuer)s, day, day + 365, 10, 10, m %% 10 > 0,
           CASE WHEN m %% 10 = 0 THEN day + interval '60 days' END, txn_id FROM made;
    INSERT INTO coalition.posting
    SELECT member_id, txn_id, 1, 'issuance', CASE d %% 2 WHEN 0 THEN 'redemption' ELSE 'wallet' END::coalition.account,
           10, txn_id, %(issuer)s, %(issuer)s, day, day FROM made;
    INSERT INTO coalition.hold
    SELECT member_id, txn_id, %(issuer)s, 1, 0, CASE WHEN d < 50 THEN 'lapsed' ELSE 'open' END::coalition.hold_status,
           day + interval '1 hour' FROM made;
    DROP TABLE made;
    ANALYZE;
"""
Read = Callable[[World], object]


def _day_of(read: Callable[..., object]) -> Read:
    def reading(world: World) -> None:
        with world.transaction() as session:
            result = read(session, FIRST + timedelta(days=DAYS // 2))
            assert not isinstance(result, Iterator) or sum(1 for _ in result) == MEMBERS

    return reading


def _body_of(function: str) -> str:
    """The query that a function returns, its day as a parameter: what the function itself plans can't be seen."""
    (found,) = [source.definition for source in sources.functions() if source.name == function]
    return found.partition("RETURN QUERY ")[2].rpartition(";\nEND")[0].replace("p_day", ":day")


def _flows(session: Session, day: date) -> object:
    return session.execute(text(_body_of("coalition.flows_on")), {"day": day}).all()


def _flow_lines(session: Session, day: date) -> Iterator[object]:
    asked = _body_of("coalition.flow_lines_on").replace("p_kinds", "CAST(:kinds AS text[])")
    rows = session.execute(text(asked), {"day": day, "kinds": ["redemption"]})
    return (row.reference for row in rows)


def _flow_sizes(session: Session, day: date) -> object:
    return session.execute(text(_body_of("coalition.flow_sizes_on")), {"day": day}).all()


def _warn_issuer(world: World) -> None:
    with world.transaction() as session:
        assert scheduled_postings.warn_issuer(
            session, partner_id=A, since=FIRST + timedelta(335), until=FIRST + timedelta(336), now=NOW
        )


def _waiting(world: World) -> None:
    with world.transaction() as session:
        assert not list(unfunded.lots(session, A, at_most=100))


READS: dict[str, Read] = {
    "a day is sealed": _day_of(lambda session, day: seal_rows.digest(session, day, version=4)),
    "a day's old seal is verified": _day_of(lambda session, day: seal_rows.digest(session, day, version=3)),
    "a day is settled": _day_of(_flow_lines),
    "a day's flows are added up": _day_of(_flows),
    "a day's postings are counted by size": _day_of(_flow_sizes),
    "holds lapse": lambda world: scheduled_postings.lapse_holds(world.database, now=NOW - timedelta(days=9)),
    "a partner's holds lapse": lambda world: scheduled_postings.lapse_holds(
        world.database, now=NOW - timedelta(days=9), partner_id=A
    ),
    "points vest": lambda world: scheduled_postings.vest(world.database, now=NOW),
    "a partner's points vest": lambda world: scheduled_postings.vest(world.database, now=NOW, partner_id=A),
    "points expire": lambda world: scheduled_postings.expire(world.database, day=FIRST + timedelta(364), now=NOW),
    "a partner's points expire": lambda world: scheduled_postings.expire(
        world.database, day=FIRST + timedelta(364), now=NOW, partner_id=A
    ),
    "points wait to be funded": _waiting,
    "issuers are warned": lambda world: scheduled_postings.warn_of_expiry(
        world.database, day=FIRST + timedelta(336), now=NOW
    ),
    "an issuer is warned": _warn_issuer,
}
# Who reads streams, and how often: a new one needs a line in READS.
STREAMING = {
    ("coalition/scheduled_postings.py", 3),
    ("coalition/seal_rows.py", 2),
    ("coalition/unfunded.py", 1),
    ("kit/row_streams.py", 1),
    ("settlement/line_hashes.py", 1),
    ("settlement/statements.py", 1),
}


@pytest.fixture(scope="module")
def books(shared_world: World) -> World:
    with psycopg.connect(str(shared_world.settings.database_url), autocommit=True) as owner:
        cursor = psycopg.ClientCursor(owner)
        cursor.execute(FIXTURES, {"first": FIRST, "days": DAYS, "members": MEMBERS, "issuer": A})
        owner.execute(
            "SELECT brin_summarize_new_values(i.oid) FROM pg_class i JOIN pg_am a ON a.oid = i.relam "
            "WHERE a.amname = 'brin'"
        )
    return shared_world


@contextmanager
def plans(world: World) -> Iterator[list[dict[str, Any]]]:
    """The plans, as carried out, of all cursors and streams opened within the block, and of what adds postings up."""
    found: list[dict[str, Any]] = []
    stream = psycopg.Cursor.stream

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        opened = "DECLARE explained CURSOR FOR" if isinstance(cursor, psycopg.ServerCursor) else ""
        if opened or "FROM coalition.posting" in statement:
            asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {opened} {statement}"
            ((answer,),) = cursor.connection.execute(asked, parameters, prepare=False).fetchall()
            found.append(answer[0]["Plan"])

    def explain_sent(cursor: Any, statement: str, parameters: Any, **more: Any) -> Any:
        asked = cursor.connection.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters, prepare=False
        )
        ((answer,),) = asked.fetchall()
        found.append(answer[0]["Plan"])
        return stream(cursor, statement, parameters, **more)

    event.listen(world.database.engine, "before_cursor_execute", explain)
    psycopg.Cursor.stream = explain_sent  # type: ignore[method-assign]
    try:
        yield found
    finally:
        psycopg.Cursor.stream = stream  # type: ignore[method-assign]
        event.remove(world.database.engine, "before_cursor_execute", explain)


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _reads_too_much(scan: dict[str, Any], *, rows: float, pages: int) -> bool:
    visited = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
    if visited * scan["Actual Loops"] > rows / 6:
        return True
    # Of what is looked up again and again the same pages are counted again.
    return scan["Actual Loops"] == 1 and scan["Shared Hit Blocks"] + scan["Shared Read Blocks"] > pages / 6


@pytest.mark.parametrize("read", READS)
def test_a_stream_reads_a_small_part_of_a_table_when(books: World, read: str) -> None:
    with books.transaction() as session:
        rows = session.execute(text("SELECT relname, reltuples, relpages FROM pg_class WHERE relkind = 'r'"))
        sizes = {row.relname: {"rows": row.reltuples, "pages": row.relpages} for row in rows}
    with plans(books) as found:
        READS[read](books)
    assert found
    for plan in found:
        for scan in _scans(plan):
            assert not _reads_too_much(scan, **sizes[scan["Relation Name"]]), json.dumps(plan, indent=1)


def test_every_stream_goes_through_the_one_helper_and_is_explained_here() -> None:
    streaming = set()
    for room in ("kit", "coalition", "partners", "settlement", "webhooks", "console"):
        for path in (ROOT / room).rglob("*.py"):
            source = path.read_text("utf-8")
            name = path.relative_to(ROOT).as_posix()
            assert name == "kit/db.py" or not any(word in source for word in ("yield_per", "stream_results"))
            calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
            n = sum(
                isinstance(called, ast.Name) and called.id in ("stream", "rows_out", "lines_out") for called in calls
            )
            streaming |= {(name, n)} if n else set()
    assert streaming == STREAMING
