"""A test of the tests: the ledger's functions with a fault put in, and what of the suite has to notice.

Each fault is put into the functions as the migrations left them, alone, and has to be noticed by every means it names:
the plain model, an invariant of `verify`, or operations that meet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from kit import ids
from kit.errors import CoalitionError
from tests.coalition import test_pairs
from tests.coalition.test_awards import TestAnEarnOfAwards as AnEarnOfAwards
from tests.coalition.test_awards import TestAReturnOfAwards as AReturnOfAwards
from tests.coalition.test_ledger_machine import PARTNERS, Books, Ledger, set_rates
from tests.coalition.test_pairs import (
    Action,
    burn,
    capture,
    earn,
    expire,
    findings,
    owner,
    prepare,
    restore,
    take_back,
    vest,
)
from tests.coalition.test_returns import TestABurn as Burns
from tests.coalition.test_returns import TestAfterAMerge as AfterAMerge
from tests.conftest import NOW, World

Means = Callable[[World], str | None]  # what is wrong with a world's ledger, or None
# A comparison that fails, a lot that is missing or too many, the ledger's own alarm.
NOTICED = (AssertionError, KeyError, StopIteration, psycopg.errors.IntegrityError, psycopg.errors.DataCorrupted)
WALKS, STEPS = 4, 140


class Walk:
    """A walk through the machine of `test_ledger_machine` by dice, weighted so that all of it is seen.

    Hypothesis chooses what shrinks well: in a run of it there may be no capture, or no second return, at all.
    """

    def __init__(self, books: Books, *, seed: int) -> None:
        self.rng = random.Random(seed)
        self.machine = type("LedgerOfAWalk", (Ledger,), {"books": books})()
        self.machine.start(self.rng.choice(["within_balance", "debt", "refuse"]))
        self.members = [self.machine.enrol(), self.machine.enrol()]
        self.merged = [self.machine.enrol()]
        self.transactions: list[Any] = []
        self.holds: list[Any] = []
        self.ways: dict[Callable[[], None], int] = {
            self.earn: 12, self.award: 6, self.burn: 9, self.hold: 5, self.capture: 5, self.void: 1, self.reverse: 12,
            self.adjust: 2, self.claw_back: 5, self.return_a_purchase: 4, self.merge: 1, self.block: 2,
            self.machine.retry: 2, self.machine.post_again_under_a_new_key: 2, self.let_time_pass: 3,
        }  # fmt: skip

    def go(self, steps: int) -> None:
        """Take so many steps; raises AssertionError as soon as the ledger is not as in the model."""
        for way in self.rng.choices(list(self.ways), list(self.ways.values()), k=steps):
            way()

    def earn(self) -> None:
        age = self.rng.choice([0, 0, 1, 2, 727, 728, 728, 729])
        vests = self.rng.choice([None, None, None, 3, 30])
        self.keep(self.machine.earn(*self.someone(), self.rng.randint(1, 300), age, vests, self.rng.random() < 0.4))

    def award(self) -> None:
        awards = [
            (self.rng.choice(PARTNERS), self.rng.randint(1, 150), self.rng.choice([None, None, 2, 3, 400]),
             self.rng.choice([None, None, 3]))
            for _ in range(self.rng.randint(1, 3))
        ]  # fmt: skip
        self.keep(self.machine.award(*self.someone(), awards, self.rng.choice([None, 500])))

    def burn(self) -> None:
        self.keep(self.machine.burn(*self.someone(), self.share()))

    def hold(self) -> None:
        kept = self.machine.hold(*self.someone(), self.share(), self.rng.randint(1, 40))
        self.holds += [kept] if kept else []

    def capture(self) -> None:
        if self.holds:
            kept = self.holds.pop(self.rng.randrange(len(self.holds)))
            self.keep(self.machine.capture(kept, self.rng.choice([None, 30, 70, 110])))

    def void(self) -> None:
        if self.holds:
            self.machine.void(self.rng.choice(self.holds))

    def reverse(self) -> None:
        if self.transactions:
            done, share = self.rng.choice(self.transactions[-12:]), self.rng.choice([None, 30, 60, 90, 130])
            self.machine.reverse(done, share, self.rng.random() < 0.4, self.rng.random() < 0.8)

    def claw_back(self) -> None:
        self.machine.claw_back(*self.someone(), self.rng.randint(0, 600), self.rng.random() < 0.8)

    def return_a_purchase(self) -> None:
        if self.transactions:
            self.machine.return_a_purchase(*self.rng.choices(self.transactions[-12:], k=2))

    def adjust(self) -> None:
        self.machine.adjust(*self.someone(), self.rng.randint(1, 100), self.rng.random() < 0.5)

    def merge(self) -> None:
        member, into = self.rng.sample([*self.members, self.rng.choice(self.merged)], 2)
        merged = self.machine.merge(member, into, True)
        if member.merged_into is not None and member in self.members:
            self.members.remove(member)
            self.members.append(merged)
            self.merged.append(member)

    def block(self) -> None:
        self.machine.block(self.rng.choice(self.members), self.rng.random() < 0.3)

    def let_time_pass(self) -> None:
        self.machine.let_time_pass(self.rng.randint(1, 30), self.rng.random() < 0.15)

    def keep(self, done: Any) -> None:
        """What was posted can be reversed later."""
        self.transactions += [done] if done else []

    def someone(self) -> tuple[Any, UUID]:
        """A member at a partner, now and then one who is merged into another."""
        some = self.members if self.rng.random() < 0.95 else self.merged
        return self.rng.choice(some), self.rng.choice(PARTNERS)

    def share(self) -> int:
        return self.rng.choice([10, 30, 60, 80, 95, 130])


def the_plain_model(world: World) -> str | None:
    """Some walks through the ledger beside its model."""
    set_rates(world)
    books = Books(world, NOW, NOW.date())
    try:
        for seed in range(WALKS):
            Walk(books, seed=seed).go(STEPS)
    except NOTICED as error:
        return f"not as in the model: {error}"
    return None


def verify_finds(invariant: str, *deeds: Action) -> Means:
    """`verify`, after these deeds one by one in the scene of `test_pairs`."""

    def look(world: World) -> str | None:
        scene = prepare(world)
        for deed in deeds:
            with world.transaction() as session:
                deed.run(scene, session)
        return invariant if invariant in [finding.invariant for finding in findings(world)] else None

    return look


def verify_finds_a_gap(world: World) -> str | None:
    """`verify`, after the very first transaction."""
    world.earn(ids.new(), world.member(), 10)
    return NUMBERED if NUMBERED in [finding.invariant for finding in findings(world)] else None


def the_pair(name: str) -> Means:
    """A line of `test_pairs`, where the first commits."""
    (pair,) = [pair for pair in test_pairs.PAIRS if str(pair) == name]

    def look(world: World) -> str | None:
        try:
            test_pairs.play(world, pair, commits=True)
        except NOTICED as error:
            return f"{name}: {error}"
        return None

    return look


def the_test(test: Callable[[World], None]) -> Means:
    """A test of `test_returns`."""

    def look(world: World) -> str | None:
        try:
            test(world)
        except (*NOTICED, CoalitionError, pytest.fail.Exception) as error:
            return str(error)
        return None

    return look


WALLETS = "a wallet holds what its lots, holds and debts say"
LOTS = "a lot holds what was issued less what its postings took"
FIELDS = "a lot's fields agree with each other and with its earn"
NUMBERED = "a member's transactions are numbered without gaps and their postings give each balance"
MOVED = "a transaction's points are what its postings moved"
REVERSED = "no reversals exceed their original"
HOLDS = "a hold is what its transactions say"
EVENTS = "every transaction has exactly its event, which tells the same"


class Fault(NamedTuple):
    """What is `right` in one of the ledger's functions turned into what is `wrong`."""

    name: str
    function: str
    right: str
    wrong: str
    noticed_by: dict[str, Means]

    @contextmanager
    def put_in(self, world: World) -> Iterator[None]:
        """Replace the function in the database of `world`, as its owner, for the time of the block."""
        with owner(world) as connection:
            found = connection.execute("SELECT pg_get_functiondef(%s::regproc)", [f"coalition.{self.function}"])
            (definition,) = found.fetchone() or ("",)
            assert self.right in definition, "the function is another now: this fault needs a new place"
            connection.execute(definition.replace(self.right, self.wrong).encode())
            try:
                yield
            finally:
                connection.execute(definition.encode())


FIRST_EXPIRING = "ORDER BY l.expires_on, l.lot_id;"
GATE = """    IF NOT pg_try_advisory_xact_lock_shared(coalition.day_gate()) THEN
        PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    END IF;
"""

FAULTS = [
    Fault("the wallet is not locked", "ledger_lock", " FOR UPDATE", "", {
        "pair": the_pair("burn 50 | burn 50"),
    }),
    Fault("the day's gate is not taken", "ledger_claim", GATE, "", {
        "pair": the_pair("earn 10 on its day | close the day"),
    }),
    Fault("a key counts as new however often it comes", "ledger_claim", "RETURN FOUND;", "RETURN true;", {
        "model": the_plain_model,
        "pair": the_pair("earn 10, key k | earn 9, key k"),
    }),
    Fault("a refusal is not remembered", "ledger_store_refusal", "AND i.key = r.key", "AND false", {
        "model": the_plain_model,
        "pair": the_pair("burn 99, key k | burn 99, key k"),
    }),
    Fault("a receipt of another member is answered with it", "ledger_known_reference",
          "IF old.member_id <> r.member_id", "IF false", {
        "pair": the_pair("earn 10, receipt 7 | earn 10 of the other, receipt 7"),
    }),
    Fault("the blocked may spend", "ledger_lock", "AND NOT p_even_blocked", "AND false", {
        "model": the_plain_model,
        "pair": the_pair("block | burn 50"),
    }),
    Fault("a lot is skipped", "ledger_consume", FIRST_EXPIRING, FIRST_EXPIRING.replace(";", """
        OFFSET (SELECT (sum(x.remaining - x.held) - max(x.remaining - x.held) >= p_points)::int FROM coalition.lot x
                WHERE x.member_id = t.member_id AND x.is_open);"""), {
        "model": the_plain_model,
    }),
    Fault("what expires last is spent first", "ledger_consume", FIRST_EXPIRING, FIRST_EXPIRING.replace(",", " DESC,"), {
        "model": the_plain_model,
    }),
    Fault("a posting is off by one", "ledger_consume", "p_credit, part,", "p_credit, part + 1,", {
        "verify": verify_finds(LOTS, burn(20)),
        "verify, by the transaction": verify_finds(MOVED, burn(20)),
    }),
    Fault("a lot is off by one", "ledger_consume", "l.remaining - part,", "l.remaining - part - 1,", {
        "model": the_plain_model,
        "verify": verify_finds(WALLETS, burn(20)),
    }),
    Fault("a transaction is not counted", "ledger_lock", "w.version + 1", "w.version", {
        "verify": verify_finds_a_gap,
    }),
    Fault("a number is left out", "ledger_lock", "w.version + 1", "w.version + 2", {
        "verify": verify_finds_a_gap,
    }),
    Fault("a capture has no event", "ledger_finish", "    INSERT INTO kit.event",
          "    IF t.kind = 'capture' THEN RETURN (false, NULL, NULL, t)::coalition.outcome; END IF;\n"
          "    INSERT INTO kit.event", {
        "verify": verify_finds(EVENTS, capture()),
    }),
    Fault("a capture keeps what it did not take", "ledger_end_hold", "t.available_after + h.points - taken",
          "t.available_after", {
        "model": the_plain_model,
        "pair": the_pair("capture 10 | burn 90"),
        "verify": verify_finds(WALLETS, capture(10)),
    }),
    Fault("a capture's lots keep what it did not take", "ledger_end_hold", "IF part < kept.points THEN",
          "IF false THEN", {
        "verify": verify_finds(NUMBERED, capture(10)),
    }),
    Fault("a capture takes the whole hold", "ledger_end_hold", "coalesce(r.points, h.points)", "h.points", {
        "model": the_plain_model,
        "pair": the_pair("capture 10 | capture 20"),
    }),
    Fault("a hold that ended is open", "ledger_end_hold", "THEN 'captured'", "THEN 'open'", {
        "pair": the_pair("capture 10 | capture 20"),
        "verify": verify_finds(HOLDS, capture()),
    }),
    Fault("an expired lot stays open", "ledger_expire", "remaining = l.held, is_open = false", "remaining = l.held", {
        "verify": verify_finds(FIELDS, expire),
    }),
    Fault("points live a day too long", "ledger_expire", "l.expires_on <= p_day", "l.expires_on < p_day", {
        "model": the_plain_model,
    }),
    Fault("the return of a burn forgets the returns before it", "ledger_reverse", "original.points - before",
          "original.points", {
        "model": the_plain_model,
    }),
    Fault("a return forgets the returns before it", "ledger_takings",
          "award.points - taken", "award.points", {
        "model": the_plain_model,
        "verify": verify_finds(REVERSED, take_back("pending", by="b"), take_back("pending", by="b")),
    }),
    Fault("a return gives back the first taken first", "ledger_restore", "ORDER BY p.seq DESC", "ORDER BY p.seq", {
        "model": the_plain_model,
    }),
    Fault("a return takes from other lots before its own", "ledger_consume",
          "ORDER BY coalesce(l.origin_id, l.lot_id) = p_first_lot DESC,", "ORDER BY", {
        "model": the_plain_model,
    }),
    Fault("a return does not find pending points", "ledger_consume",
          "(l.is_open OR l.vests_at IS NOT NULL)", "l.is_open", {
        "model": the_plain_model,
        "test": the_test(AfterAMerge().test_pending_points_of_a_returned_purchase_are_cancelled),
    }),
    Fault("a return forgets the clawbacks before it", "ledger_reclaimable",
          "('issuance', 'breakage')", "('breakage')", {
        "model": the_plain_model,
    }),
    Fault("all awards are the asking partner's", "ledger_awards",
          "coalesce(a.issuer_id, t.partner_id)", "t.partner_id", {
        "model": the_plain_model,
        "test": the_test(AnEarnOfAwards().test_is_a_lot_for_each_with_all_that_was_said_of_it),
    }),
    Fault("all awards live as long as the programme says", "ledger_awards", "coalesce(a.expires_on, t.expires_on)",
          "t.expires_on", {
        "model": the_plain_model,
    }),
    Fault("an award is not pending", "ledger_awards", "coalesce(a.vests_at, t.due_at)", "t.due_at", {
        "model": the_plain_model,
    }),
    Fault("awards are found by any others' reference", "ledger_same_request",
          "old.meta -> 'awards' IS DISTINCT FROM r.meta -> 'awards'", "false", {
        "test": the_test(AnEarnOfAwards().test_is_found_by_its_reference_as_long_as_the_awards_are_the_same),
    }),
    Fault("a return takes the first award first", "ledger_takings", "ORDER BY s.award DESC", "ORDER BY s.award", {
        "model": the_plain_model,
    }),
    Fault("a return takes an award from the asking partner's lots", "ledger_take_back", "'issuance', x.issuer_id",
          "'issuance', t.partner_id", {
        "model": the_plain_model,
    }),
    Fault("a return of awards takes more of an issuer than is left", "ledger_takings",
          "s.most - s.before", "s.points", {
        "model": the_plain_model,
    }),
    Fault("a debt for another issuer's award is the asking partner's", "ledger_take_back",
          "t.txn_id, x.issuer_id, lacking", "t.txn_id, t.partner_id, lacking", {
        "test": the_test(AReturnOfAwards().test_leaves_a_debt_to_each_issuer_whose_points_are_spent),
    }),
    Fault("what an award was for is lost on the way back", "ledger_restore",
          "taken.campaign, taken.rule", "NULL, NULL", {
        "test": the_test(AReturnOfAwards().test_gives_grace_to_an_award_that_expired_meanwhile_and_only_to_it),
    }),
    Fault("what an award was for is lost in a merge", "ledger_merge", "l.is_grace, l.campaign", "l.is_grace, NULL", {
        "test": the_test(AReturnOfAwards().test_follows_what_was_merged_and_what_came_back),
    }),
    Fault("what comes back late keeps its old lot alive", "ledger_restore", " AND NOT graced", "", {
        "model": the_plain_model,
    }),
    Fault("a burn spends what has expired", "ledger_spendable", "l.expires_on <= t.original_business_date", "false", {
        "test": the_test(Burns().test_passes_over_what_has_expired_though_the_night_is_late),
    }),
    Fault("a hold that is overdue keeps its points from a burn", "ledger_lapse_overdue", "h.status = 'open'", "false", {
        "test": the_test(Burns().test_frees_what_holds_keep_beyond_their_time_where_it_needs_it),
    }),
    Fault("vested points stay pending", "ledger_vest", "CASE WHEN vested = 0 THEN x.vests_at END", "x.vests_at", {
        "verify": verify_finds(WALLETS, vest),
    }),
]  # fmt: skip
CASES = [(fault, means) for fault in FAULTS for means in fault.noticed_by]


@pytest.mark.parametrize(("fault", "means"), CASES, ids=[f"{fault.name}-{means}" for fault, means in CASES])
def test_the_suite_notices_that(world: World, fault: Fault, means: str) -> None:
    with fault.put_in(world):
        assert fault.noticed_by[means](world) is not None


def test_walks_through_a_ledger_without_fault_are_those_of_the_plain_model(world: World) -> None:
    assert the_plain_model(world) is None
    assert findings(world) == []


def test_verify_finds_nothing_in_a_ledger_without_fault(world: World) -> None:
    for deeds in [capture(10), expire, take_back("soon", by="a"), burn(20), vest, restore("burned"), earn(5)]:
        assert verify_finds(WALLETS, deeds)(world) is None
    assert findings(world) == []
