"""One value changed in any column of any ledger table, by somebody who may do anything: verify names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from coalition import adjustments, closing, ledger, merges, rates, scheduled_postings, verify
from kit import ids
from kit.db import Database, Session
from kit.secrets import Keyring
from kit.settings import Settings
from tests.conftest import APPROVED, NOW, World, act
from tests.conftest import found as open_coalition

A, B = ids.new(), ids.new()
TABLES = ("wallet", "lot", "txn", "posting", "hold", "debt", "sealed_day", "seal_signature")
CHANGED = {
    "uuid": "gen_random_uuid()",
    "bigint": "{0} + 1",
    "integer": "{0} + 1",
    "smallint": "3 - {0}",
    "numeric": "{0} + 1",
    "text": "{0} || 'x'",
    "boolean": "NOT {0}",
    "date": "{0} + 1",
    "timestamp with time zone": "{0} + interval '1 second'",
    "jsonb": """{0} || '{{"x": 1}}'""",
    "bytea": "overlay({0} PLACING sha256({0}) FROM 1)",
    "coalition.txn_kind": "CASE {0} WHEN 'earn' THEN 'burn' ELSE 'earn' END::coalition.txn_kind",
    "coalition.account": "CASE {0} WHEN 'wallet' THEN 'hold' ELSE 'wallet' END::coalition.account",
    "coalition.hold_status": "CASE {0} WHEN 'open' THEN 'voided' ELSE 'open' END::coalition.hold_status",
    "coalition.wallet_state": "CASE {0} WHEN 'merged' THEN 'open' ELSE 'merged' END::coalition.wallet_state",
}


def columns() -> list[tuple[str, str, str]]:
    """Every column of the ledger's tables with its type, as the migrations leave them."""
    listed = {
        "wallet": "member_id uuid,available bigint,held bigint,pending bigint,debt bigint,version bigint,"
        "state coalition.wallet_state,merged_into uuid",
        "lot": "member_id uuid,lot_id uuid,issuer_id uuid,issued_on date,expires_on date,issued bigint,"
        "remaining bigint,is_open boolean,held bigint,vests_at timestamp with time zone,origin_id uuid,txn_id uuid,"
        "is_grace boolean,campaign text,rule text,is_unfunded boolean",
        "txn": "member_id uuid,member_seq bigint,txn_id uuid,kind coalition.txn_kind,partner_id uuid,points bigint,"
        "shortfall bigint,available_after bigint,reference text,reverses_txn_id uuid,amount_minor bigint,"
        "currency text,points_per_unit numeric,minor_per_unit bigint,expires_on date,"
        "effective_at timestamp with time zone,booked_at timestamp with time zone,business_date date,"
        "original_business_date date,held_after bigint,pending_after bigint,debt_after bigint,debt_repaid bigint,"
        "hold_id uuid,due_at timestamp with time zone,meta jsonb,location_id uuid",
        "posting": "member_id uuid,txn_id uuid,seq integer,debit coalition.account,credit coalition.account,"
        "points bigint,lot_id uuid,issuer_id uuid,partner_id uuid,business_date date,issued_on date",
        "hold": "member_id uuid,hold_id uuid,partner_id uuid,points bigint,captured bigint,"
        "status coalition.hold_status,expires_at timestamp with time zone",
        "debt": "member_id uuid,txn_id uuid,partner_id uuid,points bigint,debt_repaid bigint",
        "sealed_day": "day date,closed_at timestamp with time zone,sealed_at timestamp with time zone,"
        "postings bigint,totals jsonb,digest bytea,chain bytea,version smallint",
        "seal_signature": "day date,public_key bytea,adopts boolean,signed_at timestamp with time zone,signature bytea",
    }
    return [(table, *column.split(" ", 1)) for table, all_ in listed.items() for column in all_.split(",")]  # type: ignore[misc]


def post(world: World, partner, command) -> ledger.Transaction:
    asked = ledger.Request(partner_id=partner, key=None, request_hash=None, now=NOW)
    with world.transaction() as session:
        if isinstance(command, adjustments.Adjustment):
            return adjustments.adjust(session, APPROVED, asked, command).unwrap()
        return ledger.post(session, asked, command).unwrap()


def trade(world: World) -> World:
    """A day with a row of every sort in it."""
    with world.transaction() as session:
        session.execute(text("UPDATE coalition.programme SET return_policy = 'debt'"))
        rates.set_rate(
            session,
            act(),
            partner_id=A,
            points_per_unit=Decimal("1.5"),
            minor_per_unit=100,
            currency="GBP",
            since=NOW.date(),
        )
    member, other = world.member(), world.member("7001000000130470")
    bought = ledger.Earn(member_id=member, reference="e", amount_minor=10_000, currency="GBP", location_id=ids.new())
    earned = post(world, A, bought)
    world.earn(B, member, 50)
    world.earn(B, member, 25, due_at=NOW + timedelta(days=9))
    given = ledger.Award(points=6, issuer_id=B, campaign="spring", rule="double, version 3")
    post(world, A, ledger.Earn(member_id=member, reference="g", awards=(ledger.Award(points=4), given)))
    soon = NOW + timedelta(hours=1)
    held = post(world, B, ledger.Hold(member_id=member, reference="h1", points=20, due_at=soon))
    post(world, B, ledger.Hold(member_id=member, reference="h2", points=5, due_at=NOW + timedelta(days=9)))
    post(world, B, ledger.Capture(original_id=held.transaction_id, reference="c", points=15))
    burned = world.burn(B, member, 170)
    post(world, B, ledger.Reversal(original_id=burned.transaction_id, reference="x1", points=3))
    post(world, A, ledger.Reversal(original_id=earned.transaction_id, reference="x2"))
    post(
        world,
        A,
        adjustments.Adjustment(
            member_id=other, reference="a", points=9, credit=True
        ),
    )  # fmt: skip
    third = world.member("7001000000171789")
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=other, into=third, reference="m").unwrap()
    scheduled_postings.lapse_holds(world.database, now=soon)
    return world


@pytest.fixture(scope="module")
def books(shared_world: World) -> World:
    """A day that is closed and sealed."""
    trade(shared_world)
    closing.close_day(shared_world.database, act(shared_world.keyring, now=NOW + timedelta(days=1)), day=NOW.date())
    return shared_world


@pytest.fixture(scope="module")
def open_books(
    engines: Settings, fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The same day while it is open."""
    made = open_coalition(engines, fresh_database(), tmp_path_factory.mktemp("open"))
    yield trade(made)
    made.database.close()


def found(session: Session, keyring: Keyring) -> list[str]:
    return [finding.broken for finding in verify.run(session, keyring=keyring) if finding.broken]


def test_the_list_of_columns_is_that_of_the_database(books: World) -> None:
    with books.transaction() as session:
        rows = session.execute(
            text("""
                SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a
                JOIN pg_class c ON c.oid = a.attrelid
                WHERE c.relnamespace = 'coalition'::regnamespace AND c.relname = ANY(:tables) AND a.attnum > 0
                  AND NOT a.attisdropped
            """),
            {"tables": list(TABLES)},
        )
        assert {tuple(row) for row in rows} == set(columns())


def test_the_books_are_clean_before(books: World) -> None:
    with books.transaction() as session:
        assert found(session, books.keyring) == []


def change(world: World, table: str, column: str, type_: str) -> list[str]:
    """What is found after one value of the column was changed."""
    owner = Database(str(world.settings.database_url), owner=True)
    with owner.trial() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        changed = session.execute(
            text(f"""
                UPDATE coalition.{table} SET {column} = {CHANGED[type_].format(column)} WHERE ctid =
                    (SELECT ctid FROM coalition.{table} WHERE {column} IS NOT NULL ORDER BY ctid DESC LIMIT 1)
            """)
        )
        assert changed.rowcount == 1
        broken = found(session, world.keyring)
    owner.close()
    return broken


@pytest.mark.parametrize(("table", "column", "type_"), columns())
def test_a_changed_value_is_found(books: World, table: str, column: str, type_: str) -> None:
    assert change(books, table, column, type_) != []


# What nothing else in the books says: an amount that earns as many points as the true one (and of other columns, what
# ONLY_THE_SEAL_KNOWS). The night's seal covers it.
SEALED_ONLY = {("txn", "amount_minor")}
OF_A_DAY = [c for c in columns() if c[0] not in ("sealed_day", "seal_signature") and c[:2] not in SEALED_ONLY]


@pytest.mark.parametrize(("table", "column", "type_"), OF_A_DAY)
def test_a_changed_value_is_found_while_its_day_is_open(open_books: World, table: str, column: str, type_: str) -> None:
    assert change(open_books, table, column, type_) != []


def seeded(world: World, statement: str) -> list[str]:
    """What is found after `statement`, which changes one row."""
    owner = Database(str(world.settings.database_url), owner=True)
    with owner.trial() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        assert session.execute(text(statement)).rowcount == 1
        broken = found(session, world.keyring)
    owner.close()
    return broken


NOTED = "UPDATE coalition.txn SET meta = {} WHERE kind = '{}' AND {}"
SEEDED = [
    NOTED.format("""meta || '{"direction": "debit"}'""", "adjustment", "true"),
    NOTED.format("NULL", "adjustment", "true"),
    NOTED.format("""meta || '{"made_in": "the dark"}'""", "adjustment", "true"),
    NOTED.format("jsonb_build_object('merged_from', member_id)", "merge", "meta ? 'merged_from'"),
    NOTED.format("NULL", "merge", "meta ? 'merged_from'"),
    NOTED.format("""'{"whole": false}'""", "reversal", "reference = 'x2'"),
    NOTED.format("""'{"whole": true}'""", "hold", "reference = 'h1'"),
    """UPDATE coalition.posting SET seq = 7 WHERE seq = 1 AND txn_id = (
           SELECT txn_id FROM coalition.txn WHERE kind = 'burn')""",
    """UPDATE coalition.posting SET seq = 2 WHERE txn_id = (SELECT txn_id FROM coalition.txn WHERE reference = 'a')""",
]
ONLY_THE_SEAL_KNOWS = [
    NOTED.format("""meta || '{"reason": "another"}'""", "adjustment", "true"),
    NOTED.format("NULL", "reversal", "reference = 'x2'"),
]


@pytest.mark.parametrize("statement", SEEDED)
def test_what_is_noted_and_numbered_wrongly_is_found_while_its_day_is_open(open_books: World, statement: str) -> None:
    assert seeded(open_books, statement) != []


@pytest.mark.parametrize("statement", [*SEEDED, *ONLY_THE_SEAL_KNOWS])
def test_whatever_is_noted_otherwise_is_found_once_its_day_is_sealed(books: World, statement: str) -> None:
    assert seeded(books, statement) != []


@pytest.mark.parametrize("table", [table for table in TABLES if table not in ("sealed_day", "seal_signature")])
def test_a_row_that_was_taken_away_is_found_while_its_day_is_open(open_books: World, table: str) -> None:
    owner = Database(str(open_books.settings.database_url), owner=True)
    with owner.transaction() as session:
        rows = session.scalars(text(f"SELECT ctid::text FROM coalition.{table}")).all()
    assert rows
    for row in rows:
        with owner.trial() as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text(f"DELETE FROM coalition.{table} WHERE ctid = CAST(:row AS tid)"), {"row": row})
            assert found(session, open_books.keyring) != []
    owner.close()
