"""What many processes did to three wallets at once, read again: it has to be a story that the plain model could tell.

Writers post whatever they like, with references and keys that clash, and are told outcomes. One process closes day
after day under them, one lets holds lapse and points vest. Then the ledger is compared with what everybody was told.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from queue import Empty
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from coalition import adjustments, business_days, ledger, scheduled_postings
from coalition.adjustments import Adjustment
from coalition.business_days import Seal
from coalition.cards import with_check_digit
from coalition.ledger import Command, Outcome, Request, Transaction
from coalition.refusals import ConcurrentRequest, refusal_of
from kit import ids
from kit.db import Database, DatabaseUnavailable
from kit.secrets import Keyring
from tests.coalition import model
from tests.coalition.test_pairs import findings, owner
from tests.conftest import APPROVED, NOW, World

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])
WRITERS = 10
DAYS = 10
TRANSACTIONS_A_DAY = 80  # at least: a day is not closed before
CLASHES = 25  # how many references and keys are everybody's
ATTEMPTS = 50
PATIENCE_S = 90.0
BY_ITSELF = {"lapse", "vest", "expiry"}  # what the coalition posts without being asked


@dataclass(frozen=True)
class Stage:
    """Where the processes meet."""

    url: str
    partners: Sequence[UUID]
    members: Sequence[UUID]
    days_gone: Synchronized[int]
    over: Event
    told: Queue[Any]

    @property
    def now(self) -> datetime:
        """The time all of them go by."""
        return NOW + timedelta(days=self.days_gone.value)


@dataclass(frozen=True)
class Told:
    """One answer to one request, and the instants between which it was given."""

    request: Request
    command: Command
    begun_at: float
    done_at: float
    outcome: Outcome

    @property
    def key(self) -> tuple[UUID, str | None]:
        """What makes it one request."""
        return self.request.partner_id, self.request.key

    @property
    def refusal(self) -> str | None:
        """The refusal's code."""
        return self.outcome.refusal.code if self.outcome.refusal else None

    @property
    def posted(self) -> Transaction | None:
        """What was posted by this very request."""
        return None if self.outcome.replayed else self.outcome.transaction


@dataclass(frozen=True)
class Closing:
    """A day's end, the instants between which it was closed, and how many wallets' issuers had points expire."""

    day: date
    begun_at: float
    done_at: float
    expired: int
    seal: Seal


class Writer:
    """A process that posts whatever it likes until the play is over."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.stage = stage
        self.number = number
        self.rng = random.Random(number)
        self.database = Database(stage.url, pool_size=1)
        self.told: list[Told] = []
        self.posted = 0
        self.commands: dict[Callable[[UUID, str], Command | None], int] = {
            self.earn: 6, self.pending_earn: 3, self.burn: 5, self.hold: 4, self.capture: 3, self.void: 2,
            self.reversal: 9, self.adjustment: 2,
        }  # fmt: skip

    def play(self) -> None:
        """Do one thing after the other, and report all answers in the end."""
        while not self.stage.over.is_set():
            way = self.rng.random()
            if way < 0.1:
                self.ask([self.clash()])
            elif way < 0.2 and self.told:
                self.ask([(self.told[-1].request, self.told[-1].command)])
            elif way < 0.3:
                self.ask(self.batch())
            else:
                (kind,) = self.rng.choices(list(self.commands), list(self.commands.values()))
                self.ask(self.one(kind))
        self.database.close()
        self.stage.told.put(self.told)

    def one(self, kind: Callable[[UUID, str], Command | None]) -> list[tuple[Request, Command]]:
        """A command under a reference and a key of its own; nothing where there is nothing to do it to."""
        self.posted += 1
        name = f"{self.number}-{self.posted}"
        command = kind(self.rng.choice(self.stage.members), name)
        if command is None:
            return []
        original = getattr(command, "original_id", None)
        partner_id = self.partner_of(original) if original else self.rng.choice(self.stage.partners)
        return [(self.request(partner_id, name, command), command)]

    def clash(self) -> tuple[Request, Command]:
        """What others post too: the same receipt, now and then with other points or for another member."""
        n = self.rng.randrange(CLASHES)
        member = self.stage.members[(n + (self.rng.random() < 0.1)) % len(self.stage.members)]
        points = n + 1 + (self.rng.random() < 0.2)
        kind = ledger.Burn if n % 3 == 0 else ledger.Earn
        command = kind(member_id=member, reference=f"clash {n}", points=points)
        self.posted += 1
        key = f"clash {n}" if self.rng.random() < 0.6 else f"{self.number}-{self.posted}"
        return self.request(self.stage.partners[n % len(self.stage.partners)], key, command), command

    def batch(self) -> list[tuple[Request, Command]]:
        """Up to a dozen at once, in the order of their members, as `post_many` asks for."""
        wanted = [self.clash() for _ in range(self.rng.randrange(3))]
        for _ in range(self.rng.randint(2, 9)):
            wanted += self.one(self.rng.choice([self.earn, self.earn, self.burn, self.burn, self.hold]))
        return sorted(wanted, key=lambda each: getattr(each[1], "member_id"))  # noqa: B009

    def ask(self, wanted: list[tuple[Request, Command]]) -> None:
        """Post, again with the same keys where the answer is to try again; keep what was told."""
        for _ in range(ATTEMPTS):
            begun_at = time.monotonic()
            try:
                outcomes = self.post(wanted)
            except (DatabaseUnavailable, ConcurrentRequest):
                continue
            done_at = time.monotonic()
            self.told += [Told(*pair, begun_at, done_at, o) for pair, o in zip(wanted, outcomes, strict=True)]
            return
        raise AssertionError(f"{ATTEMPTS} times no answer to {wanted}")

    def post(self, wanted: list[tuple[Request, Command]]) -> list[Outcome]:
        with self.database.transaction() as session, ids.seen_by(ids.OUR_OWN):
            if len(wanted) > 1:
                return ledger.post_many(session, wanted)
            return [
                adjustments.adjust(session, APPROVED, request, command)
                if isinstance(command, Adjustment)
                else ledger.post(session, request, command)
                for request, command in wanted
            ]

    def request(self, partner_id: UUID, key: str, command: Command) -> Request:
        content = hashlib.sha256(repr(command).encode()).digest()
        return Request(partner_id=partner_id, key=key, request_hash=content, now=self.stage.now)

    def earn(self, member: UUID, reference: str) -> Command:
        """Half of them so long ago that they expire within the next days."""
        soon = self.stage.now + timedelta(days=self.rng.randint(2, 3))
        at = None if self.rng.random() < 0.5 else soon.replace(year=soon.year - 2)
        return ledger.Earn(member_id=member, reference=reference, points=self.points(50), effective_at=at)

    def pending_earn(self, member: UUID, reference: str) -> Command:
        due_at = self.stage.now + timedelta(days=self.rng.randint(1, 2))
        return ledger.Earn(member_id=member, reference=reference, points=self.points(50), due_at=due_at)

    def burn(self, member: UUID, reference: str) -> Command:
        return ledger.Burn(member_id=member, reference=reference, points=self.to_spend(member))

    def hold(self, member: UUID, reference: str) -> Command:
        due_at = self.stage.now + timedelta(days=self.rng.randint(1, 2))
        return ledger.Hold(member_id=member, reference=reference, points=self.to_spend(member), due_at=due_at)

    def capture(self, member: UUID, reference: str) -> Command | None:
        hold_id = self.find(member, ["hold"])
        points = self.points(60) if self.rng.random() < 0.6 else None
        return ledger.Capture(original_id=hold_id, reference=reference, points=points) if hold_id else None

    def void(self, member: UUID, reference: str) -> Command | None:
        hold_id = self.find(member, ["hold"])
        return ledger.Void(original_id=hold_id, reference=reference) if hold_id else None

    def reversal(self, member: UUID, reference: str) -> Command | None:
        original_id = self.find(member, ["earn", "burn", "capture", "void", "reversal"])
        points = self.points(40) if self.rng.random() < 0.6 else None
        if original_id is None:
            return None
        return ledger.Reversal(original_id=original_id, reference=reference, points=points)

    def adjustment(self, member: UUID, reference: str) -> Command:
        credit = self.rng.random() < 0.5
        return Adjustment(member_id=member, reference=reference, points=self.points(40), credit=credit)  # fmt: skip

    def to_spend(self, member: UUID) -> int:
        """One member spends so little that points live until they expire, the others more than they have."""
        return self.points(4 if member == self.stage.members[0] else 110)

    def points(self, most: int) -> int:
        return self.rng.randint(1, most)

    def find(self, member: UUID, kinds: list[str]) -> UUID | None:
        """One of the member's last transactions of these kinds, whoever posted it."""
        with self.database.transaction() as session:
            found = session.scalars(_LATEST, {"member": member, "kinds": kinds}).all()
        return self.rng.choice(found) if found else None

    def partner_of(self, txn_id: UUID) -> UUID:
        with self.database.transaction() as session:
            partner_id: UUID = session.scalar(_PARTNER_OF, {"txn_id": txn_id})
        return partner_id


_LATEST = text("""
    SELECT txn_id FROM coalition.txn WHERE member_id = :member AND kind::text = ANY(:kinds)
    ORDER BY member_seq DESC LIMIT 8
""")
_PARTNER_OF = text("SELECT partner_id FROM coalition.txn WHERE txn_id = :txn_id")
_BOOKED_IN = text("SELECT count(*) FROM coalition.txn WHERE business_date = :day")


def write(stage: Stage, number: int) -> None:
    """What a writer's process does."""
    Writer(stage, number).play()


def close_days(stage: Stage) -> None:
    """End one business day after the other, each once there is something in it; then the play is over."""
    database = Database(stage.url, pool_size=3)
    closings = []
    for n in range(DAYS):
        day = NOW.date() + timedelta(days=n)
        wait_for_transactions(database, day)
        begun_at = time.monotonic()
        stage.days_gone.value = n + 1  # from now on a correction by hand may close it first
        with database.transaction() as session:
            business_days.close_over(session, now=stage.now)
        done_at = time.monotonic()
        expired = scheduled_postings.expire(database, day=day, now=stage.now)
        with database.transaction() as session:
            seal = business_days.seal(session, day=day, now=stage.now, keyring=Keyring(bytes(32)))
        closings.append(Closing(day, begun_at, done_at, expired, seal))
    stage.over.set()
    stage.told.put(closings)


def wait_for_transactions(database: Database, day: date) -> None:
    """Until enough is booked in the day."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with database.transaction() as session:
            booked = session.scalar(_BOOKED_IN, {"day": day}) or 0
        if booked >= TRANSACTIONS_A_DAY:
            return
        assert time.monotonic() < deadline, f"only {booked} transactions in {day}"
        time.sleep(0.02)


def keep_wallets(stage: Stage) -> None:
    """Let holds lapse and points vest, over and over; report how many."""
    database = Database(stage.url, pool_size=3)
    kept: Counter[str] = Counter()
    while not stage.over.wait(0.02):
        kept["lapse"] += scheduled_postings.lapse_holds(database, now=stage.now)
        kept["vest"] += scheduled_postings.vest(database, now=stage.now)
    stage.told.put(kept)


@dataclass
class History:
    """What the ledger says, and what everybody was told."""

    world: World
    members: Sequence[UUID]
    told: list[Told] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    transactions: list[Transaction] = field(default_factory=list)

    def add(self, report: Any) -> None:
        """Take the report of one process."""
        if isinstance(report, Counter):
            self.kept = report
        elif report and isinstance(report[0], Closing):
            self.closings = report
        else:
            self.told += report

    @property
    def days(self) -> list[date]:
        """The days that were closed."""
        return [closing.day for closing in self.closings]

    def of(self, member: UUID) -> list[Transaction]:
        """A member's transactions in their order."""
        return [transaction for transaction in self.transactions if transaction.member_id == member]


@pytest.fixture(scope="module")
def history(shared_world: World) -> Iterator[History]:
    """All processes at once on three new members; the programme lets wallets owe what returns find spent."""
    with shared_world.transaction() as session:
        session.execute(text("UPDATE coalition.programme SET return_policy = 'debt'"))
    members = sorted(shared_world.member(with_check_digit(f"7023{n:011d}")) for n in range(3))
    stage = Stage(
        url=str(shared_world.settings.database_url), partners=[ids.new() for _ in range(3)], members=members,
        days_gone=PROCESSES.Value("i", 0), over=PROCESSES.Event(), told=PROCESSES.Queue(),
    )  # fmt: skip
    processes: list[BaseProcess] = [PROCESSES.Process(target=write, args=(stage, n)) for n in range(WRITERS)]
    processes += [PROCESSES.Process(target=target, args=(stage,)) for target in (close_days, keep_wallets)]
    made = History(shared_world, members)
    try:
        for process in processes:
            process.start()
        for report in reports(stage, processes):
            made.add(report)
    finally:
        for process in processes:
            process.kill()
            process.join()
    with shared_world.transaction() as session:
        rows = session.execute(text("SELECT * FROM coalition.txn ORDER BY member_id, member_seq"))
        made.transactions = [Transaction(*row) for row in rows]
    yield made
    stage.told.close()


def reports(stage: Stage, processes: Sequence[BaseProcess]) -> Iterable[Any]:
    """The report of each process; fails as soon as one of them failed."""
    deadline = time.monotonic() + PATIENCE_S
    left = len(processes)
    while left:
        assert not any(process.exitcode for process in processes), "a process failed; its error is above"
        assert time.monotonic() < deadline, f"{left} processes did not report"
        try:
            yield stage.told.get(timeout=0.2)
        except Empty:
            continue
        left -= 1


class Retelling:
    """One member's history told again by the plain model."""

    def __init__(self, world: World, member_id: UUID) -> None:
        self.world = world
        self.member = model.Member(member_id)
        self.entries: dict[UUID, model.Txn] = {}
        self.holds: dict[UUID, model.Hold] = {}

    def tell(self, t: Transaction) -> None:
        """Let the model do what `t` says was done."""
        if t.kind == "earn":
            self.entries[t.transaction_id] = model.earn(self.member, t.partner_id, [self.new_lot(t)])
        elif t.kind == "burn":
            self.entries[t.transaction_id] = model.burn(self.member, t.partner_id, t.points, t.effective_at)
        elif t.kind == "hold":
            assert t.due_at is not None
            self.holds[t.transaction_id] = model.hold(self.member, t.partner_id, t.points, t.due_at, t.effective_at)
        elif t.kind in ("capture", "void", "lapse"):
            self.end_hold(t)
        elif t.kind == "reversal":
            assert t.reverses_transaction_id is not None
            asked = t.points + t.debt_repaid + t.shortfall
            today = max(t.business_date, t.booked_at.date())
            model.reverse(self.entries[t.reverses_transaction_id], asked, policy="debt", today=today)
            self.name_new_lots(t)
        elif t.kind == "adjustment":
            credit = (t.meta or {})["direction"] == "credit"
            model.adjust(self.member, t.points, self.new_lot(t) if credit else None, t.original_business_date)
        else:
            {"vest": self.vest, "expiry": self.expire}[t.kind](t)

    def new_lot(self, t: Transaction) -> model.Lot:
        assert t.expires_on is not None
        return model.Lot(t.transaction_id, t.partner_id, t.expires_on, t.points, t.points, 0, t.due_at)

    def name_new_lots(self, t: Transaction) -> None:
        """What came back after its expiry has become lots of its own, whose ids are the database's."""
        new = [lot for lot in self.member.lots if not lot.lot_id.int]
        if not new:
            return
        with self.world.transaction() as session:
            rows = session.execute(
                text("""
                    SELECT p.lot_id, l.origin_id, p.points FROM coalition.posting p
                    JOIN coalition.lot l USING (member_id, lot_id)
                    WHERE p.member_id = :member_id AND p.txn_id = :txn_id AND l.origin_id IS NOT NULL ORDER BY p.seq
                """),
                {"member_id": self.member.member_id, "txn_id": t.transaction_id},
            ).all()
        known = {lot.lot_id for lot in self.member.lots}
        made = [row for row in rows if row.lot_id not in known]
        assert [(row.origin_id, row.points) for row in made] == [(lot.root.lot_id, lot.issued) for lot in new]
        for row, lot in zip(made, new, strict=True):
            lot.lot_id = row.lot_id

    def end_hold(self, t: Transaction) -> None:
        assert t.hold_id is not None
        taken = t.points if t.kind == "capture" else 0
        done = model.end_hold(self.holds[t.hold_id], taken, now=t.booked_at, lapse=t.kind == "lapse")
        self.entries[t.transaction_id] = done

    def vest(self, t: Transaction) -> None:
        (lot,) = [lot for lot in self.member.lots if t.reference == f"vest:{lot.lot_id}"]
        assert lot.vests_at is not None
        assert lot.vests_at <= t.booked_at
        lot.vests_at = None
        self.member.repay(lot)

    def expire(self, t: Transaction) -> None:
        """In the books of the first day on which they can't be spent any more, and all that is free of them."""
        gone = [lot for lot in self.member.lots if lot.issuer == t.partner_id and lot.expires_on <= t.business_date]
        assert sum(lot.free for lot in gone) == t.points > 0
        for lot in gone:
            if lot.free:
                model.expire_lot(self.member, lot)


def test_the_play_was_about_everything_there_is(history: History) -> None:
    kinds = {transaction.kind for transaction in history.transactions}
    refusals = {told.refusal for told in history.told}
    assert kinds == {"earn", "burn", "hold", "capture", "void", "reversal", "adjustment"} | BY_ITSELF
    assert {"insufficient_points", "hold_finished", "more_than_reversible", "not_reversible"} <= refusals
    assert {"idempotency_key_reused", "reference_reused", "reference_of_another_member"} <= refusals
    assert len(history.transactions) >= DAYS * TRANSACTIONS_A_DAY
    assert any(transaction.debt_after for transaction in history.transactions)
    assert any(transaction.debt_repaid for transaction in history.transactions)


def test_each_transaction_follows_from_those_before_it(history: History) -> None:
    for member_id in history.members:
        retelling = Retelling(history.world, member_id)
        for n, t in enumerate(history.of(member_id), start=1):
            retelling.tell(t)
            after = (t.available_after, t.held_after, t.pending_after, t.debt_after)
            assert (t.member_seq, after) == (n, retelling.member.balances), t
        with history.world.transaction() as session:
            rows = session.execute(
                text("SELECT lot_id, expires_on, remaining, held, vests_at FROM coalition.lot WHERE member_id = :id"),
                {"id": member_id},
            ).all()
        lots = [(lot.lot_id, lot.expires_on, lot.remaining, lot.held, lot.vests_at) for lot in retelling.member.lots]
        assert sorted(map(tuple, rows)) == sorted(lots)


def test_no_reference_is_posted_twice(history: History) -> None:
    receipts = Counter(
        (t.partner_id, t.kind, t.reference, t.reverses_transaction_id) for t in history.transactions
    )  # fmt: skip
    assert [receipt for receipt, times in receipts.items() if times > 1] == []


def test_what_a_process_was_told_it_posted_is_in_the_ledger_once_and_nothing_else_is(history: History) -> None:
    ours = {t.transaction_id: t for t in history.transactions if t.kind not in BY_ITSELF}
    told = [told.posted for told in history.told if told.posted is not None]
    assert len(told) == len(ours)
    assert {t.transaction_id: t for t in told} == ours
    for told_ in history.told:
        if told_.outcome.transaction is not None:
            assert told_.outcome.transaction == ours[told_.outcome.transaction.transaction_id]


def test_what_the_coalition_said_it_did_by_itself_it_did(history: History) -> None:
    done = Counter(t.kind for t in history.transactions if t.kind in BY_ITSELF)
    said = history.kept + Counter(expiry=sum(closing.expired for closing in history.closings))
    freed = done - said
    assert said <= done
    assert freed.keys() <= {"lapse"}, "what a burn needs it frees itself, and nothing else"


def test_what_was_refused_is_nowhere_in_the_ledger(history: History) -> None:
    receipts = {(t.partner_id, t.kind, t.reference) for t in history.transactions}
    for told in history.told:
        if told.refusal is not None and not told.command.reference.startswith("clash"):
            assert (told.request.partner_id, told.command.kind, told.command.reference) not in receipts


def test_a_key_has_one_answer_which_is_remembered(history: History) -> None:
    with owner(history.world) as connection:
        stored: dict[Any, tuple[Any, ...]] = {
            (row[0], row[1]): row[2:]
            for row in connection.execute(
                "SELECT partner_id, key, request_hash, txn_id, refusal, detail FROM coalition.idempotency"
            )
        }
    assert set(stored) == {told.key for told in history.told}
    first = Counter(told.key for told in history.told if not told.outcome.replayed and told.refusal is None)
    assert set(first.values()) == {1}
    for told in history.told:
        content, txn_id, refusal, detail = stored[told.key]
        if content != told.request.request_hash:
            assert told.refusal == "idempotency_key_reused"
        elif refusal is not None:
            assert told.refusal == refusal_of(refusal, detail).code
        else:
            assert told.outcome.unwrap().transaction_id == txn_id


def test_nothing_is_booked_in_a_day_that_is_closed_or_not_open_yet(history: History) -> None:
    for told in history.told:
        if told.posted is not None:
            for closing in history.closings:
                if told.begun_at > closing.done_at:
                    assert told.posted.business_date > closing.day
                if told.done_at < closing.begun_at:
                    assert told.posted.business_date <= closing.day
    for member_id in history.members:
        booked = [t.business_date for t in history.of(member_id)]
        assert booked == sorted(booked)


def test_a_sealed_day_is_still_what_it_was_sealed_as_and_no_posting_fell_between_two(history: History) -> None:
    previous = business_days.GENESIS
    with history.world.transaction() as session:
        for closing in history.closings:
            assert business_days.compute_seal(session, closing.day, previous=previous) == closing.seal
            previous = closing.seal.chain
        after = session.scalar(
            text("SELECT count(*) FROM coalition.posting WHERE business_date > :day"), {"day": history.days[-1]}
        )
    assert history.days == [NOW.date() + timedelta(days=n) for n in range(DAYS)]
    postings = sum(closing.seal.postings for closing in history.closings) + (after or 0)
    assert postings == history.world.count("coalition.posting")


def test_verify_finds_nothing_broken(history: History) -> None:
    assert findings(history.world) == []
