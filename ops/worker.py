"""A worker process: `python -m ops.worker QUEUE`."""

from __future__ import annotations

import os
import sys

from kit import jobs, logins, logs, metrics, settings
from kit.supervisor import exit_with_parent
from ops import schedule


def main(queue: str) -> None:
    """Serve `queue` on the Redis of the environment until told to stop."""
    chosen = settings.from_environment(os.environ)
    if chosen.redis_url is None or queue not in schedule.QUEUES:
        raise SystemExit(f"a worker needs COALITION_REDIS_URL and one of the queues {', '.join(schedule.QUEUES)}")
    logs.configure(chosen.log_format)
    exit_with_parent()
    key = metrics.key(logins.keyring(chosen))
    jobs.work(queue, redis_url=chosen.redis_url, known=schedule.KNOWN_JOBS, metrics_key=key)


if __name__ == "__main__":
    main(sys.argv[1])
