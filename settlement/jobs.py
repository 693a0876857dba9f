"""The nightly job: settles every day that is over. Started every minute; what is due stands in the database."""

from __future__ import annotations

import logging
import os

from kit import clock, logs, settings
from kit.db import Database
from kit.secrets import keyring
from settlement import nights

log = logging.getLogger("settlement")


def settle_due() -> int:
    """Settle what is due, oldest day first; returns how many days."""
    chosen = settings.from_environment(os.environ)
    if chosen.database_url is None:
        raise ValueError("a worker needs the addresses of both engines")
    logs.configure(chosen.log_format)
    database, keys = Database(chosen.database_url, pool_size=3), keyring(chosen)
    try:
        with database.transaction() as session:
            days = nights.due_days(session, now=clock.now())
        for day in days:
            night = nights.run(database, day=day, now=clock.now(), keyring=keys)
            logs.event(log, "day settled", day=day, postings=night.postings, payments=night.payments)
        return len(days)
    finally:
        database.close()
