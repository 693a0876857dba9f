"""The partners' jobs: files of postings, and housekeeping of the authorization server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from api import batch_files, batch_turns
from coalition import business_days
from identity import access_tokens, clients, request_log
from identity.oauth import purge as oauth_upkeep
from identity.sign_in import purge
from kit import audit, clock, logins, logs, root_key, settings
from kit.db import Database, Session
from kit.settings import Settings
from partners import lifecycle, sandbox_faults, test_clocks
from webhooks import digests, retention

log = logging.getLogger("partners")
BATCHES_RUN = timedelta(minutes=4)


def post_batch_files() -> None:
    """Post what partners handed in as files, for some minutes; then a fresh process."""
    began, parts = clock.now(), 0
    with _database() as (database, chosen):
        with database.transaction() as session:
            business_days.close_over(session, now=began)
        with batch_turns.desk(database, root_key.keyring(database, chosen), chosen) as at:
            while posted := batch_turns.take_turns(at, now=clock.now()):
                parts += posted
                if clock.now() > began + BATCHES_RUN:
                    break
    if parts:
        logs.event(log, "batch files posted", parts=parts)


def follow_test_clocks() -> None:
    """Do what has fallen due by the partners' test clocks; only a sandbox has any."""
    with _database() as (database, _):
        done = test_clocks.catch_up_all(database, now=clock.now())
    if done:
        logs.event(log, "test clocks followed", postings=done)


def forget_what_is_over() -> None:
    """End what is over: the day's feeds with their digests, partners that leave, and what is kept for a time only."""
    with _database() as (database, chosen):
        keyring, now = root_key.keyring(database, chosen), clock.now()
        if made := digests.make_due(database, now=now, keyring=keyring):
            logs.event(log, "event digests made", digests=made)
        retention.forget_all(database, now=now, keep=timedelta(days=chosen.webhook_retention_days))
        act = audit.of_clock(clock.now(), keyring)
        with database.transaction() as session:
            lifecycle.finish_leaving(session, act)
        with database.transaction() as session:
            _forget(session, chosen)


def _forget(session: Session, chosen: Settings) -> None:
    clients.revoke_of_left(session, now=clock.now())
    access_tokens.forget(session, now=clock.now())
    oauth_upkeep.forget(session, now=clock.now())
    purge.forget(session, now=clock.now())
    batch_files.forget(session, now=clock.now())
    sandbox_faults.forget(session, now=clock.now())
    request_log.forget(session, now=clock.now(), days=chosen.request_retention_days)


@contextmanager
def _database() -> Iterator[tuple[Database, Settings]]:
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    database = logins.service_database(chosen, pool_size=3)
    try:
        yield database, chosen
    finally:
        database.close()
