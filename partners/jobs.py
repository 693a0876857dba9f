"""The partners' jobs: files of postings, and housekeeping of the authorization server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from coalition import business_days
from kit import clock, logins, logs, settings
from kit.db import Database
from kit.secrets import keyring
from kit.settings import Settings
from partners import batch_files, batch_turns, clients, faults, lifecycle, request_log, test_clocks
from partners.oauth import upkeep as oauth_upkeep
from partners.sign_in import upkeep

log = logging.getLogger("partners")
BATCHES_RUN = timedelta(minutes=4)


def post_batch_files() -> None:
    """Post what partners handed in as files, for some minutes; then a fresh process."""
    began, parts = clock.now(), 0
    with _database() as (database, chosen):
        with database.transaction() as session:
            business_days.close_over(session, now=began)
        while posted := batch_turns.take_turns(database, keyring=keyring(chosen), now=clock.now()):
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
    """Let partners go whose time is over; forget tokens, codes, sign-ins, files and requests that are over."""
    with _database() as (database, chosen), database.transaction() as session:
        lifecycle.finish_leaving(session, now=clock.now())
        clients.delete_expired_tokens(session, now=clock.now())
        oauth_upkeep.forget(session, now=clock.now())
        upkeep.forget(session, now=clock.now())
        batch_files.forget(session, now=clock.now())
        faults.forget(session, now=clock.now())
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
