"""The real engines for every test: one PostgreSQL and one Redis for the run, a database of its own for each worker.

With COALITION_DATABASE_URL and COALITION_REDIS_URL set the same tests run on those servers; with CITUS_URL
coalitions are on that cluster (tests.cluster).
"""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import make_url, text

from coalition import business_days, ledger, members, programme, wallets
from kit import audit, embedded, ids, logins, metrics, root_key, schema, secret_key
from kit.audit import Act, Actor
from kit.db import Database, Session, shown
from kit.secrets import Keyring
from kit.settings import Settings
from partners import accounts
from settlement.terms import Terms, put_in_force
from tests import receiving
from tests.cluster import COORDINATOR, Cluster
from tests.interop import npm

# No test fails because the machine is slow: the first text of a clean clone takes Hypothesis seconds.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
# For hours of the ledger's state machine. Here, for a profile has to be known before any test file is read.
NIGHT = settings(max_examples=100_000, stateful_step_count=60)
settings.register_profile("night", NIGHT)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# The time of tests is far from this machine's and from the database's.
business_days.MOST_DAYS_AT_ONCE, business_days.CLOCKS_APART = 100_000, timedelta(days=100_000)
CARD = "7001000000178503"
NO_WORLDS_KEYRING = Keyring(bytes(32))


def act(keyring: Keyring = NO_WORLDS_KEYRING, *, now: datetime = NOW, **said: str | None) -> Act:
    """What a test does; where its entry in the audit is to verify, or a secret to be good, by the world's keyring."""
    return Act(actor=Actor(kind="operator", actor_id="a test"), now=now, keyring=keyring, **said)


def audited(database: Database, *, limit: int = 1_000) -> list[dict[str, Any]]:
    """What the audit says, the newest first, but for what `act` did to set a test up."""
    with database.transaction() as session:
        found = [entry.facts for entry in audit.newest(session, limit=limit)]
    return [entry for entry in found if entry["actor_id"] != "a test"]


APPROVED = act(reason="one person, two cards", by="ann", approved_by="ben")


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
    if COORDINATOR:
        real["database_url"] = COORDINATOR
    # All workers of one run share the engines: whoever comes first owns them.
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with embedded.running(Settings(data_dir=folder / "engines", **real)) as chosen:
        if "database_url" not in real:
            _trust_the_machine(str(chosen.database_url))
        yield chosen
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(folder / "engines", ignore_errors=True)


def _trust_the_machine(url: str) -> None:
    """Let the server not wait for the disk: tests kill processes, whose writes the kernel keeps, but no machine."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} TO off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


_founded: list[Settings] = []  # whose logins go at the end of a run on a real server


def drop_logins(settings: Settings) -> None:
    """Take the logins that were made for `settings` away, as their databases are."""
    made = logins.resolve(settings)
    with psycopg.connect(str(made.database_owner_url), autocommit=True) as owner:
        for url in (made.database_url, made.database_tenant_url):
            owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(str(make_url(str(url)).username))))


@pytest.fixture(scope="session")
def new_database(engines: Settings) -> Iterator[Callable[..., str]]:
    """Make a database, an empty one or a copy of `template`; all of them go at the end of the run."""
    made: list[str] = []
    prefix = f"coalition_test_{secrets.token_hex(6)}"

    def execute(statement: str, *names: str) -> None:
        with psycopg.connect(str(engines.database_url), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def make(*, template: str = "template1") -> str:
        name = f"{prefix}_{len(made)}"
        execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        made.append(name)
        return shown(make_url(str(engines.database_url)).set(database=name))

    yield make
    if COORDINATOR or "COALITION_DATABASE_URL" in os.environ:  # the embedded server goes as a whole
        for settings in _founded:
            drop_logins(replace(settings, database_url=engines.database_url))
        for name in reversed(made):
            execute("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def nodes(engines: Settings) -> Iterator[Cluster | None]:
    """The cluster, where the run has one."""
    found = Cluster(COORDINATOR) if COORDINATOR else None
    yield found
    if found:
        found.drop_all()


@pytest.fixture(scope="session")
def fresh_database(nodes: Cluster | None, new_database: Callable[..., str]) -> Callable[[], str]:
    """Make an empty, migrated database: a copy of one that was migrated once for the run."""
    if nodes is not None:
        return nodes.distributed
    migrated = new_database()
    schema.migrate(migrated)
    return lambda: new_database(template=str(make_url(migrated).database))


@dataclass(frozen=True)
class World:
    """A coalition on a database of its own: what most tests start from."""

    settings: Settings
    database: Database
    keyring: Keyring

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction of the coalition's own, which knows members by our own ids."""
        with self.database.transaction() as session, ids.seen_by(ids.OUR_OWN):
            yield session

    def partner(self, code: str, *, now: datetime = NOW) -> accounts.Partner:
        with self.transaction() as session:
            return active_partner(session, code, now=now)

    def give_terms(self, partner_id: UUID, *, now: datetime = NOW) -> None:
        """Let it have what whoever issues points needs: a rate and an agreement, from the open business day on."""
        with self.transaction() as session:
            put_in_force(
                session, act(self.keyring, now=now), partner_id=partner_id, terms=Terms(Decimal(1), Decimal(1))
            )

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


def until_somebody_waits(world: World, *, how_many: int = 1) -> None:
    """Return once so many sessions of this database wait for a lock of another, on whichever node of a cluster."""
    deadline = time.monotonic() + 30
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as watch:
        spread = watch.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone()
        waiting = (
            "citus_lock_waits"
            if spread
            else ("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        )
        while time.monotonic() < deadline:
            row = watch.execute(f"SELECT count(*) FROM {waiting}".encode()).fetchone()
            if row and row[0] >= how_many:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")


def active_partner(session: Session, code: str, *, now: datetime = NOW) -> accounts.Partner:
    """A partner that is active without papers or terms, as no command makes one: most tests need none."""
    partner_id = ids.new()
    session.execute(
        text("""
            INSERT INTO partners.partner (partner_id, code, name, is_issuer, is_redeemer, status, created_at)
            VALUES (:partner_id, :code, :name, true, true, 'active', :now)
        """),
        {"partner_id": partner_id, "code": code, "name": code.title(), "now": now},
    )
    begun = accounts.StateChange(ids.new(), partner_id, None, "onboarding", "onboarding begins", "a test", now)
    accounts.record(session, begun)
    return accounts.by_id(session, partner_id)


def request(partner_id: UUID, *, key: str | None = None, content: bytes | None = None) -> ledger.Request:
    """A posting's request; a fresh key and content unless they are given."""
    return ledger.Request(
        partner_id=partner_id,
        key=key or secrets.token_hex(8),
        request_hash=content or secrets.token_bytes(32),
        now=NOW,
    )


def found(engines: Settings, url: str, data_dir: Path, *, time_zone: str = "UTC", now: datetime = NOW) -> World:
    """Open the books in the database at `url`."""
    settings = replace(engines, database_url=url, data_dir=data_dir, secret_key=secrets.token_hex(32))
    logins.make(settings)
    _founded.append(settings)
    database = Database(url, pool_size=10)
    with database.transaction() as session:
        key = secret_key.of(settings)
        programme.ensure(session, now=now, currency="GBP", time_zone=time_zone, key=key)
        return World(settings, database, root_key.read(session, key))


@pytest.fixture(autouse=True)
def no_view() -> Iterator[None]:
    """A test begins in no view of members, and what it came to see by (a request of its own making) ends with it."""
    with ids.seen_by(None):
        yield


@pytest.fixture(scope="session")
def received_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[receiving.Archive]:
    """All webhooks that the tests of this process received: in the end Node.js verifies them too, where it is there."""
    folder = tmp_path_factory.mktemp("received")
    archive = receiving.Archive(folder / "deliveries.jsonl")
    yield archive
    if archive.kept:
        archive.verify(npm.install(Path(__file__).parent / "interop" / "standardwebhooks", folder))


@pytest.fixture(autouse=True)
def received(received_archive: receiving.Archive) -> Iterator[receiving.Received]:
    """Every webhook that a test receives verifies, or the test fails."""
    with receiving.checked(received_archive) as made:
        yield made


@pytest.fixture
def receiver(received: receiving.Received) -> Iterator[receiving.Receiver]:
    """A partner's server that takes webhooks."""
    with receiving.listening() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def no_idle_connections() -> Iterator[None]:
    """A server has a hundred places: what lies in the pools of one module's tests is given back before the next."""
    yield
    for each in gc.get_objects():
        if type(each) is Database:  # asked of proxies, isinstance would wake what they stand for
            each.engine.dispose()


class Recycled:
    """One coalition for one test after the other: much faster than a database for each."""

    def __init__(self, made: World) -> None:
        self.world = made
        owner = made.settings.database_owner_url or made.settings.database_url
        self._owner = psycopg.connect(str(owner), autocommit=True)
        self._redis = redis.Redis.from_url(str(made.settings.redis_url))
        found = self._owner.execute("""
            SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'public') ORDER BY 1
        """)
        self._tables = [table for (table,) in found]
        self._at_first = {table: rows for table in self._tables if (rows := self._copy_out(table))}

    def clean(self) -> World:
        """The coalition with nothing in it but what it began with."""
        with self._owner.transaction():
            # Else the books' own triggers would refuse: what stands in them is never taken away. On every node.
            self._owner.execute("SET LOCAL session_replication_role = replica")
            self._owner.execute(";".join(f"DELETE FROM {table}" for table in self._tables).encode())
            for table, rows in self._at_first.items():
                with self._owner.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                    copy.write(rows)
        self._redis.delete(metrics.key(self.world.keyring))
        return self.world

    def close(self) -> None:
        self._owner.close()
        self._redis.close()
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
def world(recycled: Recycled) -> World:
    """A coalition with its books opened on 2 March 2026 and nothing in them."""
    return recycled.clean()


@pytest.fixture
def own_world(request: pytest.FixtureRequest, nodes: Cluster | None, tmp_path: Path) -> Iterator[World]:
    """The same on a database of its own: for tests that change more than the rows of tables."""
    if nodes is not None:  # a database on every node takes seconds
        yield request.getfixturevalue("world")
        return
    url = request.getfixturevalue("fresh_database")()
    made = found(request.getfixturevalue("engines"), url, tmp_path)
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
