"""The ledger's own jobs: what is due in wallets, and what may be forgotten. Each finds its work in the database."""

from __future__ import annotations

import logging
import os

from coalition import business_days, scheduled_postings
from kit import clock, logins, logs, settings

log = logging.getLogger("ledger")


def keep_wallets() -> None:
    """Lapse holds and vest points whose time has come, and forget outcomes that are kept no longer."""
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        with database.transaction() as session:
            business_days.close_over(session, now=clock.now())
        lapsed = scheduled_postings.lapse_holds(database, now=clock.now())
        vested = scheduled_postings.vest(database, now=clock.now())
        forgotten = scheduled_postings.forget_outcomes(database, now=clock.now())
    finally:
        database.close()
    if lapsed or vested or forgotten:
        logs.event(log, "wallets kept", lapsed=lapsed, vested=vested, forgotten=forgotten)
