"""What runs when: the module `rq cron` loads. A tick that finds nothing due, or another at it, costs milliseconds."""

from __future__ import annotations

from rq.cron import register

from coalition.jobs import keep_wallets
from partners.jobs import forget_what_is_over, post_batch_files
from settlement.jobs import settle_due
from webhooks.jobs import pump
from webhooks.pump import RUN_S

WEBHOOKS = "webhooks"
NIGHTLY = "nightly"
BATCHES = "batches"
QUEUES = (WEBHOOKS, NIGHTLY, BATCHES)
KNOWN_JOBS = tuple(f"{job.__module__}.{job.__name__}" for job in (pump, settle_due, keep_wallets, forget_what_is_over))

KEEP_FAILURES_S = 86_400
PUMP_EVERY_S, BATCHES_EVERY_S, SETTLE_EVERY_S, WALLETS_EVERY_S, TOKENS_EVERY_S = 2, 3, 15, 60, 3600

# `ttl`: a tick nobody took in time is dropped, so that ticks don't pile up behind a job that runs for minutes.
register(pump, WEBHOOKS, interval=PUMP_EVERY_S, ttl=PUMP_EVERY_S, job_timeout=int(RUN_S) + 60, result_ttl=0,
         failure_ttl=KEEP_FAILURES_S)  # fmt: skip
register(post_batch_files, BATCHES, interval=BATCHES_EVERY_S, ttl=BATCHES_EVERY_S, job_timeout=6 * 3600,
         result_ttl=0, failure_ttl=KEEP_FAILURES_S)  # fmt: skip
register(settle_due, NIGHTLY, interval=SETTLE_EVERY_S, ttl=SETTLE_EVERY_S, job_timeout=6 * 3600, result_ttl=0,
         failure_ttl=KEEP_FAILURES_S)  # fmt: skip
register(keep_wallets, NIGHTLY, interval=WALLETS_EVERY_S, ttl=WALLETS_EVERY_S, job_timeout=3600, result_ttl=0,
         failure_ttl=KEEP_FAILURES_S)  # fmt: skip
register(forget_what_is_over, NIGHTLY, interval=TOKENS_EVERY_S, ttl=SETTLE_EVERY_S, job_timeout=600, result_ttl=0,
         failure_ttl=KEEP_FAILURES_S)  # fmt: skip
