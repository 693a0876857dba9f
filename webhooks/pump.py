"""The pump: one asyncio loop that fans out, claims, sends and completes, for about four minutes; then a fresh process.

Two threads do the database's work, each in one transaction a turn: one completes and claims, the other gives events
their places and fans them out, if no other pump is at it. Nothing is open while HTTP runs. A wakeup only shortens the
wait: every half second the pump looks by itself.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import time
from collections import Counter as Counts
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar
from uuid import UUID

import redis.asyncio
from redis.exceptions import RedisError
from sqlalchemy import Connection

from coalition import programme
from kit import clock, logs, metrics, wakeup
from kit.db import Database, Session, reach_rows_by_key
from kit.errors import Unavailable
from kit.metrics import Counter, Histogram, Meter
from kit.secrets import Keyring
from kit.settings import Settings
from webhooks import backlogs, batches, notices, outcomes, places, queue, replaying, sandbox_faults, slots
from webhooks.addresses import LOOPBACK
from webhooks.fan_out import fan_out
from webhooks.outcomes import Notice
from webhooks.places import Free, Places
from webhooks.queue import Claim, Result
from webhooks.sender import Sender, cancelled, unsent
from webhooks.slots import Share
from webhooks.targets import Target, Targets

log = logging.getLogger("webhooks.pump")
P = ParamSpec("P")
R = TypeVar("R")

RUN_S = 240.0
POLL_S = 0.5
# Of wakeups that come close together some are left out: where something happened just now, more is about to.
AWAKE_S, AWAKE_POLL_S = 1.0, 0.02
GATHER_S = 0.005  # let a few events or completions come together before the next turn
ATTEMPTS = Counter(
    "coalition_webhook_attempts_total", "Attempts: succeeded, failed, given_up for good", ("outcome",),
    from_zero=("succeeded", "failed", "given_up"),
)  # fmt: skip
SECONDS = Histogram(
    "coalition_webhook_attempt_duration_seconds", "Attempts, until the receiver answered or didn't",
    bounds=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0),
)  # fmt: skip
EVENTS = Counter("coalition_events_total", "Events committed, counted as each gets its place in the feed", ("type",))
ENDS_WITHOUT_SLOW_S = 30.0  # the longest attempt
MOST_FAULTS = 5
SHARE_S = 1.0  # how often a pump looks which others are there
ASIDE_S, MOST_SET_ASIDE = 1.0, 2_000  # how often it sets aside what waits for endpoints that aren't enabled, how many
NOT_KEPT = "we could not keep what the receiver answered"
# Longer than the longest attempt and its completion. A pump that has not turned for so long ends with its process,
# which says where it hung; its slot is free with its connection.
HUNG_S = 120.0
STANDARD_ERROR = 2  # whatever stands in its place
PROBE_S = 1.0  # how often it tries, with one attempt, whether our own way out is open again


@dataclass(frozen=True)
class Turn:
    """What one turn found: what to send, and what became of endpoints."""

    messages: list[list[Claim]]
    notices: list[Notice]


class Pump:
    """Delivers until its time is over, `stop` is called, or its parent or its slot is gone."""

    def __init__(self, settings: Settings, database: Database, keyring: Keyring, *, redis_url: str) -> None:
        self._settings = settings
        self._database = database
        self._keyring = keyring
        self._redis_url = redis_url
        self._meter = Meter(redis_url, key=metrics.key(keyring))
        self._allowed = settings.webhook_allowed_networks
        self._is_demo = False
        self._is_sandbox = keyring.realm == "test"
        self._sending: dict[asyncio.Task[None], Claim] = {}
        self._places = Places(partner_rate_per_s=settings.webhook_partner_rate_per_s)
        self._targets = Targets()
        self._turns = ThreadPoolExecutor(1, "pump")
        self._sequencing = ThreadPoolExecutor(1, "sequencer")
        self._mailing = ThreadPoolExecutor(1, "mail")
        self._results: list[Result] = []
        self._stopping = self._is_ending = False
        self._faults = 0  # turns in a row that failed
        self._untellable: set[UUID] = set()  # events that this run passes over; the next tries them again
        self._slot, self._share, self._looked_at, self._set_aside_at = 0, Share(), -SHARE_S, -ASIDE_S
        self._shut_until: float | None = None  # our own way out, the proxy; a monotonic time
        self._wake = asyncio.Event()  # something is due, or came to its end
        self._committed = asyncio.Event()  # an event, somewhere

    def run(self, *, run_s: float = RUN_S, most: int = slots.MOST_SLOTS) -> bool:
        """Pump for `run_s` seconds; False at once when pumps hold all of the `most` slots."""
        with self._database.engine.connect() as lock:
            lock.detach()  # closed for good at the end, and the lock with it: a pool would keep both
            if (slot := slots.take(lock, most=most)) is None:
                return False
            self._slot = slot
            _is_alive()
            try:
                with self._database.transaction() as session:
                    reach_rows_by_key(session)
                    queue.release(session, slot=slot, now=clock.now())
                asyncio.run(self._pump(lock, time.monotonic() + run_s))
            finally:
                faulthandler.cancel_dump_traceback_later()
                for thread in (self._turns, self._sequencing, self._mailing):
                    thread.shutdown(cancel_futures=True)
                self._meter.close()
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
        beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._sequence())]
        timeout_s = self._settings.webhook_timeout_s
        proxy = self._settings.webhook_proxy
        async with Sender(
            keyring=self._keyring, timeout_s=timeout_s, allowed=lambda: self._allowed, proxy=proxy
        ) as sender:
            try:
                while not self._stopping and time.monotonic() < until and os.getppid() == parent:
                    if not await self._has_its_slot(lock):
                        logs.event(log, "the pump's slot is lost", level=logging.WARNING)
                        break
                    self._is_ending = time.monotonic() > until - ENDS_WITHOUT_SLOW_S
                    await self._turn(sender)
                while self._sending:  # written down as they end: whoever ends us sooner repeats only the rest
                    _is_alive()
                    await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
                    await self._turn(sender, claiming=False)
                await self._turn(sender, claiming=False)
            finally:
                for task in beside:
                    await cancelled(task)

    async def _sequence(self) -> None:
        """Fan out and carry out replays beside the turns, so that what is due is sent no later for it."""
        found_at = -AWAKE_S
        while True:
            self._committed.clear()
            try:
                fanned_out, replayed = await self._in_thread(self._sequencing, self._fan_out)
            except Unavailable:  # the turns tell
                fanned_out, replayed = Counts(), False
            except Exception:  # what is due is sent all the same
                log.exception("fan-out failed")
                fanned_out, replayed = Counts(), False
            for type_, number in fanned_out.items():
                self._meter.count(EVENTS, type_, by=number)
            if fanned_out or replayed:
                found_at = time.monotonic()
                self._wake.set()
            else:
                is_awake = time.monotonic() - found_at < AWAKE_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._committed.wait(), AWAKE_POLL_S if is_awake else POLL_S)
                await asyncio.sleep(GATHER_S)

    def _fan_out(self) -> tuple[Counts[str], bool]:
        now = clock.now()
        with self._database.transaction() as session:
            reach_rows_by_key(session)
            done = fan_out(session, now=now, keyring=self._keyring, untellable=self._untellable)
        # Each by itself: a replay that fails takes no event's place back, and waits for no one with deliveries locked.
        if time.monotonic() - self._set_aside_at >= ASIDE_S:
            self._set_aside_at = time.monotonic()
            with self._database.transaction() as session:
                reach_rows_by_key(session)
                backlogs.set_aside(session, now=now, most=MOST_SET_ASIDE)
        with self._database.transaction() as session:
            reach_rows_by_key(session)
            return done, replaying.advance(session, now=now)

    async def _has_its_slot(self, lock: Connection) -> bool:
        if time.monotonic() - self._looked_at < SHARE_S:
            return True
        self._looked_at = time.monotonic()
        found = await self._in_thread(self._turns, slots.share, lock, self._slot)
        self._share = found or self._share
        _is_alive()
        return found is not None

    async def _in_thread(
        self, thread: ThreadPoolExecutor, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        # Not among the threads that resolve names: a name server that never answers would hold up the database.
        return await asyncio.get_running_loop().run_in_executor(thread, partial(work, *args, **kwargs))

    async def _turn(self, sender: Sender, *, claiming: bool = True) -> None:
        results, self._results = self._results, []
        try:
            # Counted here: in the other thread, attempts would end while they are counted.
            in_flight = ((claim.endpoint_id, claim.partner_id) for claim in self._sending.values())
            free = self._places.free(in_flight, now_s=time.monotonic())
            turn = await self._in_thread(self._turns, self._database_turn, results, self._now(free, claiming))
        except Unavailable as error:
            logs.event(log, "the database is away", level=logging.WARNING, code=error.code)
            self._results = results + self._results
            await asyncio.sleep(POLL_S)
            return
        except Exception:
            self._faults += 1
            if self._faults > MOST_FAULTS:
                raise
            log.exception("a turn failed")
            await self._write_down(results)
            await asyncio.sleep(POLL_S)
            return
        self._faults = 0
        for claims in turn.messages:
            self._begin(sender, claims)
        for notice in turn.notices:
            logs.event(log, notice.type, partner_id=str(notice.partner_id), endpoint_id=str(notice.endpoint_id))
            self._mailing.submit(self._mail, notice)
        if claiming and not turn.messages:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            await asyncio.sleep(GATHER_S)
        self._wake.clear()

    async def _write_down(self, results: list[Result]) -> None:
        """Write down what came of attempts one by one, and of that which can't be written only whether it succeeded."""
        for result in results:
            error = None if result.succeeded else NOT_KEPT
            bare = replace(result, status_code=None, response=b"", remote_ip=None, error=error)
            for said in (result, bare):
                try:
                    await self._in_thread(self._turns, self._database_turn, [said], None)
                except Unavailable:
                    self._results.append(result)
                except Exception:  # noqa: BLE001 -- the others go on
                    logs.event(log, "a result can't be kept", level=logging.ERROR, event_id=result.claim.event_id)
                    continue
                break

    def _now(self, free: Free, claiming: bool) -> Free | None:
        """What may be claimed at this turn: while our own way out is shut, one attempt a second shows whether it is."""
        if self._is_ending:  # or the next pump would wait for those that keep us waiting
            free = replace(free, of_slow=0)
        if self._shut_until is None or not claiming:
            return free if claiming else None
        return replace(free, in_all=1) if not self._sending and time.monotonic() >= self._shut_until else None

    def _begin(self, sender: Sender, claims: list[Claim]) -> None:
        first = claims[0]
        target = self._targets[first.endpoint_id]
        self._places.began(
            endpoint_id=first.endpoint_id,
            partner_id=first.partner_id,
            rate_per_s=target.rate_per_s,
            now_s=time.monotonic(),
        )
        task = asyncio.create_task(self._send(sender, claims, target))
        self._sending[task] = first
        task.add_done_callback(self._sending.pop)

    def _database_turn(self, results: list[Result], free: Free | None) -> Turn:
        now = clock.now()
        with self._database.transaction() as session:
            reach_rows_by_key(session)
            notices = self._completed(session, results, now=now) if results else []
            if free is None:
                return Turn([], notices)
            claims = queue.claim(session, now=now, free=free, share=self._share, slot=self._slot)
            self._targets.ensure(session, {(claim.endpoint_id, claim.endpoint_version) for claim in claims})
            messages = [self._message(session, claim) for claim in claims]
            if claims and not self._is_demo and programme.get(session).is_demo:
                # Nobody's real money: a demo's receivers live on this machine. It may have become one just now.
                self._is_demo = True
                self._allowed += LOOPBACK
        return Turn(messages, notices)

    def _mail(self, notice: Notice) -> None:
        try:
            notices.send(notice, database=self._database, settings=self._settings)
        except Unavailable as error:
            logs.event(log, "mail not sent", level=logging.WARNING, reason=error.code)

    def _completed(self, session: Session, results: list[Result], *, now: datetime) -> list[Notice]:
        outcomes.hold(session, results)
        return outcomes.record(session, queue.complete(session, results, now=now), now=now)

    def _message(self, session: Session, claim: Claim) -> list[Claim]:
        size = self._targets[claim.endpoint_id].batch_size
        if claim.ordering_key is None or (size == 1 and claim.batch_id is None):
            return [claim]
        return batches.claim(session, claim, size=size, slot=self._slot)

    async def _send(self, sender: Sender, claims: list[Claim], target: Target) -> None:
        send = partial(sandbox_faults.send, sender) if self._is_sandbox else sender.send
        try:
            results = await send(claims, target)
        except Exception:  # of ours: it stops neither the others nor the schedule, at whose end the delivery has failed
            log.exception("a webhook can't be made: event %s", claims[0].event_id)
            results = unsent(claims, target)
        # Only now: the list that stood there before the await has been written down and is gone.
        self._results += results
        first = results[0]
        if first.is_ours and self._shut_until is None:
            logs.event(log, "webhooks can't get out", level=logging.ERROR, error=first.error)
        self._shut_until = time.monotonic() + PROBE_S if first.is_ours else None
        if not first.is_ours:
            self._places.answered(target.endpoint_id, took_ms=first.duration_ms, succeeded=first.succeeded)
        self._meter.observe(SECONDS, first.duration_ms / 1000)
        outcome = "succeeded" if first.succeeded else "failed" if first.retry_in else "given_up"
        self._meter.count(ATTEMPTS, outcome)
        self._wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with (
                    redis.asyncio.Redis.from_url(self._redis_url) as client,
                    client.pubsub() as subscription,
                ):
                    await subscription.subscribe(wakeup.channel(self._keyring))
                    async for _ in subscription.listen():
                        self._committed.set()
                        self._wake.set()
            except (RedisError, OSError):
                await asyncio.sleep(1.0)


def _is_alive() -> None:
    """End the process, with what each thread is at on its standard error, unless this is said again within HUNG_S."""
    faulthandler.dump_traceback_later(HUNG_S, exit=True, file=STANDARD_ERROR)
