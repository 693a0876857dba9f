"""The sandbox's work in the background, all in one process: `python -m ops.sandbox_worker`.

Live's own schedule, with a thread for each queue and nothing between: four processes more would cost 340 MB. Killed
anywhere, everything goes on where it was, as live's jobs do.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType

from kit import jobs, logins, logs, metrics, settings
from kit.metrics import Meter
from kit.supervisor import exit_with_parent
from ops.schedule import QUEUES, TIMETABLE, Entry

log = logging.getLogger("sandbox")
LOOK_EVERY_S = 0.5
SETTLE_S = 1.0  # after a failure, so that a fault costs no more than a line a second


def main() -> None:
    """Work until told to stop; the environment names the sandbox's own engines."""
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    signal.signal(signal.SIGTERM, _end)
    exit_with_parent()
    meter = Meter(str(chosen.redis_url), key=metrics.key(logins.keyring(chosen)))
    for queue in QUEUES:
        entries = [entry for entry in TIMETABLE if entry.queue == queue]
        threading.Thread(target=_serve, args=(entries, meter), name=queue, daemon=True).start()
    signal.pause()


def _serve(entries: list[Entry], meter: Meter) -> None:
    due = dict.fromkeys(entries, 0.0)
    while True:
        for entry in entries:
            if time.monotonic() >= due[entry]:
                _do(entry, meter)
                due[entry] = time.monotonic() + entry.interval_s
        time.sleep(LOOK_EVERY_S)


def _do(entry: Entry, meter: Meter) -> None:
    name, began = entry.job.__name__, time.perf_counter()
    try:
        entry.job()
    except Exception:
        log.exception("fault in %s", name)
        jobs.count(meter, name, time.perf_counter() - began, succeeded=False)
        time.sleep(SETTLE_S)
    else:
        jobs.count(meter, name, time.perf_counter() - began, succeeded=True)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
