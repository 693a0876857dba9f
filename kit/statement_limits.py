"""A limit of time for the statements of one transaction, which no verb in it lifts: for requests that read much."""

from __future__ import annotations

import psycopg
from sqlalchemy import text

from kit.db import DatabaseUnavailable, Session

# `kit.db.allow_long_statements` leaves a transaction alone that says so.
_LIMITED = text("""
    SELECT set_config('statement_timeout', :most_ms, true), set_config('coalition.statements_end', 'yes', true)
""")


def limit_statements(session: Session, most_ms: int) -> None:
    """Let no statement of this transaction take longer, those for which somebody lifts the limit neither."""
    session.execute(_LIMITED, {"most_ms": str(most_ms)})


def took_too_long(error: DatabaseUnavailable) -> bool:
    """Whether what failed was a statement that reached its time limit."""
    cause = error.__cause__
    return isinstance(getattr(cause, "orig", cause), psycopg.errors.QueryCanceled)
