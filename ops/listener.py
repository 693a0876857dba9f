"""A partner's events, read from the API as they come and posted to a receiver on somebody's machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.certify.receiver import Endpoint
from ops.replay.client import PartnerClient
from webhooks.connections import Answer

PER_PAGE = 100
POLL_S = 1.0
WAITS_S = (0.2, 1.0)  # before an event is posted again
SERVER_FAULTS = 500


@dataclass(frozen=True)
class Forwarded:
    """What the receiver said to one event, at the last of `tries` attempts."""

    event_id: str
    type: str
    status: int | None
    error: str | None
    tries: int
    duration_ms: int

    @property
    def said(self) -> str:
        """It for people."""
        again = f", at attempt {self.tries}" if self.tries > 1 else ""
        return f"{self.error or self.status} after {self.duration_ms} ms{again}"


async def listen(
    client: PartnerClient, target: Endpoint, *, query: Mapping[str, str], tell: Callable[[Forwarded], None]
) -> None:
    """Post every event that `query` begins with and all that follow, one after the other, and tell of each; never ends.

    An event that isn't taken is tried a few times and then left behind. Raises Refused, NoAnswer.
    """
    asked = dict(query)
    while True:
        page = await client.get("/v1/events", limit=str(PER_PAGE), **asked)
        for event in page["data"]:
            tell(await _forward(target, event))
        asked.pop("since", None)
        asked["cursor"] = page["next_cursor"]
        if not page["has_more"]:
            await asyncio.sleep(POLL_S)


async def _forward(target: Endpoint, event: Mapping[str, Any]) -> Forwarded:
    answer = await target.send(event)
    tries = 1
    for wait_s in WAITS_S:
        if not _is_worth_another(answer):
            break
        await asyncio.sleep(wait_s)
        answer = await target.send(event)
        tries += 1
    return Forwarded(event["id"], event["type"], answer.status, answer.error, tries, answer.duration_ms)


def _is_worth_another(answer: Answer) -> bool:
    return answer.status is None or answer.status >= SERVER_FAULTS
