"""The pump in a process of its own, ended with SIGTERM: `python -m benchmarks.pump_process`."""

from __future__ import annotations

from kit.supervisor import exit_with_parent
from webhooks.jobs import pump

if __name__ == "__main__":
    exit_with_parent()
    if not pump():
        raise SystemExit("another pump holds the lock")
