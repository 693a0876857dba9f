"""A job belongs to its worker: it is told when that shall stop, and does not outlive it."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
import rq
from rq.job import JobStatus

from kit import metrics
from kit.jobs import JobSerializer
from kit.settings import Settings
from tests.e2e.conftest import is_alive, wait_for

LONG_S = 60
MOVED = "a.version.before.jobs.go_well"  # a job as another version names it
WORKER = """
import sys
from kit import jobs
known = [f"tests.kit.test_jobs.{name}" for name in ("wait_long", "go_well", "go_wrong")]
jobs.work(sys.argv[1], redis_url=sys.argv[2], known=known, metrics_key=sys.argv[3])
"""


def wait_long() -> None:
    """A job that takes its time."""
    time.sleep(LONG_S)


def go_well() -> None:
    """A job that does what it should."""


def go_wrong() -> None:
    """A job with a fault."""
    raise RuntimeError


@contextmanager
def worker(engines: Settings) -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """A worker in the middle of a job: its process, and the job's."""
    queue = f"test-{secrets.token_hex(6)}"
    with redis.Redis.from_url(str(engines.redis_url)) as connection:
        rq.Queue(queue, connection=connection, serializer=JobSerializer).enqueue(wait_long)
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, queue, str(engines.redis_url), f"{queue}:metrics"],
            cwd=Path(__file__).parents[2],
        )
        job = None
        try:
            [job] = wait_for(lambda: psutil.Process(process.pid).children())
            yield psutil.Process(process.pid), job
        finally:
            process.kill()
            process.wait()
            if job is not None and is_alive(job):
                job.kill()


def test_a_job_does_not_outlive_its_worker(engines: Settings) -> None:
    with worker(engines) as (process, job):
        process.kill()
        wait_for(lambda: not is_alive(job), within_s=10)


@pytest.mark.parametrize("pause_s", [0, 0.01, 0.1])
def test_a_job_is_told_to_stop_with_its_worker_however_young_it_is(engines: Settings, pause_s: float) -> None:
    with worker(engines) as (process, job):
        time.sleep(pause_s)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_alive(job), within_s=10)
        wait_for(lambda: not is_alive(process), within_s=10)


def test_what_becomes_of_jobs_is_counted(engines: Settings) -> None:
    queue = f"test-{secrets.token_hex(6)}"
    key = f"{queue}:metrics"
    with redis.Redis.from_url(str(engines.redis_url)) as connection:
        jobs = rq.Queue(queue, connection=connection, serializer=JobSerializer)
        *_, waiting = [jobs.enqueue(job) for job in (go_well, MOVED, go_wrong, secrets.token_hex, wait_long)]
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, queue, str(engines.redis_url), key], cwd=Path(__file__).parents[2]
        )

        def counts() -> dict[str, float]:
            found = metrics.read(connection, key)
            return {f"{one[1]} {one[2]}": n for one, n in found.items() if one[0] == "coalition_jobs_total"}

        try:
            ended = {"go_well succeeded": 2, "go_wrong failed": 1, "unknown failed": 1}
            wait_for(lambda: counts() == ended, within_s=120)
            # Not before the job has begun: until then there is the process of the one before it, or no job to count.
            wait_for(lambda: waiting.get_status() == JobStatus.STARTED, within_s=120)
            [job] = wait_for(lambda: psutil.Process(process.pid).children())
            job.kill()
            wait_for(lambda: counts() == ended | {"wait_long killed": 1}, within_s=120)
            last = metrics.read(connection, key)["coalition_job_last_success_timestamp_seconds", "go_well"]
            assert abs(time.time() - last) < 60
        finally:
            process.kill()
            process.wait()
