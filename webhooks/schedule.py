"""When a delivery is tried again: a pure function of what happened so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

MINUTE, HOUR = 60, 3600
# Seconds to wait after the first, second, … failed attempt; after the last the delivery has failed.
DELAYS_S = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_RETRY_AFTER_S = 24 * HOUR


LONGEST_HEADER = 40
LEAP_SECOND = 60


def next_delay(
    attempts: int,
    *,
    now: datetime,
    jitter: float,
    retry_after: str | None = None,
    delays_s: Sequence[int] = DELAYS_S,
) -> timedelta | None:
    """How long to wait after `attempts` ≥ 1 failed attempts, or None when it was the last of the schedule `delays_s`.

    `jitter` from 0 to 1 spreads the delay by up to 20 % beyond its value. A `Retry-After` (RFC 9110 §10.2.3), whole
    seconds or a date, is honoured up to a day from `now`, but never shortens the wait; nonsense in it is ignored.
    """
    if attempts > len(delays_s):
        return None
    seconds = delays_s[attempts - 1] * (1 + JITTER * jitter)
    asked = _seconds(retry_after, now) if retry_after is not None else 0
    return timedelta(seconds=max(seconds, min(asked, LONGEST_RETRY_AFTER_S)))


def _seconds(retry_after: str, now: datetime) -> float:
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return int(retry_after)
    if len(retry_after) > LONGEST_HEADER or not retry_after.isascii():
        return 0
    if (found := parsedate_tz(retry_after)) is None:
        return 0
    year, month, day, hour, minute, second = found[:6]
    is_leap = second == LEAP_SECOND
    try:
        # Every form of a date is in GMT, also the one without a zone (RFC 9110 §5.6.7).
        until = datetime(year, month, day, hour, minute, second - is_leap, tzinfo=UTC)
        return (until - now).total_seconds() + is_leap - (found[9] or 0)
    except (ValueError, OverflowError):
        return 0
