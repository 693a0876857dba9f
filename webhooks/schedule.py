"""When a delivery is tried again: a pure function of what happened so far."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

MINUTE, HOUR = 60, 3600
# Seconds to wait after the first, second, … failed attempt; after the last the delivery has failed.
DELAYS_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_RETRY_AFTER_S = 24 * HOUR


LONGEST_HEADER = 40


def next_delay(attempts: int, *, now: datetime, jitter: float, retry_after: str | None = None) -> timedelta | None:
    """How long to wait after `attempts` ≥ 1 failed attempts, or None when it was the last.

    `jitter` from 0 to 1 spreads the delay by up to 20 % beyond its value. A `Retry-After` (RFC 9110 §10.2.3), whole
    seconds or a date, is honoured up to a day from `now`, but never shortens the wait; nonsense in it is ignored.
    """
    if attempts > len(DELAYS_S):
        return None
    seconds = DELAYS_S[attempts - 1] * (1 + JITTER * jitter)
    asked = _seconds(retry_after, now) if retry_after is not None else 0
    return timedelta(seconds=max(seconds, min(asked, LONGEST_RETRY_AFTER_S)))


def _seconds(retry_after: str, now: datetime) -> float:
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return int(retry_after)
    if len(retry_after) > LONGEST_HEADER or not retry_after.isascii():
        return 0
    try:
        until = parsedate_to_datetime(retry_after)
        return (until - now).total_seconds() if until.tzinfo else 0
    except (ValueError, OverflowError):
        return 0
