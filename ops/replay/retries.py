"""How a replay goes on while the database is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from kit.errors import Unavailable

ATTEMPTS = 120
RETRY_S = 1.0
T = TypeVar("T")


async def retrying(step: Callable[[], T]) -> T:
    """Do `step` in a thread, again while the database is away: it is idempotent. Raises Unavailable in the end."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await asyncio.to_thread(step)
        except Unavailable:
            await asyncio.sleep(RETRY_S)
    return await asyncio.to_thread(step)
