"""Housekeeping of the authorization server."""

from __future__ import annotations

import os

from kit import clock, settings
from kit.db import Database
from partners import clients


def delete_expired_tokens() -> int:
    """Forget access tokens that expired more than a day ago; returns how many."""
    chosen = settings.from_environment(os.environ)
    if chosen.database_url is None:
        raise ValueError("a worker needs the address of the database")
    database = Database(chosen.database_url, pool_size=1)
    try:
        with database.transaction() as session:
            return clients.delete_expired_tokens(session, now=clock.now())
    finally:
        database.close()
