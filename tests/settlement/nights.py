"""The nightly job as a process of its own, which can be killed: in a module that such a process can import quickly."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import datetime
from multiprocessing.process import BaseProcess

from kit import audit, logins, root_key
from kit.settings import Settings
from settlement import nightly
from settlement.run_failures import RunFailure

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def settle(settings: Settings, now: datetime) -> None:
    """What settlement.jobs.settle_due does, at a time of the test's; ends with 1 where a day failed."""
    database = logins.service_database(settings, pool_size=3)
    try:
        act = audit.of_clock(now, root_key.keyring(database, settings))
        failed = [one for one in nightly.run_due(database, act) if isinstance(one, RunFailure)]
    finally:
        database.close()
    os._exit(1 if failed else 0)


def start(settings: Settings, now: datetime) -> BaseProcess:
    """The job, begun."""
    process = _processes.Process(target=settle, args=(settings, now), daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """kill -9, and wait for its end."""
    if process.pid is None or not process.is_alive():
        raise AssertionError("the job is over already")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
