"""The days of a file, one after the other: each is rung up, over, and settled before the next begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from uuid import UUID

from coalition import programme
from coalition.programme import Programme
from kit import audit_cli, clock
from kit.errors import Conflict
from kit.terminal import Desk
from ops.replay import order
from ops.replay.client import Refused
from ops.replay.order import Owner, Owners
from ops.replay.receipts import Problem, Receipt
from ops.replay.retries import retrying
from ops.replay.till import Till
from settlement import nightly, settled_days
from settlement.run_failures import RunFailure

Tick = Callable[[int, str], None]


class RunFailed(Conflict):
    code = "run_failed"
    title = "Settlement of a day failed"
    description = "The replay could not settle a day."
    remedy = "Run `coalition settlement status` to see what failed, fix it, and start the replay again."


class Days:
    """Rings up receipts at `till`, a day at a time, up to `concurrency` at once, and notes `problems`."""

    def __init__(
        self,
        desk: Desk,
        founded: Programme,
        till: Till,
        *,
        partners: Mapping[str, UUID],
        concurrency: int,
        problems: list[Problem],
        tick: Tick,
    ) -> None:
        self._desk = desk
        self._founded = founded
        self._till = till
        self._partners = partners
        self._places = asyncio.Semaphore(concurrency)
        self._problems = problems
        self._tick = tick
        self._clock_stands = founded.time(clock.now())

    async def ring_up(self, receipts: list[Receipt]) -> None:
        """Ring up all `receipts`, which stand in the order of their times, and settle their days."""
        by_day = dict(self._by_day(receipts))
        day, last = min(by_day), max(by_day)
        # A file may begin days after the one before: nothing of it is posted before those are over, closed and settled.
        await self._advance(self._founded.ends_at(day - timedelta(days=1)))
        await retrying(partial(self._settle, day - timedelta(days=1)))
        while day <= last:
            await self._one_day(by_day.get(day, []))
            await self._advance(self._founded.ends_at(day))
            self._tick(0, f"settling {day}")
            await retrying(partial(self._settle, day))
            day += timedelta(days=1)

    def _by_day(self, receipts: list[Receipt]) -> Iterator[tuple[date, list[Receipt]]]:
        # A day is over when the clock in the coalition's zone says so.
        for day, group in groupby(receipts, lambda receipt: self._founded.day(receipt.at)):
            yield day, list(group)

    async def _one_day(self, receipts: list[Receipt]) -> None:
        """Ring up a day's receipts; each waits for those before it that move the same points."""
        owners = await retrying(partial(self._owners, receipts))
        latest: dict[Owner, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            for receipt in receipts:
                await self._places.acquire()
                await self._advance(receipt.at)
                moved = owners.moved_by(receipt)
                before = {latest[owner] for owner in moved if owner in latest}
                latest |= dict.fromkeys(moved, group.create_task(self._one_receipt(receipt, before)))

    async def _one_receipt(self, receipt: Receipt, before: set[asyncio.Task[None]]) -> None:
        try:
            for task in before:
                await task
            await self._till.ring_up(receipt)
        except Refused as refusal:
            reason = f"receipt {receipt.number}: {refusal.detail} ({refusal.problem_code})"
            self._problems.append(Problem(receipt.line, reason))
        finally:
            self._places.release()
        self._tick(1, "")

    def _owners(self, receipts: list[Receipt]) -> Owners:
        with self._desk.database.transaction() as session:
            return order.owners(session, receipts, partners=self._partners, keyring=self._desk.keyring)

    async def _advance(self, to: datetime) -> None:
        if to <= self._clock_stands:
            return

        def set_clock() -> None:
            with self._desk.database.transaction() as session:
                if to > programme.get(session).time(to):
                    programme.set_test_clock(session, to=to)

        await retrying(set_clock)
        self._clock_stands = to

    def _settle(self, day: date) -> None:
        """Settle what is over; `day` itself also when it was settled before, which must then come out the same."""
        desk = self._desk
        for run in nightly.run_due(desk.database, audit_cli.act(desk)):
            if isinstance(run, RunFailure):
                raise RunFailed(f"the settlement of {run.day} failed: {run.detail} ({run.code})")
        with desk.database.transaction() as session:
            was_settled = settled_days.is_settled(session, day)
        if was_settled:
            nightly.run(desk.database, audit_cli.act(desk), day=day)
