"""When a delivery is tried again: a pure function of what happened so far."""

from __future__ import annotations

import re
from datetime import timedelta

MINUTE, HOUR = 60, 3600
# Seconds to wait after the first, second, … failed attempt; after the last the delivery has failed.
DELAYS_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_RETRY_AFTER_S = 24 * HOUR


def next_delay(attempts: int, *, jitter: float, retry_after: str | None = None) -> timedelta | None:
    """How long to wait after `attempts` ≥ 1 failed attempts, or None when it was the last.

    `jitter` from 0 to 1 spreads the delay by up to 20 % beyond its value. A `Retry-After` in whole seconds is honoured
    up to a day, but never shortens the wait; dates and nonsense in it are ignored.
    """
    if attempts > len(DELAYS_S):
        return None
    seconds = DELAYS_S[attempts - 1] * (1 + JITTER * jitter)
    if retry_after is not None and re.fullmatch(r"[0-9]{1,9}", retry_after):
        seconds = max(seconds, min(int(retry_after), LONGEST_RETRY_AFTER_S))
    return timedelta(seconds=seconds)
