"""The pump as a job: started every other second, it leaves at once when one is running."""

from __future__ import annotations

import os

from kit import logins, logs, settings
from kit.secrets import keyring
from webhooks.pump import Pump


def pump() -> bool:
    """Deliver webhooks for about four minutes; False when another pump is at it."""
    chosen = settings.from_environment(os.environ)
    if chosen.database_url is None or chosen.redis_url is None:
        raise ValueError("a worker needs the addresses of both engines")
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        return Pump(chosen, database, keyring(chosen), redis_url=chosen.redis_url).run()
    finally:
        database.close()
