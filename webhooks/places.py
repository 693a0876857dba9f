"""Who may have how many attempts in flight at once: by endpoint, by partner, and fewer for those that keep us waiting.

As in TCP: an endpoint begins with few places and gets twice as many for each quick answer; each slow one halves them.
Those that are left with one share a lane of their own, however many they are. Pure bookkeeping of one pump's run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

IN_ALL = 256
OF_PARTNER = 64
OF_ENDPOINT = 32
AT_FIRST = 2
SLOW_IN_ALL = 32
SLOW_MS = 5_000


@dataclass(frozen=True)
class Free:
    """What may be claimed now: places of those endpoints and partners that have not all of theirs, and of the slow.

    Who isn't named has AT_FIRST, or OF_PARTNER.
    """

    in_all: int
    of_slow: int
    of_endpoint: dict[UUID, int]
    of_partner: dict[UUID, int]
    slow: frozenset[UUID]


class Places:
    """How many places each endpoint has, by how it answered."""

    def __init__(self) -> None:
        self._of_endpoint: dict[UUID, int] = {}
        self._slow: set[UUID] = set()

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

    def free(self, in_flight: Iterable[tuple[UUID, UUID]]) -> Free:
        """What is free beside the attempts `in_flight`, each an endpoint and its partner."""
        sent = list(in_flight)
        endpoints, partners = Counter(one for one, _ in sent), Counter(partner for _, partner in sent)
        known = {*self._of_endpoint, *endpoints}
        return Free(
            in_all=IN_ALL - len(sent),
            of_slow=SLOW_IN_ALL - sum(endpoints[one] for one in self._slow),
            of_endpoint={one: max(self._of_endpoint.get(one, AT_FIRST) - endpoints[one], 0) for one in known},
            of_partner={one: max(OF_PARTNER - busy, 0) for one, busy in partners.items()},
            slow=frozenset(self._slow),
        )
