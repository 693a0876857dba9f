"""The nightly job: settles every day that is over. Started every minute; what is due stands in the database."""

from __future__ import annotations

import logging
import os

from kit import clock, logins, logs, settings
from kit.secrets import keyring
from settlement import nights

log = logging.getLogger("settlement")


def settle_due() -> int:
    """Settle what is due, oldest day first; returns how many days."""
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database, keys = logins.service_database(chosen, pool_size=3), keyring(chosen)
    try:
        with database.transaction() as session:
            days = nights.due_days(session, now=clock.now())
        for day in days:
            night = nights.run(database, day=day, now=clock.now(), keyring=keys)
            logs.event(log, "day settled", day=day, postings=night.postings, payments=night.payments)
        return len(days)
    finally:
        database.close()
