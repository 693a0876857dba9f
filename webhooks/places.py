"""Who may have how many attempts in flight at once: by endpoint, by partner, and fewer for those that keep us waiting.

As in TCP: an endpoint begins with few places and gets twice as many for each quick answer; each slow one halves them.
Those that are left with one share a lane of their own, however many they are. Where an endpoint or a partner has a
rate, a token bucket of one second bounds what begins as well. Pure bookkeeping of one pump's run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

IN_ALL = 512
OF_PARTNER = 128
OF_ENDPOINT = 64
AT_FIRST = 2
SLOW_IN_ALL = 32
SLOW_MS = 5_000


@dataclass(frozen=True)
class Free:
    """What may be claimed now: places of those endpoints and partners that have not all of theirs, and of the slow.

    `of_replays` are those of an endpoint's places that replays may take: half of them stay free for what happens now.
    Who isn't named has AT_FIRST, or OF_PARTNER.
    """

    in_all: int
    of_slow: int
    of_endpoint: dict[UUID, int]
    of_replays: dict[UUID, int]
    of_partner: dict[UUID, int]
    slow: frozenset[UUID]


class TokenBucket:
    """What may begin: `rate_per_s` a second, and after a pause a second's worth at once."""

    def __init__(self, rate_per_s: int, *, now_s: float) -> None:
        self.rate_per_s = rate_per_s
        self._tokens, self._at = float(rate_per_s), now_s

    def left(self, now_s: float) -> int:
        """How many may begin at `now_s`, a monotonic time."""
        self._tokens = min(self._tokens + (now_s - self._at) * self.rate_per_s, float(self.rate_per_s))
        self._at = now_s
        return max(int(self._tokens), 0)

    def take(self) -> None:
        """One began; what began without asking is owed."""
        self._tokens -= 1


class Places:
    """How many places each endpoint has, by how it answered; `partner_rate_per_s` is every partner's, None: any."""

    def __init__(self, *, partner_rate_per_s: int | None = None) -> None:
        self._partner_rate = partner_rate_per_s
        self._of_endpoint: dict[UUID, int] = {}
        self._slow: set[UUID] = set()
        self._endpoint_buckets: dict[UUID, TokenBucket] = {}
        self._partner_buckets: dict[UUID, TokenBucket] = {}

    def began(self, *, endpoint_id: UUID, partner_id: UUID, rate_per_s: int | None, now_s: float) -> None:
        """Take the tokens of one attempt that begins at the monotonic time `now_s`."""
        _take(self._endpoint_buckets, endpoint_id, rate_per_s, now_s)
        _take(self._partner_buckets, partner_id, self._partner_rate, now_s)

    def answered(self, endpoint_id: UUID, *, took_ms: int, succeeded: bool) -> None:
        """Learn from one attempt; a quick failure says nothing."""
        has = self._of_endpoint.get(endpoint_id, AT_FIRST)
        if took_ms >= SLOW_MS:
            self._of_endpoint[endpoint_id] = max(has // 2, 1)
            if has <= AT_FIRST:
                self._slow.add(endpoint_id)
        elif succeeded:
            self._of_endpoint[endpoint_id] = min(has * 2, OF_ENDPOINT)
            self._slow.discard(endpoint_id)

    def free(self, in_flight: Iterable[tuple[UUID, UUID]], *, now_s: float = 0.0) -> Free:
        """What is free at the monotonic time `now_s` beside attempts `in_flight`, each an endpoint and its partner."""
        sent = list(in_flight)
        endpoints, partners = Counter(one for one, _ in sent), Counter(partner for _, partner in sent)
        tokens = {one: bucket.left(now_s) for one, bucket in self._endpoint_buckets.items()}
        of_rate = {one: bucket.left(now_s) for one, bucket in self._partner_buckets.items()}
        known = {*self._of_endpoint, *endpoints, *tokens}
        has = {one: self._of_endpoint.get(one, AT_FIRST) for one in known}
        of_endpoint = {one: max(has[one] - endpoints[one], 0) for one in known}
        return Free(
            in_all=IN_ALL - len(sent),
            of_slow=SLOW_IN_ALL - sum(endpoints[one] for one in self._slow),
            of_endpoint={one: min(free, tokens.get(one, free)) for one, free in of_endpoint.items()},
            of_replays={
                one: min(max(free - has[one] // 2, 0), tokens.get(one, free)) for one, free in of_endpoint.items()
            },
            of_partner={
                one: min(max(OF_PARTNER - partners[one], 0), of_rate.get(one, OF_PARTNER))
                for one in {*partners, *of_rate}
            },
            slow=frozenset(self._slow),
        )


def _take(buckets: dict[UUID, TokenBucket], one: UUID, rate_per_s: int | None, now_s: float) -> None:
    if rate_per_s is None:
        buckets.pop(one, None)
        return
    bucket = buckets.get(one)
    if bucket is None or bucket.rate_per_s != rate_per_s:
        bucket = buckets[one] = TokenBucket(rate_per_s, now_s=now_s)
    bucket.take()
