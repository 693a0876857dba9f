"""pgbench, PostgreSQL's own yardstick: its TPC-B-like script as the reference, and scripts of ours."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import BenchmarkError, Harness, report, run_tool
from kit.db import SERVICE_ROLE
from kit.embedded import postgres_tool

SCALE = 20
CLIENTS = 16
THREADS = 2
MARGIN_S = 120.0
LATENCY_FIELD = 2  # of a line of its log: client, transaction, µs, script, seconds, µs
NAME = f"pgbench TPC-B-like, {CLIENTS} clients, prepared, scale {SCALE}"


@dataclass(frozen=True)
class Rate:
    """Transactions a second over a run, without the time for connecting; none of them failed."""

    per_second: float
    transactions: int


class Tpcb:
    """The reference: a database filled once, run as often as a figure needs it."""

    def __init__(self, url: str, seconds: int) -> None:
        self._url = url
        self._seconds = seconds

    def run(self) -> Rate:
        """One run."""
        rate = _run(self._url, self._seconds)
        report(f"  reference   {rate.per_second:>9,.0f} transactions/s")
        return rate


@contextmanager
def tpcb(harness: Harness) -> Iterator[Tpcb]:
    """The TPC-B-like tables in a database of their own."""
    with harness.new_database("tpcb") as url:
        report(f"filling pgbench's tables, scale {SCALE}")
        run_tool(
            [str(postgres_tool("pgbench")), "-i", "-q", "-s", str(SCALE), url],
            environment={},
            timeout_s=MARGIN_S,
        )
        yield Tpcb(url, harness.seconds)


def run_script(url: str, script: str, *, folder: Path, seconds: int, clients: int = CLIENTS) -> Rate:
    """Run `script` as the service does: in its role, prepared, from as many clients as the reference unless told."""
    return _run(url, seconds, "-n", "-f", _kept(script, folder), role=SERVICE_ROLE, clients=clients)


def run_timed_script(url: str, script: str, *, folder: Path, seconds: int) -> tuple[Rate, list[float]]:
    """Run `script` like `run_script`; also the latency of each transaction in ms, the longest last."""
    logs = folder / "latencies"
    logs.mkdir()
    try:
        words = ("-n", "-f", _kept(script, folder), "--log", f"--log-prefix={logs / 'pgbench'}")
        rate = _run(url, seconds, *words, role=SERVICE_ROLE)
        lines = (line for path in logs.iterdir() for line in path.read_text("utf-8").splitlines())
        return rate, sorted(int(line.split()[LATENCY_FIELD]) / 1000 for line in lines)
    finally:
        shutil.rmtree(logs)


def _kept(script: str, folder: Path) -> str:
    path = folder / "script.sql"
    path.write_text(script, "utf-8")
    return str(path)


def _run(url: str, seconds: int, *words: str, role: str | None = None, clients: int = CLIENTS) -> Rate:
    options = f"-c role={role}" if role else ""
    argv = [str(postgres_tool("pgbench")), "-M", "prepared", "-c", str(clients), "-j", str(THREADS)]
    said = run_tool(
        [*argv, "-T", str(seconds), *words, url],
        environment={"PGOPTIONS": options},
        timeout_s=seconds + MARGIN_S,
    )
    rate = re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE)
    done = re.search(r"^number of transactions actually processed: ([0-9]+)", said, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: ([0-9]+)", said, re.MULTILINE)
    if rate is None or done is None or (failed is not None and failed[1] != "0"):
        raise BenchmarkError(f"pgbench said: {said}")
    return Rate(float(rate[1]), int(done[1]))
