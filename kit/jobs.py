"""RQ, tamed: one queue per worker, only jobs we know, nothing unpickled but plain values.

Redis holds no truth. A job carries nothing, does nothing twice, and what is due stands in the database; so a job that
is lost comes again with the next tick of `rq cron`.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import time
from collections.abc import Collection
from typing import Any, ClassVar

import redis
import rq
import rq.exceptions

from kit.metrics import Counter, Histogram, Mark, Meter
from kit.supervisor import exit_with_parent

MAINTENANCE_INTERVAL_S = 30
WORKER_TTL_S = 60

# Not `job`: that is Prometheus' own name for whom it asks.
RUNS = Counter("coalition_jobs_total", "Runs of a job: succeeded, failed, or killed half-way", ("job_name", "outcome"))
SECONDS = Histogram(
    "coalition_job_duration_seconds", "Runs of a job that came to an end", ("job_name",),
    bounds=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0),
)  # fmt: skip
LAST = Mark("coalition_job_last_success_timestamp_seconds", "When a job last ended well", ("job_name",))
UNKNOWN = "unknown"


def key_prefix(programme_id: str) -> str:
    """The prefix of one coalition's keys in Redis, so that two on one server don't take each other's jobs."""
    return f"coalition:{programme_id}:rq"


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a job")


class JobSerializer:
    """Reads what `rq cron` writes (pickle, it offers no other), but only plain values naming a job we know.

    A job is known by its own name. The module before it may be another version's, which has moved the job since: it is
    run where it stands here.
    """

    known: ClassVar[Collection[str]] = ()

    @staticmethod
    def dumps(value: Any) -> bytes:
        """`value` pickled."""
        return pickle.dumps(value)

    @classmethod
    def loads(cls, data: bytes) -> Any:
        """The plain value in `data`; raises UnpicklingError for classes, and for calls of anything unknown."""
        value = _PlainUnpickler(io.BytesIO(data)).load()
        if not isinstance(value, tuple) or not value:
            return value
        here = next((each for each in cls.known if own_name(each) == own_name(str(value[0]))), None)
        if here is None:
            raise pickle.UnpicklingError(f"{value[0]} is not one of our jobs")
        return (here, *value[1:])


def own_name(job: str) -> str:
    """The name of a job without the module it stands in."""
    return job.rpartition(".")[2]


_STOPS = (signal.SIGTERM, signal.SIGINT)


class Worker(rq.Worker):
    """An RQ worker that passes a request to stop on to the job it is running, and whose job ends when it is killed.

    What becomes of its jobs is counted under `metrics_key`.
    """

    redis_url: str
    metrics_key: str

    def perform_job(self, job: Any, queue: Any, execution: Any) -> bool:
        """Run the job, in its own process, and count it."""
        began = time.perf_counter()
        succeeded = super().perform_job(job, queue, execution)
        meter = self._meter()
        count(meter, _name(job), time.perf_counter() - began, succeeded=succeeded)
        meter.close()
        return succeeded

    def handle_work_horse_killed(self, job: Any, *how: Any) -> None:
        """Count a job whose process ended before it did."""
        meter = self._meter()
        meter.count(RUNS, _name(job), "killed")
        meter.close()

    def _meter(self) -> Meter:
        # One for each process: the lock and the sums of another would come along when it is forked.
        return Meter(self.redis_url, key=self.metrics_key)

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Start the job's process; a request to stop waits until both know which of them they are.

        Arriving in between it would be lost: here the child's number is not known yet, there our own handler is still
        in place.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            super().fork_work_horse(job, queue)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def setup_work_horse_signals(self) -> None:
        """In the job's process: take requests to stop, and end with the worker."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        exit_with_parent()

    def handle_warm_shutdown_request(self) -> None:
        """Tell the running job: the pump finishes what it is sending, a settlement stage is rolled back."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


def count(meter: Meter, name: str, seconds: float, *, succeeded: bool) -> None:
    """Count one run of the job `name` that came to an end."""
    meter.count(RUNS, name, "succeeded" if succeeded else "failed")
    meter.observe(SECONDS, seconds, name)
    if succeeded:
        meter.mark(LAST, time.time(), name)


def _name(job: Any) -> str:
    """The job's name without its module; what is none of ours has no name of its own."""
    try:
        name: str = job.func_name
    except rq.exceptions.DeserializationError:
        return UNKNOWN
    return own_name(name) if name in JobSerializer.known else UNKNOWN


def work(queue: str, *, redis_url: str, known: Collection[str], metrics_key: str) -> None:
    """Serve `queue` until told to stop; `known` are the dotted names of the jobs it may run."""
    JobSerializer.known = known
    connection = redis.Redis.from_url(redis_url)
    worker = Worker(
        [rq.Queue(queue, connection=connection, serializer=JobSerializer)],
        connection=connection,
        serializer=JobSerializer,
        maintenance_interval=MAINTENANCE_INTERVAL_S,
        worker_ttl=WORKER_TTL_S,
    )
    worker.redis_url, worker.metrics_key = redis_url, metrics_key
    worker.work(logging_level="WARNING")
