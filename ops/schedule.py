"""What runs when: the module `rq cron` loads. A tick that finds nothing due, or another at it, costs milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rq.cron import register

from api.jobs import follow_test_clocks, forget_what_is_over, post_batch_files
from coalition.jobs import keep_wallets
from settlement.jobs import settle_due
from webhooks.jobs import pump
from webhooks.pump import RUN_S
from webhooks.queue import LEASE

WEBHOOKS = "webhooks"
SETTLEMENT = "settlement"
BATCHES = "batches"
QUEUES = (WEBHOOKS, SETTLEMENT, BATCHES)
KEEP_FAILURES_S = 86_400


@dataclass(frozen=True)
class Entry:
    """A job, the queue it belongs to, after how many seconds it comes again, and how many it may take."""

    interval_s: int
    job: Callable[[], object]
    queue: str
    timeout_s: int


TIMETABLE: list[Entry] = []
KNOWN_JOBS: list[str] = []  # whatever is scheduled here, and nothing else, a worker runs


def _every(interval_s: int, job: Callable[[], object], queue: str, *, timeout_s: int, ttl_s: int | None = None) -> None:
    """Let `queue` run `job` every `interval_s` seconds.

    A tick nobody took within `ttl_s` is dropped, so that ticks don't pile up behind a job that runs for minutes.
    """
    register(job, queue, interval=interval_s, ttl=ttl_s or interval_s, job_timeout=timeout_s, result_ttl=0,
             failure_ttl=KEEP_FAILURES_S)  # fmt: skip
    TIMETABLE.append(Entry(interval_s, job, queue, timeout_s))
    KNOWN_JOBS.append(f"{job.__module__}.{job.__name__}")


_every(2, pump, WEBHOOKS, timeout_s=int(RUN_S + LEASE.total_seconds()))  # no attempt outlasts its lease
_every(3, post_batch_files, BATCHES, timeout_s=6 * 3600)
_every(15, settle_due, SETTLEMENT, timeout_s=6 * 3600)
_every(60, keep_wallets, SETTLEMENT, timeout_s=3600)
_every(3600, forget_what_is_over, SETTLEMENT, timeout_s=3600, ttl_s=15)
_every(60, follow_test_clocks, SETTLEMENT, timeout_s=600)
