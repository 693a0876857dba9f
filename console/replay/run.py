"""The replay: receipts in time order through the API, a test clock that follows, a settlement each midnight.

The result depends on the file alone: receipts of one card go one after the other, days are apart, everything is
idempotent. So any process may be killed at any moment, and the replay itself interrupted and run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TypeVar
from uuid import UUID

from coalition import programme
from coalition.programme import Programme
from console.replay import setup
from console.replay.client import PartnerClient, Refused, open_http
from console.replay.receipts import Problem, Receipt, ReceiptFile
from console.replay.receiver import Receiver
from console.replay.till import Till
from kit import clock, ids
from kit.errors import Conflict, Unavailable
from kit.terminal import Desk
from settlement import nights, settled_days
from settlement.night_faults import NightFault
from webhooks import deliveries

DELIVERY_TIMEOUT_S = 180.0
SETTLE_ATTEMPTS = 120
RETRY_S = 1.0

Tick = Callable[[int, str], None]
T = TypeVar("T")


@dataclass
class Outcome:
    """What a replay did; the figures of the books are read from the books (console.replay.report)."""

    lines: int
    receipts: int
    problems: list[Problem]
    brands: list[str]
    events: int = 0
    verified: int = 0
    repeated: int = 0
    refused: int = 0


class DeliveriesOutstanding(Unavailable):
    """Webhooks were not all delivered in time; they go on being tried while the coalition is up."""

    code = "deliveries_outstanding"
    title = "Deliveries outstanding"


class NightFailed(Conflict):
    """A night of the replay could not be settled."""

    code = "night_failed"
    title = "Night failed"


async def replay(desk: Desk, *, url: str, file: ReceiptFile, concurrency: int, tick: Tick) -> Outcome:
    """Run `file` against the coalition at `url`; `tick(receipts, what)` reports progress.

    Raises ClockRefused, NoAnswer, NightFailed, NightDiffers, DeliveriesOutstanding.
    """
    outcome = Outcome(file.lines, len(file.receipts), list(file.problems), sorted({r.brand for r in file.receipts}))
    if not file.receipts:
        return outcome
    founded = await insist(lambda: setup.start_clock(desk, file.receipts[0].at))
    state = setup.load_state(desk, founded)
    since = file.receipts[0].at.date() - timedelta(days=1)
    await insist(lambda: setup.prepare_brands(desk, state, outcome.brands, since=since))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http(connections=concurrency))
        clients = {
            code: PartnerClient(http, url=url, client_id=kept.client_id, client_secret=kept.client_secret)
            for code, kept in state.brands.items()
        }
        receiver = await _receive(state, clients)
        stack.push_async_callback(receiver.stop)
        # What could not be delivered while no receiver was there need not wait for its next turn.
        endpoint_ids = [ids.parse(ids.ENDPOINT, kept.endpoint_id) for kept in state.brands.values()]
        await insist(lambda: _retry_now(desk, endpoint_ids))
        await _all_days(desk, founded, file.receipts, Till(clients), concurrency, outcome, tick)
        outcome.events = await _all_delivered(desk, endpoint_ids, tick)
        outcome.verified, outcome.repeated, outcome.refused = (
            len(receiver.seen),
            receiver.repeated,
            receiver.refused,
        )
    return outcome


async def _receive(state: setup.State, clients: dict[str, PartnerClient]) -> Receiver:
    """Receive for every brand there is, those of earlier files too: their points move on, and expire."""
    receiver = Receiver(port=state.receiver_port, journal=state.journal)
    port = await receiver.start()
    state.receiver_port = port
    state.save()
    for code, kept in state.brands.items():
        if not kept.endpoint_id:
            made = await clients[code].post("/v1/webhook-endpoints", {"url": f"http://127.0.0.1:{port}/{code}"})
            kept.endpoint_id, kept.endpoint_secret = made["endpoint_id"], made["secret"]
            state.save()
            await _disable_others(clients[code], made)
        receiver.trust(code, kept.endpoint_secret)
    return receiver


async def _disable_others(client: PartnerClient, made: dict[str, str]) -> None:
    """Silence endpoints at our address whose secret was lost with an answer, or with a replay that was killed."""
    for endpoint in (await client.get("/v1/webhook-endpoints"))["data"]:
        if endpoint["url"] == made["url"] and endpoint["endpoint_id"] != made["endpoint_id"]:
            await client.patch(f"/v1/webhook-endpoints/{endpoint['endpoint_id']}", {"status": "disabled"})


async def _all_days(
    desk: Desk,
    founded: Programme,
    receipts: list[Receipt],
    till: Till,
    concurrency: int,
    outcome: Outcome,
    tick: Tick,
) -> None:
    by_day = dict(_days(founded, receipts))
    clock_stands = founded.time(clock.now())
    day, last = min(by_day), max(by_day)
    # A file may begin days after the one before: nothing of it is posted before those are over, closed and settled.
    clock_stands = await _advance(desk, founded.ends_at(day - timedelta(days=1)), clock_stands)
    await insist(partial(_settle, desk, day - timedelta(days=1)))
    while day <= last:
        clock_stands = await _one_day(desk, by_day.get(day, []), till, concurrency, clock_stands, outcome, tick)
        clock_stands = await _advance(desk, founded.ends_at(day), clock_stands)
        tick(0, f"settling {day}")
        await insist(partial(_settle, desk, day))
        day += timedelta(days=1)


def _days(founded: Programme, receipts: list[Receipt]) -> Iterator[tuple[date, list[Receipt]]]:
    # A day is over when the clock in the coalition's zone says so.
    for day, group in groupby(receipts, lambda receipt: founded.day(receipt.at)):
        yield day, list(group)


async def _one_day(
    desk: Desk,
    receipts: list[Receipt],
    till: Till,
    concurrency: int,
    clock_stands: datetime,
    outcome: Outcome,
    tick: Tick,
) -> datetime:
    """Ring up a day's receipts, those of one card in order, up to `concurrency` cards at once."""
    places = asyncio.Semaphore(concurrency)
    latest: dict[str, asyncio.Task[None]] = {}

    async def ring_up(receipt: Receipt, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await before
            await till.ring_up(receipt)
        except Refused as refusal:
            reason = f"receipt {receipt.number}: {refusal.detail} ({refusal.problem_code})"
            outcome.problems.append(Problem(receipt.line, reason))
        finally:
            places.release()
        tick(1, "")

    async with asyncio.TaskGroup() as group:
        for receipt in receipts:
            await places.acquire()
            clock_stands = await _advance(desk, receipt.at, clock_stands)
            latest[receipt.card] = group.create_task(ring_up(receipt, latest.get(receipt.card)))
    return clock_stands


async def _advance(desk: Desk, to: datetime, clock_stands: datetime) -> datetime:
    if to <= clock_stands:
        return clock_stands

    def set_clock() -> None:
        with desk.database.transaction() as session:
            if to > programme.get(session).time(to):
                programme.set_test_clock(session, to=to)

    await insist(set_clock)
    return to


def _settle(desk: Desk, day: date) -> None:
    """Settle what is over; `day` itself also when it was settled before, which must then come out the same."""
    for night in nights.run_due(desk.database, now=clock.now(), keyring=desk.keyring):
        if isinstance(night, NightFault):
            raise NightFailed(f"the night of {night.day} failed: {night.detail} ({night.code})")
    with desk.database.transaction() as session:
        was_settled = settled_days.is_settled(session, day)
    if was_settled:
        nights.run(desk.database, day=day, now=clock.now(), keyring=desk.keyring)


async def insist(step: Callable[[], T]) -> T:
    """Do `step` in a thread, again while the database is away: it is idempotent. Raises Unavailable in the end."""
    for _ in range(SETTLE_ATTEMPTS - 1):
        try:
            return await asyncio.to_thread(step)
        except Unavailable:
            await asyncio.sleep(RETRY_S)
    return await asyncio.to_thread(step)


def _retry_now(desk: Desk, endpoint_ids: list[UUID]) -> None:
    with desk.database.transaction() as session:
        deliveries.retry_all(session, endpoint_ids=endpoint_ids, now=clock.now())


async def _all_delivered(desk: Desk, endpoint_ids: list[UUID], tick: Tick) -> int:
    """Wait until every event has reached its endpoint; returns how many there were."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DELIVERY_TIMEOUT_S
    most = -1
    while loop.time() < deadline:
        try:
            stands = await asyncio.to_thread(_progress, desk, endpoint_ids)
        except Unavailable:
            await asyncio.sleep(RETRY_S)
            continue
        if not (stands.waiting or stands.pending or stands.failed):
            return stands.delivered
        tick(0, f"{stands.waiting + stands.pending} webhooks to go")
        if stands.delivered > most:
            most, deadline = stands.delivered, loop.time() + DELIVERY_TIMEOUT_S
        if stands.failed:
            await insist(lambda: _retry_now(desk, endpoint_ids))
        await asyncio.sleep(0.2)
    raise DeliveriesOutstanding(f"nothing was delivered for {DELIVERY_TIMEOUT_S:.0f} s, and not all is")


def _progress(desk: Desk, endpoint_ids: list[UUID]) -> deliveries.Progress:
    with desk.database.transaction() as session:
        return deliveries.progress(session, endpoint_ids=endpoint_ids)
