"""The end of a replay: every event has reached its endpoint, or what has not is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from kit import clock, ids
from kit.db import Session
from kit.terminal import Desk
from ops.replay.days import Tick
from ops.replay.retries import retrying
from partners import accounts
from webhooks import deliveries, endpoints
from webhooks.deliveries import Delivery, Progress

TIMEOUT_S = 180.0  # without a single delivery
LOOK_EVERY_S = 0.2
RETRY_EVERY_S = 5.0
MOST_NAMED = 100  # of an endpoint


@dataclass(frozen=True)
class Missing:
    """A webhook that was not delivered: `reason` is what came of its last attempt."""

    brand: str
    delivery_id: str
    event_type: str
    attempts: int
    reason: str


class Webhooks:
    """The deliveries to the endpoints of a replay, by brand."""

    def __init__(self, desk: Desk, endpoint_ids: Mapping[str, str]) -> None:
        self._desk = desk
        self._endpoints = {code: ids.parse(ids.ENDPOINT, shown) for code, shown in endpoint_ids.items()}

    async def retry_now(self) -> None:
        """Bring forward whatever waits for its next turn, which may be hours away."""
        await retrying(self._retry_all)

    async def all_delivered(self, tick: Tick) -> tuple[int, int]:
        """Wait until all is delivered, or nothing more is for TIMEOUT_S; how many events are, and how many are not."""
        loop = asyncio.get_running_loop()
        give_up_at = retry_at = loop.time()
        most = -1
        while (stands := await retrying(self._progress)).missing:
            if stands.delivered > most:
                most, give_up_at = stands.delivered, loop.time() + TIMEOUT_S
            if loop.time() >= give_up_at:
                break
            if loop.time() >= retry_at:
                # Again and again: an attempt that was under way the last time may have failed since.
                await self.retry_now()
                retry_at = loop.time() + RETRY_EVERY_S
            tick(0, f"{stands.missing} webhooks to go")
            await asyncio.sleep(LOOK_EVERY_S)
        return stands.delivered, stands.missing

    async def missing(self) -> list[Missing]:
        """What is not delivered, at most MOST_NAMED of each endpoint's failed and of its pending ones."""
        return await retrying(self._missing)

    def _retry_all(self) -> None:
        with self._desk.database.transaction() as session:
            deliveries.retry_all(session, endpoint_ids=list(self._endpoints.values()), now=clock.now())

    def _progress(self) -> Progress:
        with self._desk.database.transaction() as session:
            return deliveries.progress(session, endpoint_ids=list(self._endpoints.values()))

    def _missing(self) -> list[Missing]:
        with self._desk.database.transaction() as session:
            return [
                _named(session, brand, partner_id, delivery)
                for brand, endpoint_id in self._endpoints.items()
                for partner_id in [accounts.by_code(session, brand).partner_id]
                for state in ("failed", "pending")
                for delivery in deliveries.of_endpoint(
                    session, endpoint_id=endpoint_id, partner_id=partner_id, state=state, limit=MOST_NAMED
                )
            ]


def _named(session: Session, brand: str, partner_id: UUID, delivery: Delivery) -> Missing:
    shown = ids.show(ids.DELIVERY, delivery.delivery_id)
    endpoint = endpoints.get(session, endpoint_id=delivery.endpoint_id, partner_id=partner_id)
    if endpoint.status != "enabled":
        reason = "the delivery's endpoint is disabled"
    else:
        attempts = deliveries.get(session, delivery_id=delivery.delivery_id, partner_id=partner_id).attempts
        last = attempts[-1] if attempts else None
        reason = "no attempt yet" if last is None else last.error or f"{last.outcome}, status {last.status_code}"
    return Missing(brand, shown, delivery.event_type, delivery.attempts_made, reason)
