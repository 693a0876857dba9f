"""The job that settles every day that is over, watches exposure, and funds what waits. It starts every few seconds.

What is due stands in the database.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from kit import audit, clock, ids, logins, logs, root_key, settings
from kit.audit import Act
from kit.db import Database
from kit.errors import Conflict
from settlement import exposure, funding, nightly, outstanding
from settlement.nightly import SettledDay
from settlement.run_failures import RunFailure

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
    """Settle what is due, oldest day first; returns how many days. Then watch exposure and fund what waits.

    What fails keeps nothing else waiting. When all was tried it is raised, so that the run counts as failed: RunsFailed
    where a day could not be settled.
    """
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        act = audit.of_clock(clock.now(), root_key.keyring(database, chosen))
        settled, failed = _settle(database, act)
        failures: list[Exception] = []
        if failed:
            failures.append(RunsFailed(", ".join(f"{failure.day} ({failure.code})" for failure in failed)))
        is_due = True  # where nobody could look, too
        with _kept(failures):
            is_due = _watch(database, act, has_settled=settled > 0)
        if is_due:
            with _kept(failures):
                _fund(database)
        _raise(failures)
        return settled
    finally:
        database.close()


def _settle(database: Database, act: Act) -> tuple[int, list[RunFailure]]:
    settled, failed = 0, []
    for run in nightly.run_due(database, act, unless_failed_since=act.now - TRY_AGAIN_AFTER):
        if not isinstance(run, SettledDay):
            failed.append(run)
        else:
            settled += 1
            logs.event(
                log, "day settled", day=run.day, postings=run.postings, payments=run.payments, set_aside=run.set_aside
            )
    return settled, failed


def _watch(database: Database, act: Act, *, has_settled: bool) -> bool:
    """Whether it looked, so that what waits may be funded now."""
    if has_settled:
        with database.transaction() as session:
            outstanding.keep(session)  # so that the liability is found without history
    with database.transaction() as session:
        told = exposure.watch(session, act)
    for one in told or ():
        logs.event(
            log, "exposure limit", level=logging.WARNING, partner=ids.show(ids.PARTNER, one.partner_id),
            percent=one.level,
        )  # fmt: skip
    return told is not None


def _fund(database: Database) -> None:
    # It may be long since the job began.
    if funded := funding.release(database, clock.now()):
        logs.event(log, "points funded", lots=funded)


@contextmanager
def _kept(failures: list[Exception]) -> Iterator[None]:
    """Keep how the block failed."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- it is raised when all was tried
        failures.append(error)


def _raise(failures: list[Exception]) -> None:
    """Raise the first; the others are told in the log."""
    for error in failures[1:]:
        log.error("the job failed in another place as well", exc_info=error)
    if failures:
        raise failures[0]
