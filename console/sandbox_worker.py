"""The sandbox's work in the background, all in one process: `python -m console.sandbox_worker`.

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

from console.schedule import QUEUES, TIMETABLE, Entry
from kit import logs, settings
from kit.supervisor import exit_with_parent

log = logging.getLogger("sandbox")
LOOK_EVERY_S = 0.5
SETTLE_S = 1.0  # after a failure, so that a fault costs no more than a line a second


def main() -> None:
    """Work until told to stop; the environment names the sandbox's own engines."""
    logs.configure(settings.from_environment(os.environ).log_format)
    signal.signal(signal.SIGTERM, _end)
    exit_with_parent()
    for queue in QUEUES:
        entries = [entry for entry in TIMETABLE if entry.queue == queue]
        threading.Thread(target=_serve, args=(entries,), name=queue, daemon=True).start()
    signal.pause()


def _serve(entries: list[Entry]) -> None:
    due = dict.fromkeys(entries, 0.0)
    while True:
        for entry in entries:
            if time.monotonic() >= due[entry]:
                _do(entry)
                due[entry] = time.monotonic() + entry.interval_s
        time.sleep(LOOK_EVERY_S)


def _do(entry: Entry) -> None:
    try:
        entry.job()
    except Exception:
        log.exception("fault in %s", entry.job.__name__)
        time.sleep(SETTLE_S)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
