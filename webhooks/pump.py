"""The pump: one asyncio loop that fans out, claims, sends and completes, for about four minutes; then a fresh process.

One transaction a turn does all the database's work; nothing is open while HTTP runs. The doorbell only shortens the
wait: every half second the pump looks by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter as Counts
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

import redis.asyncio
from redis.exceptions import RedisError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from coalition import programme
from kit import clock, logs, metrics, nudge
from kit.db import Database, reach_rows_by_key
from kit.errors import Unavailable
from kit.metrics import Counter, Histogram, Meter
from kit.secrets import Keyring
from kit.settings import Settings
from webhooks import deliveries, mischief, places
from webhooks.addresses import LOOPBACK
from webhooks.deliveries import Claim, Result
from webhooks.fan_out import fan_out
from webhooks.places import Free, Places
from webhooks.sender import Sender, cancelled

log = logging.getLogger("webhooks.pump")
P = ParamSpec("P")
R = TypeVar("R")

RUN_S = 240.0
POLL_S = 0.5
GATHER_S = 0.01  # let a few events or completions come together before the next turn
ATTEMPTS = Counter("coalition_webhook_attempts_total", "Attempts: succeeded, failed, given_up for good", ("outcome",))
SECONDS = Histogram(
    "coalition_webhook_attempt_duration_seconds", "Attempts, until the receiver answered or didn't",
    bounds=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0),
)  # fmt: skip
EVENTS = Counter("coalition_events_total", "Events committed, counted as each gets its place in the feed", ("type",))
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('webhooks.pump', 0))"


@dataclass(frozen=True)
class Turn:
    """What one turn found: how many events of each type were fanned out, and what to send."""

    fanned_out: Counts[str]
    claims: list[Claim]


class Pump:
    """Delivers until its time is over, `stop` is called, or its parent or the database's lock is gone."""

    def __init__(self, settings: Settings, database: Database, keyring: Keyring, *, redis_url: str) -> None:
        self._database = database
        self._keyring = keyring
        self._redis_url = redis_url
        self._meter = Meter(redis_url, key=metrics.key(keyring))
        self._timeout_s = settings.webhook_timeout_s
        self._allowed = settings.webhook_allowed_networks
        self._is_demo = False
        self._is_sandbox = keyring.realm == "test"
        self._sending: dict[asyncio.Task[None], Claim] = {}
        self._places = Places()
        self._turns = ThreadPoolExecutor(1, "pump")
        self._results: list[Result] = []
        self._stopping = False
        self._wake = asyncio.Event()

    def run(self, *, run_s: float = RUN_S) -> bool:
        """Pump for `run_s` seconds; False at once when another pump holds the lock."""
        with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as lock:
            lock.detach()  # closed for good at the end, and the lock with it: a pool would keep both
            if not lock.scalar(text(_LOCK)):
                return False
            with self._database.transaction() as session:
                reach_rows_by_key(session)
                deliveries.release_claims(session, now=clock.now())
            asyncio.run(self._pump(lock, time.monotonic() + run_s))
        self._meter.flush()
        return True

    def stop(self) -> None:
        """Claim nothing more, finish what is being sent, then return from `run`."""
        self._stopping = True
        self._wake.set()

    async def _pump(self, lock: Connection, until: float) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(RuntimeError, ValueError):  # not in the main thread: the caller stops us
                loop.add_signal_handler(number, self.stop)
        # For resolving names, of which each may take its time; by itself the loop has as few as there are cores.
        loop.set_default_executor(ThreadPoolExecutor(places.IN_ALL, "names"))
        parent = os.getppid()
        doorbell = asyncio.create_task(self._listen())
        async with Sender(keyring=self._keyring, timeout_s=self._timeout_s, allowed=lambda: self._allowed) as sender:
            while not self._stopping and time.monotonic() < until and os.getppid() == parent:
                if not await self._in_thread(_still_held, lock):
                    logs.event(log, "the pump's lock is lost", level=logging.WARNING)
                    break
                await self._turn(sender)
            while self._sending:
                await asyncio.wait(self._sending)
            await self._turn(sender, claiming=False)
        await cancelled(doorbell)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        # Not among the threads that resolve names: a name server that never answers would hold up the database.
        return await asyncio.get_running_loop().run_in_executor(self._turns, partial(work, *args, **kwargs))

    async def _turn(self, sender: Sender, *, claiming: bool = True) -> None:
        results, self._results = self._results, []
        try:
            # Counted here: in the other thread, attempts would end while they are counted.
            free = self._places.free((claim.endpoint_id, claim.partner_id) for claim in self._sending.values())
            turn = await self._in_thread(self._database_turn, results, free if claiming else None)
        except Unavailable as error:
            logs.event(log, "the database is away", level=logging.WARNING, code=error.code)
            self._results = results + self._results
            await asyncio.sleep(POLL_S)
            return
        for type_, number in turn.fanned_out.items():
            self._meter.count(EVENTS, type_, by=number)
        for claim in turn.claims:
            task = asyncio.create_task(self._send(sender, claim))
            self._sending[task] = claim
            task.add_done_callback(self._sending.pop)
        if claiming and not turn.fanned_out and not turn.claims:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            await asyncio.sleep(GATHER_S)
        self._wake.clear()

    def _database_turn(self, results: list[Result], free: Free | None) -> Turn:
        now = clock.now()
        with self._database.transaction() as session:
            reach_rows_by_key(session)
            deliveries.complete(session, results, now=now)
            if free is None:
                return Turn(Counts(), [])
            fanned_out = fan_out(session, now=now, keyring=self._keyring)
            claims = deliveries.claim(session, now=now, free=free)
            if claims and not self._is_demo and programme.get(session).is_demo:
                # Nobody's real money: a demo's receivers live on this machine. It may have become one just now.
                self._is_demo = True
                self._allowed += LOOPBACK
        return Turn(fanned_out, claims)

    async def _send(self, sender: Sender, claim: Claim) -> None:
        result = await (mischief.send(sender, claim) if self._is_sandbox else sender.send(claim))
        # Only now: the list that stood there before the await has been written down and is gone.
        self._results.append(result)
        self._places.answered(claim.endpoint_id, took_ms=result.duration_ms, succeeded=result.succeeded)
        self._meter.observe(SECONDS, result.duration_ms / 1000)
        self._meter.count(ATTEMPTS, "succeeded" if result.succeeded else "failed" if result.retry_in else "given_up")
        self._wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with (
                    redis.asyncio.Redis.from_url(self._redis_url) as client,
                    client.pubsub() as doorbell,
                ):
                    await doorbell.subscribe(nudge.channel(self._keyring))
                    async for _ in doorbell.listen():
                        self._wake.set()
            except (RedisError, OSError):
                await asyncio.sleep(1.0)


def _still_held(lock: Connection) -> bool:
    try:
        lock.execute(text("SELECT 1"))
    except DBAPIError:
        return False
    return True
