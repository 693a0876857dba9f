"""How the transactions of a test stood when they ended: whether anything could have been written in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.pq import ExecStatus
from sqlalchemy import Connection, Engine, event


@contextmanager
def watched() -> Iterator[list[str]]:
    """PostgreSQL's own word on each transaction that this thread ends: `on` where it was read-only, `off`, or `failed`.

    What is written behind requests, in threads of its own, is none of it.
    """
    found: list[str] = []
    here = threading.get_ident()

    def ask(connection: Connection) -> None:
        if threading.get_ident() != here:
            return
        result = connection.connection.driver_connection.pgconn.exec_(b"SHOW transaction_read_only")
        found.append(result.get_value(0, 0).decode() if result.status == ExecStatus.TUPLES_OK else "failed")

    for name in ("commit", "rollback"):
        event.listen(Engine, name, ask)
    try:
        yield found
    finally:
        for name in ("commit", "rollback"):
            event.remove(Engine, name, ask)
