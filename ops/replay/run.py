"""The replay: receipts in time order through the API, a test clock that follows, a settlement each midnight.

The result depends on the file alone: receipts that move the same points go one after the other (ops.replay.order),
days are apart, everything is idempotent. So any process may be killed at any moment, and the replay itself interrupted
and run again.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from kit.terminal import Desk
from ops.replay import setup
from ops.replay.client import PartnerClient, open_http
from ops.replay.days import Days, Tick
from ops.replay.receipts import Problem, ReceiptFile
from ops.replay.receiver import Receiver
from ops.replay.retries import retrying
from ops.replay.till import Till
from ops.replay.webhooks import Missing, Webhooks


@dataclass
class Outcome:
    """What a replay did; the figures of the books are read from the books (ops.replay.report).

    Of `events` that were delivered and those `undelivered` when it gave up waiting, some of the latter named.
    """

    lines: int
    receipts: int
    problems: list[Problem]
    brands: list[str]
    events: int = 0
    undelivered: int = 0
    missing: list[Missing] = field(default_factory=list)
    verified: int = 0
    repeated: int = 0
    refused: int = 0


async def replay(desk: Desk, *, url: str, file: ReceiptFile, concurrency: int, tick: Tick) -> Outcome:
    """Run `file` against the coalition at `url`; `tick(receipts, what)` reports progress.

    Raises ClockRefused, NoAnswer, RunFailed, RunDiffers.
    """
    outcome = Outcome(file.lines, len(file.receipts), list(file.problems), sorted({r.brand for r in file.receipts}))
    if not file.receipts:
        return outcome
    founded = await retrying(lambda: setup.start_clock(desk, file.receipts[0].at))
    state = setup.load_state(desk, founded)
    since = file.receipts[0].at.date() - timedelta(days=1)
    brands = await retrying(lambda: setup.prepare_brands(desk, state, outcome.brands, since=since))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http(connections=concurrency))
        clients = {
            code: PartnerClient(http, url=url, client_id=kept.client_id, client_secret=kept.client_secret)
            for code, kept in state.brands.items()
        }
        receiver = await _receive(state, clients)
        stack.push_async_callback(receiver.stop)
        # What could not be delivered while no receiver was there need not wait for its next turn.
        webhooks = Webhooks(desk, {code: kept.endpoint_id for code, kept in state.brands.items()})
        await webhooks.retry_now()
        partners = {code: partner.partner_id for code, partner in brands.items()}
        days = Days(
            desk, founded, Till(clients),
            partners=partners, concurrency=concurrency, problems=outcome.problems, tick=tick,
        )  # fmt: skip
        await days.ring_up(file.receipts)
        outcome.problems.sort(key=lambda problem: problem.line)
        outcome.events, outcome.undelivered = await webhooks.all_delivered(tick)
        outcome.missing = await webhooks.missing() if outcome.undelivered else []
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
