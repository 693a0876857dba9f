"""The job that settles every day that is over, watches exposure, and funds what waits. It starts every few seconds.

What is due stands in the database.
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta

from kit import audit, clock, ids, logins, logs, root_key, settings
from kit.errors import Conflict
from settlement import exposure, funding, nightly, outstanding
from settlement.nightly import SettledDay

TRY_AGAIN_AFTER = timedelta(minutes=5)  # a run that failed, which takes a person more often than time
log = logging.getLogger("settlement")


class RunsFailed(Conflict):
    code = "runs_failed"
    title = "Settlement runs failed"
    description = "Some days could not be settled. The failures are recorded, and the job counts as failed."
    remedy = (
        "Run `coalition settlement status` to see which days failed and why, fix that, and run `coalition settlement "
        "run`."
    )


def settle_due() -> int:
    """Settle what is due, oldest day first; returns how many days.

    One that fails keeps no other waiting. Raises RunsFailed when all were tried, so that the run counts as failed.
    """
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        act = audit.of_clock(clock.now(), root_key.keyring(database, chosen))
        settled, failed = 0, []
        for run in nightly.run_due(database, act, unless_failed_since=act.now - TRY_AGAIN_AFTER):
            if not isinstance(run, SettledDay):
                failed.append(run)
            else:
                settled += 1
                logs.event(
                    log, "day settled", day=run.day, postings=run.postings, payments=run.payments,
                    set_aside=run.set_aside,
                )  # fmt: skip
        if settled:
            with database.transaction() as session:
                outstanding.keep(session)  # so that the liability is found without history
        with database.transaction() as session:
            told = exposure.watch(session, act)
        for one in told:
            logs.event(
                log, "exposure limit", level=logging.WARNING, partner=ids.show(ids.PARTNER, one.partner_id),
                percent=one.level,
            )  # fmt: skip
        if funded := funding.release(database, act.now):
            logs.event(log, "points funded", lots=funded)
        if failed:
            raise RunsFailed(", ".join(f"{failure.day} ({failure.code})" for failure in failed))
        return settled
    finally:
        database.close()
