"""earn_during_close: earns while a business day closes every 200 ms, against earns while none does.

The books are opened so many days ago that they can't catch up with today, and the days are closed one after another
as the night does it, by the service's role. An earn that comes while a day closes waits at the day's gate: the worst
pause is the longest latency of one earn in the runs with closes, as pgbench saw it. A shared machine is not as quick
now as it was a moment ago, so half of the reference is measured before and half after.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import PARTNERS, Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.ledger_sql import check, earn_script
from benchmarks.pgbench import run_timed_script
from coalition import business_days, programme
from kit import clock
from kit.errors import CoalitionError

CLOSE_EVERY_S = 0.2
LEAST_CLOSES = 0.5  # of those there was time for: with fewer it would not be the closing that was measured
MARGIN_S = 60


@dataclass
class _Closer:
    """What the loop that closes days has done so far."""

    closed: int = 0
    longest_ms: float = 0.0


def earn(harness: Harness) -> Figure:
    """Earns over 10,000 members, with closes and without in turn."""
    now = clock.now()
    with harness.new_books("closing", now=_opening(harness, now)) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=now)
        fixtures.make_wallets(books, partners, Wallets(now.date(), now))
        script = earn_script(books, partners)
        measured = [_run(harness, books, script) for _ in range(harness.runs)]
        check(books, "earn", sum(transactions for _, transactions in measured))
        runs = [run for run, _ in measured]
        _check_days(books, closed=sum(run.details["closes"] for run in runs))
    worst_ms = max(run.details["worst_ms"] for run in runs)
    unit = f"earns while days close, worst pause {worst_ms:.0f} ms"
    return Figure("earn_during_close", unit, "earns while none closes", runs, details={"worst_ms": worst_ms})


def _opening(harness: Harness, now: datetime) -> datetime:
    """When books have to be opened so that there is a day to close at every turn of every run."""
    return now - timedelta(days=(harness.seconds + MARGIN_S) * harness.runs / CLOSE_EVERY_S)


def _run(harness: Harness, books: Books, script: str) -> tuple[Run, int]:
    """One run between the halves of its reference, and how many earns pgbench counted in all of it."""
    half_s = math.ceil(harness.seconds / 2)
    before, quiet_before = run_timed_script(books.url, script, folder=harness.folder, seconds=half_s)
    with _closing(books) as closer:
        rate, latencies = run_timed_script(books.url, script, folder=harness.folder, seconds=harness.seconds)
    after, quiet_after = run_timed_script(books.url, script, folder=harness.folder, seconds=half_s)
    if closer.closed < LEAST_CLOSES * harness.seconds / CLOSE_EVERY_S:
        raise BenchmarkError(f"only {closer.closed} days were closed in {harness.seconds} s")
    reference, quiet = (before.per_second + after.per_second) / 2, sorted(quiet_before + quiet_after)
    report(f"  reference   {reference:>9,.0f} transactions/s, the longest {quiet[-1]:.0f} ms")
    report(f"  measured    {rate.per_second:>9,.0f} transactions/s, the longest {latencies[-1]:.0f} ms")
    details = {
        "closes": closer.closed,
        "longest_close_ms": round(closer.longest_ms, 1),
        "worst_ms": round(latencies[-1], 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100], 1),
        "reference_worst_ms": round(quiet[-1], 1),
        "reference_p99_ms": round(quiet[len(quiet) * 99 // 100], 1),
    }
    transactions = before.transactions + rate.transactions + after.transactions
    return Run(rate.per_second, 1, reference, 1, details), transactions


@contextmanager
def _closing(books: Books) -> Iterator[_Closer]:
    """Close a day every 200 ms, from a connection of its own, to the end of the block; raises what stopped it."""
    closer, over = _Closer(), threading.Event()

    def work() -> None:
        while not over.wait(CLOSE_EVERY_S):
            began = time.perf_counter()
            with books.database.transaction() as session:
                day = programme.get(session).open_day
                closer.closed += business_days.close(session, day=day, now=clock.now())
            closer.longest_ms = max(closer.longest_ms, (time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(1) as threads:
        loop = threads.submit(work)
        try:
            yield closer
        finally:
            over.set()
        try:
            loop.result()
        except CoalitionError as error:
            raise BenchmarkError(f"a day could not be closed: {error}") from error


def _check_days(books: Books, *, closed: int) -> None:
    """Raise BenchmarkError unless days were closed one by one, no member went back in time, and no earn came too late.

    Too late is an earn that began when the day after its own was about to close.
    """
    with books.owner() as owner:
        row = owner.execute(
            "SELECT (SELECT count(*) FROM coalition.sealed_day), "
            "       (SELECT max(day) - min(day) + 1 FROM coalition.sealed_day), "
            "       (SELECT count(*) FROM (SELECT business_date < lag(business_date) OVER ("
            "            PARTITION BY member_id ORDER BY member_seq) AS back FROM coalition.txn) t WHERE back), "
            "       (SELECT count(*) FROM coalition.txn t JOIN coalition.sealed_day s ON s.day = t.business_date + 1 "
            "        WHERE t.booked_at > s.closed_at)"
        ).fetchone()
    if row != (closed, closed, 0, 0):
        raise BenchmarkError(f"{closed} days were closed; found, in a row, earns gone back, late: {row}")
