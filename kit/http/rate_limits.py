"""How much a client may ask, by kind of request: one budget for all web processes, leased from Redis in slices.

The budget is a token bucket kept as the one number of GCRA (the "virtual scheduling" of ITU-T I.371): the time at which
it would be full again. A process doesn't ask Redis for every request: it takes a slice, the larger the busier the
client is, and counts that down by itself. What a slice holds has left the budget, so all processes together never
admit more than the budget allows; what is left of a slice after a second is forfeited. Redis holds no truth: when it
doesn't answer, everybody is let in.

Answers carry `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any, cast

import redis
from flask import Flask, Response, current_app, request
from redis.commands.core import Script

from kit import logs
from kit.errors import LimitReached
from kit.http import context, exchange
from kit.http.services import services
from kit.metrics import Counter
from kit.secrets import Keyring
from kit.settings import Settings

log = logging.getLogger(__name__)
SOCKET_TIMEOUT_S = 0.25
SILENCE_AFTER_FAILURE_S = 1.0
SAY_SO_EVERY_S = 60.0
LEASE_S = 1.0
SLICES_PER_S = 20  # the largest slice is a twentieth of what a second allows
MOST_LEASES = 20_000
LONGEST_REFUSAL_S = 1.0
BURST_S = 2  # so many seconds' worth may come at once
STRICT_BURST_S = 5
_NAME = "coalition.rate_limits"
LIMITED = Counter("coalition_rate_limited_total", "Requests refused for being too many", ("policy",))


class RateLimited(LimitReached):
    code, title = "rate_limited", "Too many requests"
    description = (
        "You sent too many requests of one kind. `policy` names the limit, and `retry_after_s` is when it allows the "
        "next request."
    )
    remedy = (
        "Try again in a moment. A program waits for the number of seconds in Retry-After and spreads its requests over "
        "time."
    )
    facts = ("policy", "retry_after_s")


@dataclass(frozen=True)
class Policy:
    """So many a second in the long run, and `burst` at once."""

    name: str
    per_s: int
    burst: int

    @property
    def header(self) -> str:
        """The policy as a structured field: quota and window."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.per_s)}'

    def scaled(self, percent: int) -> Policy:
        """The policy for a client that was granted `percent` of what is usual."""
        return replace(self, per_s=max(1, self.per_s * percent // 100), burst=max(1, self.burst * percent // 100))


@dataclass(frozen=True)
class Policies:
    """The limits of one coalition."""

    reads: Policy
    writes: Policy
    lookups: Policy
    oauth: Policy
    oauth_address: Policy

    def scaled(self, percent: int) -> Policies:
        """All that count by client, at `percent` of what is usual."""
        if percent == 100:
            return self
        return replace(
            self,
            reads=self.reads.scaled(percent),
            writes=self.writes.scaled(percent),
            lookups=self.lookups.scaled(percent),
        )


def policies(settings: Settings) -> Policies:
    """The limits that `settings` say.

    Looking people up by what somebody may guess, and signing in, are held short; postings are not. Several clients may
    stand behind one address, so an address gets four times what one client does.
    """
    oauth = settings.rate_limit_oauth_per_s
    return Policies(
        reads=Policy("reads", settings.rate_limit_reads_per_s, settings.rate_limit_reads_per_s * BURST_S),
        writes=Policy("writes", settings.rate_limit_writes_per_s, settings.rate_limit_writes_per_s * BURST_S),
        lookups=Policy(
            "lookups", settings.rate_limit_lookups_per_s, settings.rate_limit_lookups_per_s * STRICT_BURST_S
        ),
        oauth=Policy("oauth", oauth, oauth * STRICT_BURST_S),
        oauth_address=Policy("oauth-address", oauth * 4, oauth * 4 * STRICT_BURST_S),
    )


# Time is Redis's own, in microseconds, so that processes whose clocks differ share one budget. Numbers are written
# with all their digits: Lua would round them to fourteen.
_SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local room = math.floor((now + burst * interval - full_at) / interval)
local granted = math.max(0, math.min(room, wanted))
if granted == 0 then
    return {0, 0, math.ceil(full_at + interval - now - burst * interval)}
end
full_at = full_at + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
return {granted, room - granted, 0}
"""

# What was done already is counted, beyond the budget too; answers when half of it is free again.
_CHARGE = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, burst, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + count * interval
if count > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
end
return math.max(0, math.ceil(full_at - now - burst * interval / 2))
"""


@dataclass
class _Lease:
    """What this process may still admit for one client; `room` is what is left in the budget besides."""

    left: int = 0
    room: int = 0
    size: int = 1
    ends: float = 0.0
    refused_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Limiter:
    """The budgets of one coalition, whose keys in Redis begin with `prefix`."""

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        client = redis.Redis.from_url(
            redis_url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._charge = client.register_script(_CHARGE)
        self._prefix = prefix
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._silent_until = 0.0
        self._said_at = -SAY_SO_EVERY_S

    def take(self, policy: Policy, key: str) -> int:
        """Admit one request of `key` under `policy`; how many more may follow at once. Raises RateLimited."""
        lease = self._leases.get((policy.name, key))
        if lease is None:
            if len(self._leases) >= MOST_LEASES:
                self._leases.clear()  # what they held is forfeited, as it would be after a second
            lease = self._leases.setdefault((policy.name, key), _Lease())
        with lease.lock:
            now = time.monotonic()
            if lease.left == 0 or now >= lease.ends:
                self._renew(lease, policy, key, now)
            lease.left -= 1
            return lease.left + lease.room

    def charge(self, policy: Policy, key: str, count: int) -> float:
        """Count `count` requests of `key` that were let in without asking; the seconds until half its budget is free.

        For work that can wait: it leaves the other half to what can't. 0.0 where Redis doesn't answer.
        """
        interval_us = 1_000_000 / policy.per_s
        wait_us = self._run(self._charge, policy, key, [interval_us, policy.burst, count])
        return 0.0 if wait_us is None else cast(int, wait_us) / 1_000_000

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _renew(self, lease: _Lease, policy: Policy, key: str, now: float) -> None:
        if now < lease.refused_until:
            raise _refusal(policy, lease.refused_until - now)
        used_up = lease.left == 0 and now < lease.ends
        lease.size = min(lease.size * 2, max(1, policy.per_s // SLICES_PER_S)) if used_up else 1
        granted, lease.room, wait_us = self._ask(policy, key, lease.size)
        lease.left, lease.ends = granted, now + LEASE_S
        if granted == 0:
            lease.refused_until = now + min(wait_us / 1_000_000, LONGEST_REFUSAL_S)
            raise _refusal(policy, wait_us / 1_000_000)

    def _ask(self, policy: Policy, key: str, wanted: int) -> tuple[int, int, int]:
        """How many of `wanted` are granted, what is left then, and (granted none) the microseconds to the next."""
        answer = self._run(self._script, policy, key, [1_000_000 / policy.per_s, policy.burst, wanted])
        if answer is None:
            return (policy.burst, policy.burst, 0)
        granted, room, wait_us = cast(tuple[int, int, int], tuple(answer))
        return granted, room, wait_us

    def _run(self, script: Script, policy: Policy, key: str, args: list[float]) -> Any:
        """What Redis answers; None while it doesn't."""
        now = time.monotonic()
        if now < self._silent_until:
            return None
        try:
            return script(keys=[f"{self._prefix}:{policy.name}:{key}"], args=args)
        except (redis.RedisError, OSError) as error:
            self._silent_until = now + SILENCE_AFTER_FAILURE_S
            if now - self._said_at >= SAY_SO_EVERY_S:
                self._said_at = now
                logs.event(
                    log,
                    "redis does not answer: requests are let in unlimited",
                    level=logging.WARNING,
                    error=type(error).__name__,
                )
            return None


def _refusal(policy: Policy, wait_s: float) -> RateLimited:
    return RateLimited(
        f"more than {policy.per_s} {policy.name} requests a second, or {policy.burst} at once",
        policy=policy.name,
        retry_after_s=max(1, math.ceil(wait_s)),
    )


def key_prefix(keyring: Keyring) -> str:
    """What one coalition's budgets are called in Redis, so that two on one server don't share them."""
    return f"coalition:{keyring.fingerprint(purpose='rate limit', value='').hex()[:16]}:rate"


def install(app: Flask, limiter: Limiter, chosen: Policies) -> None:
    """Let `app` count with `limiter` by the limits `chosen`, and tell each client where it stands."""
    app.extensions[_NAME] = (limiter, chosen)
    app.after_request(_tell)


def usual() -> Policies:
    """The limits of a client that was granted nothing special."""
    return cast(tuple[Limiter, Policies], current_app.extensions[_NAME])[1]


def count(policy: Policy, key: str) -> None:
    """Count this request against `policy`; raises RateLimited."""
    here = exchange.of(request.environ)
    if (known := here.recall()) is not None:
        _stand(known)
        return
    limiter = cast(tuple[Limiter, Policies], current_app.extensions[_NAME])[0]
    try:
        left = (policy, limiter.take(policy, key))
        _stand(left)
        here.count(left)
    except RateLimited:
        _stand((policy, 0))
        services().meter.count(LIMITED, policy.name)
        raise


def _stand(known: tuple[Policy, int]) -> None:
    policy, left = known
    reset_s = math.ceil((policy.burst - left) / policy.per_s)
    told = f'"{policy.name}";r={left};t={max(0, reset_s)}'
    context.change(rate_limit={"RateLimit-Policy": policy.header, "RateLimit": told})


def _tell(response: Response) -> Response:
    response.headers.update(context.current().rate_limit)
    return response
