"""Two operations at once: the first is paused before its commit, the second meets it, then the first is decided.

The table PAIRS is the specification: what the second does meanwhile, what comes of it if the first commits, and what
if it rolls back. Every pair meets in the same wallets, those of `Scene`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from itertools import count
from queue import SimpleQueue
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from coalition import adjustments, business_days, ledger, members, merges, programme, rates, scheduled_postings, verify
from coalition.adjustments import Adjustment
from coalition.cards import with_check_digit
from coalition.ledger import Command, Outcome, Request, Transaction
from kit import ids
from kit.db import Session
from kit.errors import CoalitionError
from tests.conftest import APPROVED, World, act

CARDS = (with_check_digit(f"7021{n:011d}") for n in count())
PATIENCE_S = 4.0  # less than a statement may wait for a lock


@dataclass(frozen=True)
class Scene:
    """A member with 70 points available, 30 held and 25 pending, and another one with 50 available.

    Of `soon`, 60 points of partner A's that expire before all others, 20 were burned at C and 30 are held at C.
    """

    world: World
    day: date  # the open business day
    a: UUID
    b: UUID
    c: UUID
    member: UUID
    other: UUID
    soon: Transaction
    pending: Transaction
    burned: Transaction
    others_burned: Transaction
    held: Transaction

    @property
    def now(self) -> datetime:
        """Noon of the open day."""
        return noon(self.day)

    def balances(self) -> tuple[int, int, int]:
        """Points available and held of the member, and available of the other one."""
        statement = text("SELECT available, held FROM coalition.wallet WHERE member_id = :id")
        with self.world.transaction() as session:
            member = session.execute(statement, {"id": self.member}).one()
            other = session.execute(statement, {"id": self.other}).one()
        return member.available, member.held, other.available


def noon(day: date) -> datetime:
    """Noon of `day`, UTC."""
    return datetime.combine(day, time_of_day(12), UTC)


def new_reference() -> str:
    """One that nobody used."""
    return secrets.token_hex(8)


def prepare(world: World) -> Scene:
    """New members and new partners, in a database that others used before."""
    a, b, c = ids.new(), ids.new(), ids.new()
    with world.transaction() as session:
        day = programme.get(session).open_day
        now = noon(day)
        member, other = (
            members.enrol(session, card=next(CARDS), partner_id=c, now=now, keyring=world.keyring).member_id
            for _ in range(2)
        )
        long_ago = (now + timedelta(days=2)).replace(year=now.year - 2)
        tomorrow, soon_enough = now + timedelta(days=1), now + timedelta(hours=1)
        wanted: list[tuple[UUID, Command]] = [
            (a, ledger.Earn(member_id=member, reference="soon", points=60, effective_at=long_ago)),
            (b, ledger.Earn(member_id=member, reference="late", points=60)),
            (b, ledger.Earn(member_id=member, reference="pending", points=25, due_at=soon_enough)),
            (c, ledger.Burn(member_id=member, reference="burned", points=20)),
            (b, ledger.Earn(member_id=other, reference="other's", points=60)),
            (c, ledger.Burn(member_id=other, reference="other's", points=10)),
            (c, ledger.Hold(member_id=member, reference="held", points=30, due_at=tomorrow)),
        ]
        asked = [Request(partner_id=partner_id, key=None, request_hash=None, now=now) for partner_id, _ in wanted]
        outcomes = ledger.post_many(session, list(zip(asked, (command for _, command in wanted), strict=True)))
    soon, _, pending, burned, _, others_burned, held = (outcome.unwrap() for outcome in outcomes)
    return Scene(world, day, a, b, c, member, other, soon, pending, burned, others_burned, held)


def post(session: Session, partner_id: UUID, command: Command, *, now: datetime, key: str | None = None) -> Outcome:
    """Post under `key`, with the hash of the command; without one, as the coalition itself does."""
    content = hashlib.sha256(repr(command).encode()).digest() if key else None
    asked = Request(partner_id=partner_id, key=key, request_hash=content, now=now)
    if isinstance(command, Adjustment):
        return adjustments.adjust(session, APPROVED, asked, command)
    return ledger.post(session, asked, command)


def findings(world: World) -> list[verify.Finding]:
    """What `verify` finds broken."""
    with world.transaction() as session:
        verify.snapshot(session)
        return [finding for finding in verify.run(session) if finding.broken]


def said(outcome: Outcome) -> str:
    """An outcome in a word or two."""
    if outcome.refusal is not None:
        return outcome.refusal.code + (", again" if outcome.replayed else "")
    return "replayed" if outcome.replayed else "posted"


@dataclass(frozen=True)
class Action:
    """Something that can be done to the scene's wallets; `run` returns what came of it, in words."""

    name: str
    run: Callable[[Scene, Session], str]
    alone: str = "posted"  # what comes of it when nobody else is there

    def __str__(self) -> str:
        return self.name


def posting(
    name: str, command: Callable[[Scene], Command], *, by: str = "c", key: str | None = None, alone: str = "posted"
) -> Action:
    """Post a command at a partner of the scene."""

    def run(scene: Scene, session: Session) -> str:
        partner_id: UUID = getattr(scene, by)
        return said(post(session, partner_id, command(scene), now=scene.now, key=key or new_reference()))

    return Action(name + (f", key {key}" if key else ""), run, alone)


def nightly(name: str, command: Callable[[Scene], Command], *, by: str, hours: int) -> Action:
    """Post a command as scheduled postings do: without a key, some hours after the scene's noon."""

    def run(scene: Scene, session: Session) -> str:
        partner_id: UUID = getattr(scene, by)
        return said(post(session, partner_id, command(scene), now=scene.now + timedelta(hours=hours)))

    return Action(name, run)


def earn(points: int, *, of: str = "member", reference: str | None = None, key: str | None = None) -> Action:
    """Issue points of A's; under `key` a request of one content is always the same request."""
    name = f"earn {points}" + _of(of) + (f", receipt {reference}" if reference else "")
    chosen = reference or (f"{key}-{points}" if key else None)
    return posting(
        name,
        lambda s: ledger.Earn(member_id=getattr(s, of), reference=chosen or new_reference(), points=points),
        by="a",
        key=key,
    )


def burn(points: int, *, of: str = "member", key: str | None = None, alone: str = "posted") -> Action:
    """Spend points at C."""
    return posting(
        f"burn {points}" + _of(of),
        lambda s: ledger.Burn(member_id=getattr(s, of), reference=key or new_reference(), points=points),
        key=key,
        alone=alone,
    )


def hold(points: int, *, of: str = "member") -> Action:
    """Set points aside at C."""

    def command(scene: Scene) -> Command:
        until = scene.now + timedelta(days=1)
        return ledger.Hold(member_id=getattr(scene, of), reference=new_reference(), points=points, due_at=until)

    return posting(f"hold {points}" + _of(of), command)


def adjust(points: int) -> Action:
    """Take points (less than 0) or give them by hand."""
    return posting(
        f"adjust by {points:+d}",
        lambda s: Adjustment(
            member_id=s.member, reference=new_reference(), points=abs(points), credit=points > 0,
        ),
        by="b",
    )  # fmt: skip


def restore(original: str) -> Action:
    """Reverse a burn of the scene's, all that is left of it."""
    name = "return the burn" + _of("other" if "other" in original else "member")
    return posting(
        name, lambda s: ledger.Reversal(original_id=getattr(s, original).transaction_id, reference=new_reference())
    )


def take_back(original: str, *, by: str) -> Action:
    """Reverse an earn of the scene's, all that is left of it."""
    return posting(
        f"take back the {original} points",
        lambda s: ledger.Reversal(original_id=getattr(s, original).transaction_id, reference=new_reference()),
        by=by,
    )


def claw_back(points: int, *, of: str = "member") -> Action:
    """Take back what one purchase earned, under one number for everybody."""

    def run(scene: Scene, session: Session) -> str:
        command = ledger.Clawback(
            member_id=getattr(scene, of), reference="return 7", amount_minor=points, currency="GBP"
        )
        return said(post(session, scene.c, command, now=scene.now, key=new_reference()))

    return Action(f"claw back {points}, receipt 7" + _of(of), run)


def capture(points: int | None = None, *, reference: str | None = None) -> Action:
    """Take the held points, or some of them."""
    return posting(
        f"capture {points or 'all'}" + (f", receipt {reference}" if reference else ""),
        lambda s: ledger.Capture(
            original_id=s.held.transaction_id, reference=reference or new_reference(), points=points
        ),
    )


def merge(member: str, *, into: str) -> Action:
    """Make two members one; the same merge again has the same reference."""

    def run(scene: Scene, session: Session) -> str:
        from_id, into_id = getattr(scene, member), getattr(scene, into)
        reference = f"merge {from_id}"[:40]
        return said(
            merges.merge(
                session, replace(APPROVED, now=scene.now), member_id=from_id, into=into_id, reference=reference
            )
        )

    return Action(f"merge the {member} into the {into}", run)


def _of(whose: str) -> str:
    return "" if whose == "member" else " of the other"


def the_expiry(scene: Scene) -> Command:
    """The end of the member's points of A, as `scheduled_postings.expire` posts it."""
    due_at = datetime.combine(scene.soon.expires_on or scene.day, time_of_day(), UTC)
    return scheduled_postings.Expire(
        member_id=scene.member, due_at=due_at, reference=f"expiry:{due_at.date()}:{scene.member}"
    )


def the_vesting(scene: Scene) -> Command:
    """What makes the pending points available, as `scheduled_postings.vest` posts it."""
    lot_id = scene.pending.transaction_id
    return scheduled_postings.Vest(member_id=scene.member, original_id=lot_id, reference=f"vest:{lot_id}")


def the_lapse(scene: Scene) -> Command:
    """The hold's end after a day, as `scheduled_postings.lapse_holds` posts it."""
    hold_id = scene.held.transaction_id
    return scheduled_postings.Lapse(original_id=hold_id, reference=f"lapse:{hold_id}")


def _receipt(scene: Scene, session: Session) -> str:
    command = ledger.Earn(member_id=scene.member, reference=new_reference(), points=10)
    done = post(session, scene.a, command, now=scene.now, key=new_reference()).unwrap()
    return f"booked {(done.business_date - scene.day).days} days on"


def _close(scene: Scene, session: Session) -> str:
    closed = business_days.close(session, day=scene.day, now=scene.now + timedelta(days=1))
    return "closed" if closed else "closed before"


def _block(scene: Scene, session: Session) -> str:
    changed = merges.block(session, act(now=scene.now), member_id=scene.member, blocked=True)
    return "blocked" if changed else "blocked before"


def _set_rate(scene: Scene, session: Session) -> str:
    rates.set_rate(
        session,
        act(),
        partner_id=scene.c,
        points_per_unit=Decimal(1),
        minor_per_unit=1,
        currency="GBP",
        since=scene.day,
    )
    return "set"


def _read(scene: Scene, session: Session) -> str:
    statement = text("SELECT available FROM coalition.wallet WHERE member_id = :id")
    return f"{session.scalar(statement, {'id': scene.member})} there"


void = posting("void", lambda s: ledger.Void(original_id=s.held.transaction_id, reference=new_reference()))
lapse = nightly("the hold lapses", the_lapse, by="c", hours=25)
vest = nightly("pending points vest", the_vesting, by="b", hours=2)
expire = nightly("soon points expire", the_expiry, by="a", hours=12)
receipt = Action("earn 10 on its day", _receipt, "booked 0 days on")
close = Action("close the day", _close, "closed")
block = Action("block", _block, "blocked")
read = Action("read the balance", _read, "70 there")
set_rate = Action("C's rate is a point for each penny", _set_rate, "set")


class End(NamedTuple):
    """What came of the second, and the balances then: available and held of the member, available of the other."""

    said: str
    available: int
    held: int
    others: int


class Pair(NamedTuple):
    """A line of the specification."""

    first: Action
    second: Action
    meanwhile: str
    committed: End  # if the first commits
    undone: End  # if it rolls back
    given: Action | None = None  # what happened before

    def __str__(self) -> str:
        return f"{self.first} | {self.second}"


WAITS, PASSES = "waits", "passes"
MERGE = merge("other", into="member")
BACK = merge("member", into="other")

# fmt: off
PAIRS = [
    # Spending: what one takes the other can't have.
    Pair(burn(50), burn(50), WAITS, End("insufficient_points", 20, 30, 50), End("posted", 20, 30, 50)),
    Pair(burn(50), hold(50), WAITS, End("insufficient_points", 20, 30, 50), End("posted", 20, 80, 50)),
    Pair(hold(50), burn(50), WAITS, End("insufficient_points", 20, 80, 50), End("posted", 20, 30, 50)),
    Pair(burn(30), burn(30), WAITS, End("posted", 10, 30, 50), End("posted", 40, 30, 50)),
    Pair(adjust(-50), burn(50), WAITS, End("insufficient_points", 20, 30, 50), End("posted", 20, 30, 50)),
    Pair(burn(50), adjust(-50), WAITS, End("insufficient_points", 20, 30, 50), End("posted", 20, 30, 50)),
    # Earning: points are there once they are committed.
    Pair(earn(50), burn(100), WAITS, End("posted", 20, 30, 50), End("insufficient_points", 70, 30, 50)),
    Pair(burn(70), earn(10), WAITS, End("posted", 10, 30, 50), End("posted", 80, 30, 50)),
    Pair(earn(50), earn(10), WAITS, End("posted", 130, 30, 50), End("posted", 80, 30, 50)),
    Pair(adjust(+50), burn(100), WAITS, End("posted", 20, 30, 50), End("insufficient_points", 70, 30, 50)),
    Pair(vest, burn(90), WAITS, End("posted", 5, 30, 50), End("insufficient_points", 70, 30, 50)),
    Pair(vest, vest, WAITS, End("nothing_due", 95, 30, 50), End("posted", 95, 30, 50)),
    # Reversals: once, and of what is there.
    Pair(restore("burned"), burn(90), WAITS, End("posted", 0, 30, 50), End("insufficient_points", 70, 30, 50)),
    Pair(burn(70), restore("burned"), WAITS, End("posted", 20, 30, 50), End("posted", 90, 30, 50)),
    Pair(restore("burned"), restore("burned"), WAITS,
         End("posted", 90, 30, 50), End("posted", 90, 30, 50)),
    Pair(burn(70), take_back("soon", by="a"), WAITS, End("posted", 0, 30, 50), End("posted", 60, 30, 50)),
    Pair(take_back("soon", by="a"), burn(70), WAITS,
         End("insufficient_points", 60, 30, 50), End("posted", 0, 30, 50)),
    Pair(take_back("pending", by="b"), vest, WAITS, End("nothing_due", 70, 30, 50), End("posted", 95, 30, 50)),
    Pair(vest, take_back("pending", by="b"), WAITS, End("posted", 70, 30, 50), End("posted", 70, 30, 50)),
    Pair(claw_back(5), claw_back(5, of="other"), WAITS,
         End("concurrent_request", 70, 30, 50), End("posted", 70, 30, 50), given=set_rate),
    # A hold ends once.
    Pair(capture(), void, WAITS, End("hold_finished", 70, 0, 50), End("posted", 100, 0, 50)),
    Pair(void, capture(), WAITS, End("hold_finished", 100, 0, 50), End("posted", 70, 0, 50)),
    Pair(capture(10), capture(20), WAITS, End("hold_finished", 90, 0, 50), End("posted", 80, 0, 50)),
    Pair(capture(10), lapse, WAITS, End("hold_finished", 90, 0, 50), End("posted", 100, 0, 50)),
    Pair(lapse, capture(10), WAITS, End("hold_finished", 100, 0, 50), End("posted", 90, 0, 50)),
    Pair(lapse, lapse, WAITS, End("replayed", 100, 0, 50), End("posted", 100, 0, 50)),
    Pair(capture(10), burn(90), WAITS, End("posted", 0, 0, 50), End("insufficient_points", 70, 30, 50)),
    Pair(void, burn(80), WAITS, End("posted", 20, 0, 50), End("insufficient_points", 70, 30, 50)),
    # Points expire once, and only those that are free.
    Pair(expire, burn(70), WAITS, End("insufficient_points", 60, 30, 50), End("posted", 0, 30, 50)),
    Pair(burn(70), expire, WAITS, End("nothing_due", 0, 30, 50), End("posted", 60, 30, 50)),
    Pair(expire, expire, WAITS, End("nothing_due", 60, 30, 50), End("posted", 60, 30, 50)),
    Pair(expire, capture(), WAITS, End("posted", 60, 0, 50), End("posted", 70, 0, 50)),
    Pair(capture(), expire, WAITS, End("posted", 60, 0, 50), End("posted", 60, 30, 50)),
    Pair(void, expire, WAITS, End("posted", 60, 0, 50), End("posted", 60, 30, 50)),
    # A merged member is closed, and whatever was his before is the other's.
    Pair(MERGE, earn(10, of="other"), WAITS, End("member_merged", 120, 30, 0), End("posted", 70, 30, 60)),
    Pair(MERGE, earn(10), WAITS, End("posted", 130, 30, 0), End("posted", 80, 30, 50)),
    Pair(MERGE, burn(110), WAITS, End("posted", 10, 30, 0), End("insufficient_points", 70, 30, 50)),
    Pair(MERGE, hold(10, of="other"), WAITS, End("member_merged", 120, 30, 0), End("posted", 70, 30, 40)),
    Pair(hold(10, of="other"), MERGE, WAITS, End("holds_open", 70, 30, 40), End("posted", 120, 30, 0)),
    Pair(earn(10, of="other"), MERGE, WAITS, End("posted", 130, 30, 0), End("posted", 120, 30, 0)),
    Pair(burn(50, of="other"), MERGE, WAITS, End("posted", 70, 30, 0), End("posted", 120, 30, 0)),
    Pair(MERGE, BACK, WAITS, End("member_merged", 150, 0, 0), End("posted", 0, 0, 150), given=void),
    Pair(BACK, MERGE, WAITS, End("member_merged", 0, 0, 150), End("posted", 150, 0, 0), given=void),
    Pair(MERGE, MERGE, WAITS, End("replayed", 120, 30, 0), End("posted", 120, 30, 0)),
    Pair(restore("others_burned"), MERGE, WAITS, End("posted", 130, 30, 0), End("posted", 120, 30, 0)),
    # A day is closed when nobody writes into it any more.
    Pair(close, receipt, WAITS, End("booked 1 days on", 80, 30, 50), End("booked 0 days on", 80, 30, 50)),
    Pair(receipt, close, WAITS, End("closed", 80, 30, 50), End("closed", 70, 30, 50)),
    Pair(expire, close, WAITS, End("closed", 60, 30, 50), End("closed", 70, 30, 50)),
    Pair(MERGE, close, WAITS, End("closed", 120, 30, 0), End("closed", 70, 30, 50)),
    Pair(close, close, WAITS, End("closed before", 70, 30, 50), End("closed", 70, 30, 50)),
    # One request is answered once, however often it comes.
    Pair(earn(10, key="k"), earn(10, key="k"), WAITS, End("replayed", 80, 30, 50), End("posted", 80, 30, 50)),
    Pair(earn(10, key="k"), earn(9, key="k"), WAITS,
         End("idempotency_key_reused", 80, 30, 50), End("posted", 79, 30, 50)),
    Pair(burn(99, key="k", alone="insufficient_points"), burn(99, key="k"), WAITS,
         End("insufficient_points, again", 70, 30, 50), End("insufficient_points", 70, 30, 50)),
    # One receipt is posted once, under whichever key.
    Pair(earn(10, reference="7"), earn(10, reference="7"), WAITS,
         End("replayed", 80, 30, 50), End("posted", 80, 30, 50)),
    Pair(earn(10, reference="7"), earn(9, reference="7"), WAITS,
         End("reference_reused", 80, 30, 50), End("posted", 79, 30, 50)),
    Pair(earn(10, reference="7"), earn(10, of="other", reference="7"), WAITS,
         End("reference_of_another_member", 80, 30, 50), End("posted", 70, 30, 60)),
    Pair(capture(reference="7"), capture(reference="7"), WAITS,
         End("replayed", 70, 0, 50), End("posted", 70, 0, 50)),
    # Who is blocked can't earn or spend; returns and the end of holds still work.
    Pair(block, burn(50), WAITS, End("member_blocked", 70, 30, 50), End("posted", 20, 30, 50)),
    Pair(block, earn(50), WAITS, End("member_blocked", 70, 30, 50), End("posted", 120, 30, 50)),
    Pair(block, restore("burned"), WAITS, End("posted", 90, 30, 50), End("posted", 90, 30, 50)),
    Pair(block, capture(), WAITS, End("posted", 70, 0, 50), End("posted", 70, 0, 50)),
    Pair(burn(50), block, WAITS, End("blocked", 20, 30, 50), End("blocked", 70, 30, 50)),
    Pair(block, block, WAITS, End("blocked before", 70, 30, 50), End("blocked", 70, 30, 50)),
    # Nobody else has to wait.
    Pair(burn(50), burn(50, of="other"), PASSES, End("posted", 20, 30, 0), End("posted", 70, 30, 0)),
    Pair(burn(50), read, PASSES, End("70 there", 20, 30, 50), End("70 there", 70, 30, 50)),
    Pair(close, read, PASSES, End("70 there", 70, 30, 50), End("70 there", 70, 30, 50)),
    Pair(close, block, PASSES, End("blocked", 70, 30, 50), End("blocked", 70, 30, 50)),
]
# fmt: on


@pytest.mark.parametrize("commits", [True, False], ids=["it commits", "it rolls back"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_two_at_once_come_out_as_one_after_the_other(shared_world: World, pair: Pair, *, commits: bool) -> None:
    play(shared_world, pair, commits=commits)


def test_a_return_that_waited_for_a_merge_goes_to_whom_the_member_was_merged_into(shared_world: World) -> None:
    ends = End("posted", 130, 30, 0), End("posted", 70, 30, 60)
    play(shared_world, Pair(MERGE, restore("others_burned"), WAITS, *ends), commits=True)


def test_merges_in_opposite_directions_that_both_had_to_wait_do_not_wait_for_each_other(shared_world: World) -> None:
    assert merge_both_ways(shared_world) == ["member_merged", "posted"]


def merge_both_ways(world: World) -> list[str]:
    """Let two merges of the same members queue for both wallets, each in its direction; what came of them."""
    scene = prepare(world)
    with world.transaction() as session:
        void.run(scene, session)
    pids: SimpleQueue[int] = SimpleQueue()
    with ThreadPoolExecutor(2) as beside:
        with psycopg.connect(str(world.settings.database_url)) as somebody:
            somebody.execute(
                "SELECT FROM coalition.wallet WHERE member_id = ANY(%s) FOR UPDATE", [[scene.member, scene.other]]
            )
            merging = [beside.submit(run_beside, scene, action, pids) for action in (MERGE, BACK)]
            for _ in merging:
                wait_until_blocked(world, pids.get(timeout=PATIENCE_S))
        return sorted(each.result(timeout=PATIENCE_S) for each in merging)


def play(world: World, pair: Pair, *, commits: bool) -> None:
    """Let the pair meet in a new scene and check the outcomes of both, the balances, and the books."""
    scene = prepare(world)
    if pair.given is not None:
        with world.transaction() as session:
            assert pair.given.run(scene, session) == pair.given.alone
    decided = world.database.transaction if commits else world.database.trial
    with ThreadPoolExecutor(1) as beside:
        with decided() as session:
            assert pair.first.run(scene, session) == pair.first.alone
            pids: SimpleQueue[int] = SimpleQueue()
            second = beside.submit(run_beside, scene, pair.second, pids)
            if pair.meanwhile == WAITS:
                wait_until_blocked(world, pids.get(timeout=PATIENCE_S), second)
            else:
                second.result(timeout=PATIENCE_S)
        end = End(second.result(timeout=PATIENCE_S), *scene.balances())
    assert end == (pair.committed if commits else pair.undone)
    assert findings(world) == []


def run_beside(scene: Scene, action: Action, pids: SimpleQueue[int]) -> str:
    """Do `action` in a transaction of its own, telling the backend's process id first; what came of it."""
    try:
        with scene.world.transaction() as session:
            pids.put(backend(session))
            return action.run(scene, session)
    except CoalitionError as error:
        return error.code


def backend(session: Session) -> int:
    """The process id of the session's backend."""
    pid: int = session.scalar(text("SELECT pg_backend_pid()"))
    return pid


@contextmanager
def owner(world: World) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection of the database's owner, every statement a transaction of its own."""
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as connection:
        yield connection


def wait_until_blocked(world: World, pid: int, task: Future[Any] | None = None) -> None:
    """Until the backend `pid` waits for a lock that another one holds; fails at once when `task` went through."""
    deadline = time.monotonic() + PATIENCE_S
    with owner(world) as connection:
        while time.monotonic() < deadline:
            waits = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock' "
                "AND cardinality(pg_blocking_pids(pid)) > 0",
                [pid],
            ).fetchone()
            if waits:
                return
            assert task is None or not task.done(), f"it went through without waiting: {task.result()}"
            time.sleep(0.01)
    raise AssertionError("nobody came to wait")
