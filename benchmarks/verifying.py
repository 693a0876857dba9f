"""verify_large: `coalition ledger verify` on 10,000,000 postings in closed and sealed days, against one sum over them.

The books are those of earn_db_large, and every transaction has its event, as it would have had it been posted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta

from benchmarks import fixtures, large_books
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import PARTNERS
from benchmarks.harness import PROJECT, BenchmarkError, Books, Harness, report
from benchmarks.large_books import MEMBERS, ROUNDS
from kit import clock
from kit.settings import to_environment

# What ledger_finish writes for an earn; in one go, where the ledger writes them one by one.
_EVENTS = b"""
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    SELECT t.member_id, gen_random_uuid(), t.partner_id, 'points.earned', t.booked_at, jsonb_build_object(
        'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
        'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
        'business_date', t.business_date, 'member_seq', t.member_seq, 'expires_on', t.expires_on,
        'vests_at', t.due_at, 'debt_repaid', t.debt_repaid)
    FROM coalition.txn t
"""


def verify(harness: Harness) -> Figure:
    """One verification of everything; its process's memory stands in the run's details."""
    now = clock.now()
    first = now - timedelta(days=30 * (ROUNDS - 1))
    with harness.new_books("verify", now=first) as books:
        large_books.make(books, fixtures.make_partners(books, count=PARTNERS, now=now), now=now)
        _write_events(books)
        large_books.seal_days(books, first=first.date(), until=now.date(), now=now)
        run = _verify(books)
    unit = f"{MEMBERS * ROUNDS:,} postings verified"
    return Figure("verify_large", unit, "one sum over the postings", [run], is_time=True)


def _write_events(books: Books) -> None:
    began = time.monotonic()
    with books.owner() as owner:
        owner.execute("SET synchronous_commit = off")
        owner.execute(_EVENTS)
    report(f"wrote the events in {time.monotonic() - began:.0f} s")


def _verify(books: Books) -> Run:
    with books.owner() as owner:
        began = time.monotonic()
        owner.execute("SELECT sum(points) FROM coalition.posting")
        reference_s = time.monotonic() - began
    report(f"  reference   {reference_s:>9.1f} s")
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "ledger", "verify", "--json"],
        cwd=PROJECT,
        env={**os.environ, **to_environment(books.settings)},
        stdout=subprocess.PIPE,
    )
    with process:
        said = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took_s = time.monotonic() - began
    if process.returncode != 0:
        raise BenchmarkError(f"the books are not clean: {said.decode()[-2000:]}")
    memory_mb = round(used.ru_maxrss / 1024)
    report(f"  measured    {took_s:>9.1f} s, {memory_mb} MB")
    return Run(1, took_s, 1, reference_s, {"memory_mb": memory_mb})
