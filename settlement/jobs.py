"""The nightly job: settles every day that is over. Started every minute; what is due stands in the database."""

from __future__ import annotations

import logging
import os
from datetime import timedelta

from kit import clock, logins, logs, settings
from kit.secrets import keyring
from settlement import nights
from settlement.nights import Night

TRY_AGAIN_AFTER = timedelta(minutes=5)  # a night that failed, which takes a person more often than time
log = logging.getLogger("settlement")


def settle_due() -> int:
    """Settle what is due, oldest day first; returns how many days. One that fails keeps no other waiting."""
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database, keys = logins.service_database(chosen, pool_size=3), keyring(chosen)
    try:
        settled, now = 0, clock.now()
        for night in nights.run_due(database, now=now, keyring=keys, unless_failed_since=now - TRY_AGAIN_AFTER):
            if isinstance(night, Night):
                settled += 1
                logs.event(
                    log, "day settled", day=night.day, postings=night.postings, payments=night.payments,
                    set_aside=night.set_aside,
                )  # fmt: skip
        return settled
    finally:
        database.close()
