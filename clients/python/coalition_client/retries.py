"""When a request may be sent again, and after how long: pure rules.

A request whose answer was lost may have been done. It is sent again only if that can't do it twice: it reads only, or
it carries an Idempotency-Key, the same on every attempt. Any other is sent again only where it surely was not done.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_RETRY_AFTER_S = 60.0
# A proxy's word for "no answer": it says as little about what was done as silence does.
GATEWAYS = frozenset((502, 503, 504))
NOT_BEGUN = frozenset((429,))


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a call goes on: so many attempts, and none begins after `give_up_after_s` seconds.

    The waits double from `first_wait_s` to `longest_wait_s`, each shortened by chance by up to half, so that tills
    which failed together do not come back together; a Retry-After is waited for in full.
    """

    attempts: int = 6
    give_up_after_s: float = 60.0
    first_wait_s: float = 0.25
    longest_wait_s: float = 8.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0


def wait_s(retry_policy: RetryPolicy, *, attempts_made: int, retry_after_s: float, chance: float) -> float:
    """Seconds until the next attempt; `chance` is between 0 and 1."""
    doubled = min(retry_policy.longest_wait_s, retry_policy.first_wait_s * 2.0 ** min(attempts_made - 1, 30))
    return max(doubled * (1 - chance / 2), min(retry_after_s, LONGEST_RETRY_AFTER_S))


def may_send_again(*, repeatable: bool, status: int | None, said_retryable: bool, was_sent: bool) -> bool:
    """Whether a request that failed may be sent again.

    `repeatable`: doing it twice does it once. `status` is None where no answer came; `said_retryable` is the problem
    document's own word; `was_sent` is False where no connection came about.
    """
    if status is None:
        return repeatable or not was_sent
    if status in NOT_BEGUN:
        return True
    return repeatable and (said_retryable or status in GATEWAYS)


def retry_after_s(header: str | None) -> float:
    """The seconds in a Retry-After header; 0 where there are none."""
    try:
        seconds = float(header or 0)
    except ValueError:  # a date, which the coalition never sends
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0
