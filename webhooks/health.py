"""How an endpoint does: when its breaker opens, when its partner is warned, and when it is disabled.

Pure rules of values; webhooks.queue keeps them in `webhooks.endpoint_state`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

BREAKER_AFTER = 5  # attempts in a row that failed
PROBE_AFTER = timedelta(seconds=30)  # doubled with each probe that fails
PROBE_AT_MOST = timedelta(minutes=15)
DISABLED_AFTER = timedelta(hours=72)  # of nothing but failures: about as long as one delivery is tried
WARNED_AT = (50, 80)  # per cent of the way there


@dataclass(frozen=True)
class Health:
    """Attempts that failed in a row, since when, at which per cent the partner was last warned, and the next probe."""

    failures: int = 0
    failing_since: datetime | None = None
    warned: int = 0
    probe_at: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of an endpoint: its health, and what its partner has to be told, if anything."""

    health: Health
    warn: int | None = None
    disable: bool = False
    recovered: bool = False


def after_failures(health: Health, number: int, *, now: datetime, probed: bool = False) -> Verdict:
    """The verdict after `number` more attempts failed in a row; `probed` says that the probe is among them.

    However many were in flight together, they open the breaker once: until it closes, a probe alone counts.
    """
    is_open = health.failures >= BREAKER_AFTER
    if is_open and not probed:
        return Verdict(health)
    failures = health.failures + 1 if is_open else min(health.failures + number, BREAKER_AFTER)
    since, probe_at = health.failing_since or now, None
    if failures >= BREAKER_AFTER:
        doubled = min(failures - BREAKER_AFTER, 10)  # beyond it, it is the longest anyway
        probe_at = now + min(PROBE_AFTER * 2**doubled, PROBE_AT_MOST)
    known = replace(health, failures=failures, failing_since=since, probe_at=probe_at)
    done = 100 * (now - since) / DISABLED_AFTER
    if done >= 100 and health.warned:  # who is tried rarely is warned first, however late
        return Verdict(known, disable=True)
    due = max((mark for mark in WARNED_AT if done >= mark), default=0)
    if due > health.warned:
        return Verdict(replace(known, warned=due), warn=due)
    return Verdict(known)


def after_success(health: Health) -> Verdict:
    """The verdict after an attempt succeeded: who was warned of failures hears that they are over."""
    return Verdict(Health(), recovered=health.warned > 0)


def disabled_at(failing_since: datetime) -> datetime:
    """When an endpoint that goes on failing is disabled."""
    return failing_since + DISABLED_AFTER
