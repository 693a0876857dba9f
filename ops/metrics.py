"""What Prometheus asks, on an address of its own: `python -m ops.metrics`."""

from __future__ import annotations

import os
import signal
import threading

import redis

from api import batch_files
from kit import db, exposition, jobs, logins, logs, metrics, root_key, sandbox, settings
from kit.exposition import Exposition, Source
from kit.http import measuring, rate_limits
from kit.settings import Settings
from kit.supervisor import exit_with_parent
from settlement import watch
from webhooks import pump, status

REDIS_TIMEOUT_S = 2
COUNTED = (
    measuring.REQUESTS, measuring.SECONDS, measuring.PROBLEMS, rate_limits.LIMITED,
    db.WAITED, db.HELD, db.FAILED,
    jobs.RUNS, jobs.SECONDS, jobs.LAST,
    pump.EVENTS, pump.ATTEMPTS, pump.SECONDS,
)  # fmt: skip
GAUGES = (*watch.GAUGES, *batch_files.GAUGES, *status.GAUGES)


def main() -> None:
    """Answer until told to stop; the environment names live's own engines."""
    chosen = settings.from_environment(os.environ)
    if chosen.metrics_place is None or chosen.redis_url is None:
        raise SystemExit("metrics need an address of their own, and those of both engines")
    logs.configure(chosen.log_format)
    exit_with_parent()
    host, port = chosen.metrics_place
    server = exposition.server(of(chosen), host=host, port=port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait((signal.SIGTERM, signal.SIGINT))


def of(chosen: Settings) -> Exposition:
    """The figures of the coalition of `chosen`, and of the sandbox where one is beside it."""
    sources = [_source("sandbox" if chosen.is_sandbox else "live", chosen)]
    if chosen.sandbox == "beside":
        sources.append(_source("sandbox", sandbox.settings_of(chosen)))
    client = redis.Redis.from_url(
        str(chosen.redis_url), socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )
    return Exposition(sources, client, counted=COUNTED, gauges=GAUGES)


def _source(label: str, chosen: Settings) -> Source:
    database = logins.service_database(chosen, pool_size=1)
    return Source(label, metrics.key(root_key.keyring(database, chosen)), database)


if __name__ == "__main__":
    main()
