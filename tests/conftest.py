"""The real engines for every test: one PostgreSQL and one Redis for the run, a database of its own for each worker.

With COALITION_DATABASE_URL and COALITION_REDIS_URL set the same tests run on those servers.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import make_url, text

from coalition import ledger, members, programme, wallets
from coalition.approvals import Approval
from kit import embedded, ids, logins, schema
from kit.db import Database, Session, shown
from kit.secrets import Keyring
from kit.settings import Settings
from partners import accounts

# No test fails because the machine is slow: the first text of a clean clone takes Hypothesis seconds.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
# For hours of the ledger's state machine. Here, for a profile has to be known before any test file is read.
NIGHT = settings(max_examples=100_000, stateful_step_count=60)
settings.register_profile("night", NIGHT)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CARD = "7001000000178503"
APPROVED = Approval(reason="one person, two cards", made_by="ann", approved_by="ben")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole coalitions, which mostly wait: at the end, with nothing left beside them, they cost minutes."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with the addresses of a PostgreSQL and a Redis that are up."""
    real = {
        name: os.environ[f"COALITION_{name.upper()}"]
        for name in ("database_url", "redis_url")
        if f"COALITION_{name.upper()}" in os.environ
    }
    # All workers of one run share the engines: whoever comes first owns them.
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with embedded.running(Settings(data_dir=folder / "engines", **real)) as chosen:
        yield chosen
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(folder / "engines", ignore_errors=True)


_founded: list[Settings] = []  # whose logins go at the end of a run on a real server


def drop_logins(settings: Settings) -> None:
    """Take the logins that were made for `settings` away, as their databases are."""
    made = logins.resolve(settings)
    with psycopg.connect(str(made.database_owner_url), autocommit=True) as owner:
        for url in (made.database_url, made.database_tenant_url):
            owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(str(make_url(str(url)).username))))


@pytest.fixture(scope="session")
def fresh_database(engines: Settings) -> Iterator[Callable[[], str]]:
    """Make an empty, migrated database: a copy of one that was migrated once for the run."""
    template = f"coalition_test_{secrets.token_hex(6)}"
    made = [template]

    def url(name: str) -> str:
        return shown(make_url(str(engines.database_url)).set(database=name))

    def execute(statement: str, *names: str) -> None:
        with psycopg.connect(str(engines.database_url), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def make() -> str:
        name = f"{template}_{len(made)}"
        execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        made.append(name)
        return url(name)

    execute("CREATE DATABASE {}", template)
    schema.migrate(url(template))
    yield make
    if "COALITION_DATABASE_URL" in os.environ:  # the embedded server goes as a whole
        for settings in _founded:
            drop_logins(replace(settings, database_url=engines.database_url))
        for name in reversed(made):
            execute("DROP DATABASE {} WITH (FORCE)", name)


@dataclass(frozen=True)
class World:
    """A coalition on a database of its own: what most tests start from."""

    settings: Settings
    database: Database
    keyring: Keyring

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.database.transaction() as session:
            yield session

    def partner(self, code: str, *, now: datetime = NOW) -> accounts.Partner:
        with self.transaction() as session:
            return active_partner(session, code, now=now)

    def member(self, card: str = CARD) -> UUID:
        with self.transaction() as session:
            return members.enrol(session, card=card, partner_id=ids.new(), now=NOW, keyring=self.keyring).member_id

    def earn(self, partner_id: UUID, member_id: UUID, points: int, **more: object) -> ledger.Transaction:
        command = ledger.Earn(**{"member_id": member_id, "reference": secrets.token_hex(8), "points": points, **more})
        with self.transaction() as session:
            outcome = ledger.post(session, request(partner_id), command)
        return outcome.unwrap()

    def burn(self, partner_id: UUID, member_id: UUID, points: int, **more: object) -> ledger.Transaction:
        command = ledger.Burn(**{"member_id": member_id, "reference": secrets.token_hex(8), "points": points, **more})
        with self.transaction() as session:
            outcome = ledger.post(session, request(partner_id), command)
        return outcome.unwrap()

    def available(self, member_id: UUID) -> int:
        with self.transaction() as session:
            return wallets.balance(session, member_id=member_id, partner_id=ids.new()).available

    def count(self, table: str) -> int:
        with self.transaction() as session:
            return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


def active_partner(session: Session, code: str, *, now: datetime = NOW) -> accounts.Partner:
    """A partner that is active without papers or terms, as no command makes one: most tests need none."""
    made = accounts.onboard(
        session, code=code, name=code.title(), now=now, made_by="a test", is_issuer=True, is_redeemer=True
    )
    session.execute(text("UPDATE partners.partner SET status = 'active' WHERE partner_id = :partner_id"), vars(made))
    return accounts.by_id(session, made.partner_id)


def request(partner_id: UUID, *, key: str | None = None, content: bytes | None = None) -> ledger.Request:
    """A posting's request; a fresh key and content unless they are given."""
    return ledger.Request(
        partner_id=partner_id,
        key=key or secrets.token_hex(8),
        request_hash=content or secrets.token_bytes(32),
        now=NOW,
    )


def found(engines: Settings, url: str, data_dir: Path, *, time_zone: str = "UTC") -> World:
    """Open the books in the database at `url`."""
    settings = replace(engines, database_url=url, data_dir=data_dir, secret_key=secrets.token_hex(32))
    logins.make(settings)
    _founded.append(settings)
    world = World(settings, Database(url, pool_size=10), Keyring(bytes.fromhex(str(settings.secret_key))))
    with world.transaction() as session:
        programme.ensure(session, now=NOW, currency="GBP", time_zone=time_zone, keyring=world.keyring)
    return world


class Recycled:
    """One coalition for one test after the other: much faster than a database for each."""

    def __init__(self, made: World) -> None:
        self.world = made
        owner = made.settings.database_owner_url or made.settings.database_url
        self._owner = psycopg.connect(str(owner), autocommit=True)
        # Else the books' own triggers would refuse: what stands in them is never taken away.
        self._owner.execute("SET session_replication_role = replica")
        found = self._owner.execute("""
            SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'public') ORDER BY 1
        """)
        self._tables = [table for (table,) in found]
        self._at_first = {table: rows for table in self._tables if (rows := self._copy_out(table))}

    def clean(self) -> World:
        """The coalition with nothing in it but what it began with."""
        with self._owner.transaction():
            self._owner.execute(";".join(f"DELETE FROM {table}" for table in self._tables).encode())
            for table, rows in self._at_first.items():
                with self._owner.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                    copy.write(rows)
        return self.world

    def close(self) -> None:
        self._owner.close()
        self.world.database.close()

    def _copy_out(self, table: str) -> bytes:
        with self._owner.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
            return b"".join(bytes(rows) for rows in copy)


@pytest.fixture(scope="session")
def recycled(
    engines: Settings, fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recycled]:
    """A coalition that is used again and again; `clean` it before each use."""
    made = Recycled(found(engines, fresh_database(), tmp_path_factory.mktemp("recycled")))
    yield made
    made.close()


@pytest.fixture
def world(engines: Settings, fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[World]:
    """A coalition with its books opened on 2 March 2026 and nothing in them."""
    made = found(engines, fresh_database(), tmp_path)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def shared_world(
    engines: Settings, fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The same, kept for all tests of a module: for property tests, which make their own members."""
    made = found(engines, fresh_database(), tmp_path_factory.mktemp("world"))
    yield made
    made.database.close()
