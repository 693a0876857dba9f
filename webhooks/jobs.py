"""The pump as a job: there are as many as workers. What is due by day or hour is done by `api.jobs`."""

from __future__ import annotations

import gc
import os

from kit import logins, logs, root_key, settings
from webhooks.pump import Pump

GARBAGE_AFTER = 100_000  # new objects, to look for what refers to itself


def pump() -> bool:
    """Deliver webhooks for about four minutes; False when all slots are taken."""
    # What was loaded stays, and what comes and goes is freed as its last reference is: looking for circles among
    # hundreds of attempts in flight takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    chosen = settings.from_environment(os.environ)
    if chosen.database_url is None or chosen.redis_url is None:
        raise ValueError("a worker needs the addresses of both engines")
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        return Pump(chosen, database, root_key.keyring(database, chosen), redis_url=chosen.redis_url).run()
    finally:
        database.close()
