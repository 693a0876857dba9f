"""The harness all benchmarks stand on: servers, databases that are dropped again, child processes."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from coalition import programme
from kit import embedded, root_key, schema, secret_key
from kit import settings as kit_settings
from kit.db import Database, shown
from kit.secrets import Keyring
from kit.settings import Settings, to_environment

PROJECT = Path(__file__).parent.parent
STOP_TIMEOUT_S = 20.0


class BenchmarkError(Exception):
    """What was measured did not do its work right, so there is no figure."""


@dataclass(frozen=True)
class Books:
    """A coalition's books on a database of their own: the service's way in, and the owner's for bulk rows."""

    settings: Settings
    database: Database
    keyring: Keyring

    @property
    def url(self) -> str:
        """The database's address, for the owner."""
        return str(self.settings.database_url)

    def owner(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the owner, who isn't bound to the ledger's functions; each statement commits."""
        return psycopg.connect(self.url, autocommit=True)


@dataclass(frozen=True)
class Harness:
    """Servers that are up, a folder that is removed behind us, and how long and how often to measure."""

    settings: Settings
    folder: Path
    seconds: int
    runs: int

    @contextmanager
    def new_database(self, purpose: str, *, template: str | None = None) -> Iterator[str]:
        """The URL of a new database, empty or a copy of that at `template`; dropped when the block ends."""
        name = f"coalition_bench_{purpose}_{secrets.token_hex(4)}"
        copied = make_url(template).database if template else "template1"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, str(copied))
        try:
            url = make_url(str(self.settings.database_url)).set(database=name)
            yield shown(url)
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def settings_for(self, url: str) -> Settings:
        """The settings of a coalition whose books are at `url`."""
        return replace(self.settings, database_url=url, http_port=free_port(), sandbox="none", metrics_address="none")

    @contextmanager
    def new_books(self, purpose: str, *, now: datetime) -> Iterator[Books]:
        """Books opened at `now` on a new database, with nothing in them."""
        with self.new_database(purpose) as url:
            schema.migrate(url)
            with self.open_books(url, now=now) as books:
                yield books

    @contextmanager
    def open_books(self, url: str, *, now: datetime) -> Iterator[Books]:
        """The books at `url`, opened at `now` if they are new."""
        chosen = self.settings_for(url)
        database = Database(url, pool_size=3)
        try:
            with database.transaction() as session:
                programme.ensure(
                    session,
                    now=now,
                    currency=chosen.currency,
                    time_zone=chosen.time_zone,
                    key=secret_key.of(chosen),
                )
            yield Books(chosen, database, root_key.keyring(database, chosen))
        finally:
            database.close()

    def conditions(self) -> dict[str, Any]:
        """What the figures hold for."""
        names = ("shared_buffers", "max_wal_size", "synchronous_commit", "fsync", "full_page_writes")
        with psycopg.connect(str(self.settings.database_url)) as connection:
            shown = {name: _one(connection, f"SHOW {name}") for name in names}
            version = _one(connection, "SHOW server_version")
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "load_before": [round(load, 2) for load in os.getloadavg()],
            "postgresql": version,
            "python": platform.python_version(),
            "settings": {
                **shown,
                "web_processes": self.settings.web_processes,
                "web_threads": self.settings.web_threads,
            },
            "seconds": self.seconds,
            "runs": self.runs,
            "note": "server, service, clients and receiver share the cores",
        }

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(str(self.settings.database_url), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def prepared(environ: Mapping[str, str], *, seconds: int, runs: int) -> Iterator[Harness]:
    """Servers for the time of the block: those the environment names, or embedded ones in a new folder."""
    given = kit_settings.from_environment(environ)
    folder = Path(tempfile.mkdtemp(prefix="coalition-bench-"))
    try:
        wanted = replace(given, data_dir=folder, secret_key=secrets.token_hex(32))
        with embedded.running(wanted) as chosen:
            yield Harness(chosen, folder, seconds, runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def child(module: str, *, settings: Settings | None = None) -> Iterator[subprocess.Popen[str]]:
    """`python -m module`, ended with the block if it runs still; it ends by itself when we are killed."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **(to_environment(settings) if settings else {})}
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        _end(process)


def answer_of(process: subprocess.Popen[str], question: str, *, timeout_s: float) -> str:
    """What a child prints when it is told `question`; raises BenchmarkError when it fails."""
    try:
        answer, _ = process.communicate(question, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"a child did not answer within {timeout_s:.0f} s: {process.args!r}") from None
    if process.returncode != 0:
        raise BenchmarkError(f"a child ended with {process.returncode}; its lines above say why")
    return answer


def run_tool(argv: Sequence[str], *, environment: Mapping[str, str], timeout_s: float) -> str:
    """The standard output of a tool; raises BenchmarkError with the end of its errors."""
    done = subprocess.run(
        argv,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{Path(argv[0]).name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def free_port() -> int:
    """A TCP port of the loopback nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def report(line: str) -> None:
    """Say on standard error how far we are."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _one(connection: psycopg.Connection[tuple[Any, ...]], statement: str) -> str:
    row = connection.execute(statement.encode()).fetchone()
    return str(row[0]) if row else ""
