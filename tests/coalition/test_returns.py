"""Returns: bounded by what the partner issued, following their lots, with one outcome, keeping nothing else alive."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from coalition import adjustments, closing, ledger, merges, programme, rates, scheduled_postings, verify, wallets
from coalition.cards import with_check_digit
from coalition.ledger import Command, Outcome
from coalition.programme import Rules
from kit import ids
from kit.db import Session
from tests.conftest import APPROVED, NOW, World, act, found, request

A, B = ids.new(), ids.new()
OTHER_CARD = "7001000000130470"
EXPIRING = NOW.replace(year=2024) + timedelta(days=2)  # points earned then expire on 4 March 2026, in two nights


@pytest.fixture
def books(world: World) -> World:
    """A partner A that issues a point for each 1.00, and a B."""
    with world.transaction() as session:
        rates.set_rate(
            session,
            act(),
            partner_id=A,
            points_per_unit=Decimal(1),
            minor_per_unit=100,
            currency="GBP",
            since=date(2020, 1, 1),
        )
    return world


def post(world: World, partner_id: UUID, command: Command, **more: Any) -> Outcome:
    with world.transaction() as session:
        return ledger.post(session, request(partner_id, **more), command)


def claw_back(world: World, partner_id: UUID, member: UUID, amount: int, **more: Any) -> ledger.Transaction:
    command = ledger.Clawback(
        member_id=member, reference=secrets.token_hex(8), amount_minor=amount, currency="GBP", **more
    )
    return post(world, partner_id, command).unwrap()


def reverse(world: World, original: ledger.Transaction, **more: Any) -> ledger.Transaction:
    said = {"original_id": original.transaction_id, "reference": secrets.token_hex(8), **more}
    return post(world, original.partner_id, ledger.Reversal(**said)).unwrap()


def policy(world: World, name: str) -> None:
    with world.transaction() as session:
        rules = programme.rules(session)
        programme.set_rules(session, act(), Rules(**{**vars(rules), "return_policy": name}))


def merge(world: World, member: UUID, into: UUID) -> None:
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=member, into=into, reference=secrets.token_hex(8)).unwrap()


def is_clean(world: World) -> bool:
    with world.transaction() as session:
        verify.snapshot(session)
        return [finding for finding in verify.run(session) if finding.broken] == []


def at(now: datetime, partner_id: UUID) -> ledger.Request:
    return ledger.Request(
        partner_id=partner_id, key=secrets.token_hex(8), request_hash=secrets.token_bytes(32), now=now
    )


class TestWhatAPartnerTakesBack:
    @pytest.mark.parametrize("rule", ["within_balance", "debt", "refuse"])
    def test_is_nothing_where_it_issued_nothing(self, books: World, rule: str) -> None:
        policy(books, rule)
        member = books.member()
        books.earn(B, member, 10_000)
        taken = claw_back(books, A, member, 3_000_000)
        assert (taken.points, taken.debt_repaid, taken.shortfall, taken.debt_after) == (0, 0, 0, 0)
        assert books.available(member) == 10_000
        assert is_clean(books)

    @pytest.mark.parametrize("blocked", [False, True])
    def test_is_with_the_debt_at_most_what_it_issued_and_has_not_taken_back(self, books: World, blocked: bool) -> None:
        policy(books, "debt")
        member = books.member()
        books.earn(B, member, 500)
        earned = books.earn(A, member, None, amount_minor=10_000, currency="GBP")
        books.burn(B, member, 550)
        if blocked:
            with books.transaction() as session:
                merges.block(session, act(), member_id=member, blocked=True)
        first = claw_back(books, A, member, 7_000)
        assert (first.points, first.shortfall, first.debt_after) == (50, 20, 20)
        rest = reverse(books, earned)
        assert (rest.points, rest.shortfall, rest.debt_after) == (0, 30, 50)
        assert claw_back(books, A, member, 10_000).shortfall == 0
        assert reverse(books, earned).shortfall == 0
        assert is_clean(books)

    def test_never_comes_out_of_another_issuers_points(self, books: World) -> None:
        policy(books, "debt")
        member = books.member()
        earned = books.earn(A, member, 100)
        books.burn(B, member, 100)
        books.earn(B, member, 300)
        assert reverse(books, earned).debt_after == 100
        assert books.available(member) == 300
        assert books.earn(B, member, 150).debt_repaid == 100
        assert is_clean(books)

    def test_makes_no_debt_for_a_partner_that_may_make_none(self, books: World) -> None:
        policy(books, "debt")
        member = books.member()
        earned = books.earn(A, member, 100)
        books.burn(B, member, 100)
        taken = reverse(books, earned, may_owe=False)
        assert (taken.shortfall, taken.debt_after) == (100, 0)
        books.earn(A, member, 40)
        books.burn(B, member, 40)
        assert claw_back(books, A, member, 4_000, may_owe=False).debt_after == 0
        assert is_clean(books)

    def test_counts_what_was_issued_to_those_merged_into_the_member(self, books: World) -> None:
        member, other = books.member(), books.member(OTHER_CARD)
        books.earn(A, member, 60)
        claw_back(books, A, member, 2_000)
        merge(books, member, other)
        books.earn(A, other, 5)
        assert claw_back(books, A, other, 100_000).points == 45
        assert claw_back(books, A, other, 100_000).points == 0
        assert is_clean(books)

    def test_counts_what_it_stands_behind_by_an_adjustment(self, books: World) -> None:
        member = books.member()
        gift = adjustments.Adjustment(member_id=member, reference="gift", points=30, credit=True)
        with books.transaction() as session:
            adjustments.adjust(session, APPROVED, request(A), gift).unwrap()
        assert claw_back(books, A, member, 10_000).points == 30
        assert is_clean(books)

    @pytest.mark.parametrize("rule", ["within_balance", "debt", "refuse"])
    def test_is_what_is_pending_too_for_nobody_has_spent_it(self, books: World, rule: str) -> None:
        policy(books, rule)
        member = books.member()
        books.earn(B, member, 70, due_at=NOW + timedelta(days=3))
        books.earn(A, member, 100, due_at=NOW + timedelta(days=3))
        taken = claw_back(books, A, member, 6_000)
        assert (taken.points, taken.shortfall, taken.debt_after, taken.pending_after) == (60, 0, 0, 110)
        rest = claw_back(books, A, member, 10_000)
        assert (rest.points, rest.shortfall, rest.debt_after, rest.pending_after) == (40, 0, 0, 70)
        assert scheduled_postings.vest(books.database, now=NOW + timedelta(days=4)) == 1
        assert books.available(member) == 70
        assert is_clean(books)

    def test_is_what_was_issued_last_whether_it_is_pending_or_not(self, books: World) -> None:
        member = books.member()
        for n in range(4):
            books.earn(A, member, 10, due_at=NOW + timedelta(days=3) if n % 2 else None)
        left = [claw_back(books, A, member, 1_000) for _ in range(4)]
        assert [(each.available_after, each.pending_after) for each in left] == [(20, 10), (10, 10), (10, 0), (0, 0)]
        assert is_clean(books)

    @pytest.mark.parametrize("rule", ["within_balance", "debt", "refuse"])
    def test_is_pending_points_of_other_purchases_where_those_of_this_one_are_spent(
        self, books: World, rule: str
    ) -> None:
        policy(books, rule)
        member = books.member()
        first = books.earn(A, member, 50)
        books.burn(B, member, 50)
        books.earn(A, member, 80, due_at=NOW + timedelta(days=3))
        back = reverse(books, first)
        assert (back.points, back.shortfall, back.debt_after, back.pending_after) == (50, 0, 0, 30)
        assert is_clean(books)

    def test_is_less_by_what_its_clawbacks_took_of_a_pending_purchase(self, books: World) -> None:
        member = books.member()
        earned = books.earn(A, member, None, amount_minor=10_000, currency="GBP", due_at=NOW + timedelta(days=3))
        claw_back(books, A, member, 3_000)
        assert (reverse(books, earned).points, reverse(books, earned).points) == (70, 0)
        assert scheduled_postings.vest(books.database, now=NOW + timedelta(days=4)) == 0
        assert is_clean(books)

    def test_is_bounded_when_returns_come_at_once(self, books: World) -> None:
        policy(books, "debt")
        member = books.member()
        earned = books.earn(A, member, None, amount_minor=10_000, currency="GBP")
        books.burn(B, member, 100)

        def give(n: int) -> ledger.Transaction:
            return reverse(books, earned) if n % 2 else claw_back(books, A, member, 10_000)

        with ThreadPoolExecutor(8) as many:
            made = list(many.map(give, range(8)))
        assert sum(each.points + each.shortfall for each in made) == 100
        assert is_clean(books)

    def test_posts_over_more_than_five_thousand_lots(self, books: World) -> None:
        member = books.member()
        for _ in range(21):
            wanted = [
                (request(A), ledger.Earn(member_id=member, reference=secrets.token_hex(8), points=1))
                for _ in range(250)
            ]
            with books.transaction() as session:
                ledger.post_many(session, wanted)
        with psycopg.connect(str(books.settings.database_url), autocommit=True) as owner:
            owner.execute("ANALYZE coalition.posting, coalition.txn, coalition.lot")  # as autovacuum does, in a minute
        assert claw_back(books, A, member, 1_000_000).points == 5_250
        assert is_clean(books)


class TestPointsThatExpired:
    """Nobody spent them: a return neither takes them from elsewhere nor makes a debt of them."""

    @pytest.mark.parametrize("rule", ["within_balance", "debt", "refuse"])
    def test_are_not_taken_back(self, books: World, rule: str) -> None:
        policy(books, rule)
        member = books.member()
        gone = books.earn(A, member, 1_000, effective_at=EXPIRING)
        now = pass_nights(books, 3)
        back = reverse_at(books, gone, now)
        assert (back.points, back.shortfall, back.debt_after) == (0, 0, 0)
        with books.transaction() as session:
            command = ledger.Clawback(member_id=member, reference="c", amount_minor=100_000, currency="GBP")
            taken = ledger.post(session, at(now, A), command).unwrap()
        assert (taken.points, taken.shortfall, taken.debt_after) == (0, 0, 0)
        assert is_clean(books)

    def test_leave_what_else_the_partner_issued_alone(self, books: World) -> None:
        policy(books, "debt")
        member = books.member()
        old = books.earn(A, member, 100, effective_at=EXPIRING)
        books.burn(B, member, 60)
        books.earn(A, member, 500)
        now = pass_nights(books, 3)
        back = reverse_at(books, old, now)
        assert (back.points, back.available_after) == (60, 440), "of its 100, 40 expired"
        assert is_clean(books)

    def test_are_not_taken_back_behind_a_merge_either(self, books: World) -> None:
        policy(books, "debt")
        member, other = books.member(), books.member(OTHER_CARD)
        gone = books.earn(A, member, 100, effective_at=EXPIRING)
        merge(books, member, other)
        now = pass_nights(books, 3)
        back = reverse_at(books, gone, now)
        assert (back.member_id, back.points, back.shortfall) == (other, 0, 0)
        assert is_clean(books)


class TestPointsThatComeBackAfterTheirExpiry:
    def test_live_for_the_grace_once(self, books: World) -> None:
        with books.transaction() as session:
            programme.set_rules(session, act(), Rules(**{**vars(programme.rules(session)), "grace_days": 3}))
        member = books.member()
        books.earn(A, member, 500, effective_at=EXPIRING)
        burned = books.burn(B, member, 500)
        now = pass_nights(books, 2)
        back = reverse_at(books, burned, now)
        assert back.expires_on == (now + timedelta(days=3)).date()
        with books.transaction() as session:
            spent = ledger.post(session, at(now, B), ledger.Burn(member_id=member, reference="2", points=500)).unwrap()
        now = pass_nights(books, 4, after=2)
        again = reverse_at(books, spent, now)
        assert (again.points, again.expires_on) == (500, back.expires_on), "that was long ago"
        with books.transaction() as session:
            burn = ledger.Burn(member_id=member, reference="3", points=1)
            assert ledger.post(session, at(now, B), burn).refusal is not None
        closing.close_day(books.database, act(books.keyring, now=now + timedelta(days=1)), day=now.date())
        assert books.available(member) == 0
        assert is_clean(books)

    def test_live_for_the_grace_alone_and_keep_nothing_else_alive(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 1_000, effective_at=EXPIRING)
        burned = books.burn(B, member, 1)
        until = NOW + timedelta(days=20)
        held = post(books, B, ledger.Hold(member_id=member, reference="h", points=999, due_at=until)).unwrap()
        now = pass_nights(books, 3)
        back = reverse_at(books, burned, now)
        assert (back.points, back.expires_on) == (1, (now + timedelta(days=30)).date())
        with books.transaction() as session:
            ledger.post(session, at(now, B), ledger.Void(original_id=held.transaction_id, reference="v")).unwrap()
        with books.transaction() as session:
            spent = ledger.post(
                session, at(now, B), ledger.Burn(member_id=member, reference="all", points=1_000)
            ).refusal
        assert spent is not None
        assert spent.fields["available"] == 1
        closing.close_day(books.database, act(books.keyring, now=now + timedelta(days=1)), day=now.date())
        assert books.available(member) == 1
        assert is_clean(books)

    def test_may_be_returned_in_parts_and_burned_and_returned_again(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 100, effective_at=EXPIRING)
        burned = books.burn(B, member, 90)
        now = pass_nights(books, 2)
        reverse_at(books, burned, now, points=30)
        reverse_at(books, burned, now, points=60)
        with books.transaction() as session:
            spent = ledger.post(session, at(now, B), ledger.Burn(member_id=member, reference="2", points=90)).unwrap()
        reverse_at(books, spent, now)
        assert books.available(member) == 90
        with books.transaction() as session:
            origins = set(session.scalars(text("SELECT coalesce(origin_id, lot_id) FROM coalition.lot")))
        assert len(origins) == 1
        assert is_clean(books)

    def test_are_spent_in_the_order_in_which_they_came_back(self, books: World) -> None:
        member = books.member()
        for _ in range(20):  # lots whose ids had been chance within a millisecond
            books.earn(A, member, 10, effective_at=EXPIRING)
        burned = books.burn(B, member, 200)
        now = pass_nights(books, 2)
        back = reverse_at(books, burned, now)
        with books.transaction() as session:
            spent = ledger.post(session, at(now, B), ledger.Burn(member_id=member, reference="2", points=200)).unwrap()
        with books.transaction() as session:
            lots = {
                txn_id: session.scalars(
                    text("SELECT lot_id FROM coalition.posting WHERE txn_id = :txn ORDER BY seq"), {"txn": txn_id}
                ).all()
                for txn_id in (back.transaction_id, spent.transaction_id)
            }
        assert len(set(lots[back.transaction_id])) == 20
        assert lots[spent.transaction_id] == lots[back.transaction_id]


def pass_nights(world: World, nights: int, *, after: int = 0) -> datetime:
    """Close so many days, when those `after` the first are closed; returns the time by then."""
    for n in range(after, after + nights):
        closing.close_day(
            world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=(NOW + timedelta(days=n)).date()
        )
    return NOW + timedelta(days=after + nights)


def reverse_at(world: World, original: ledger.Transaction, now: datetime, **more: Any) -> ledger.Transaction:
    command = ledger.Reversal(original_id=original.transaction_id, reference=secrets.token_hex(8), **more)
    with world.transaction() as session:
        return ledger.post(session, at(now, original.partner_id), command).unwrap()


class TestABurn:
    def test_passes_over_what_has_expired_though_the_night_is_late(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 70, effective_at=EXPIRING)
        books.earn(A, member, 30)
        late = NOW + timedelta(days=20)
        for kind in (ledger.Burn, ledger.Hold):
            more = {"due_at": late + timedelta(days=1)} if kind is ledger.Hold else {}
            with books.transaction() as session:
                command = kind(member_id=member, reference="31", points=31, **more)
                refusal = ledger.post(session, at(late, B), command).refusal
            assert refusal is not None
            assert refusal.fields["available"] == 30
        with books.transaction() as session:
            ledger.post(session, at(late, B), ledger.Burn(member_id=member, reference="30", points=30)).unwrap()
        assert books.available(member) == 70  # until that night runs
        assert is_clean(books)

    def test_of_a_day_before_its_expiry_may_still_spend_points(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 70, effective_at=EXPIRING)
        late = NOW + timedelta(days=20)
        offline = ledger.Burn(member_id=member, reference="offline", points=70, effective_at=NOW)
        with books.transaction() as session:
            ledger.post(session, at(late, B), offline).unwrap()
        assert is_clean(books)

    def test_frees_what_holds_keep_beyond_their_time_where_it_needs_it(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 100)
        held = [
            post(
                books,
                A,
                ledger.Hold(member_id=member, reference=f"h{n}", points=40, due_at=NOW + timedelta(hours=1 + n)),
            )
            for n in range(2)
        ]
        later = NOW + timedelta(minutes=61)
        with books.transaction() as session:
            burn = ledger.Burn(member_id=member, reference="needs", points=60)
            spent = ledger.post(session, at(later, B), burn).unwrap()
        assert (spent.available_after, spent.held_after) == (0, 40)
        with books.transaction() as session:
            first, second = (
                wallets.hold(session, hold_id=each.unwrap().transaction_id, partner_id=A).status for each in held
            )
        assert (first, second) == ("lapsed", "open")
        assert scheduled_postings.lapse_holds(books.database, now=later) == 0
        assert is_clean(books)


class TestAnOverdueHold:
    @pytest.fixture
    def held(self, books: World) -> ledger.Transaction:
        member = books.member()
        books.earn(A, member, 50)
        return post(
            books, A, ledger.Hold(member_id=member, reference="h", points=50, due_at=NOW + timedelta(hours=1))
        ).unwrap()

    @pytest.mark.parametrize("rule", ["within_balance", "debt", "refuse"])
    @pytest.mark.parametrize("by", ["reversal", "clawback", "return"])
    def test_keeps_no_points_from_a_return(self, books: World, held: ledger.Transaction, rule: str, by: str) -> None:
        policy(books, rule)
        later = at(NOW + timedelta(hours=2), A)
        with books.transaction() as session:
            (earned,) = wallets.history(session, member_id=held.member_id, partner_id=A, before=2, limit=1)
            command: Command = {
                "reversal": ledger.Reversal(original_id=earned.transaction_id, reference="r"),
                "clawback": ledger.Clawback(
                    member_id=held.member_id, reference="r", amount_minor=5_000, currency="GBP"
                ),
                "return": ledger.Return(parts=(ledger.Part(original_id=earned.transaction_id),), reference="r"),
            }[by]
            back = ledger.post(session, later, command).unwrap()
        assert (back.points, back.shortfall, back.held_after, back.available_after) == (50, 0, 0, 0)
        assert scheduled_postings.lapse_holds(books.database, now=NOW + timedelta(hours=2)) == 0
        assert is_clean(books)

    def test_keeps_no_wallet_from_being_merged(self, books: World, held: ledger.Transaction) -> None:
        other = books.member(OTHER_CARD)
        with books.transaction() as session:
            merged = merges.merge(
                session, replace(APPROVED, now=NOW + timedelta(hours=2)), member_id=held.member_id, into=other,
                reference="m",
            )  # fmt: skip
        assert merged.refusal is None
        assert books.available(other) == 50
        assert is_clean(books)

    def test_is_given_back_by_a_void(self, books: World, held: ledger.Transaction) -> None:
        void = ledger.Void(original_id=held.transaction_id, reference="v")
        with books.transaction() as session:
            voided = ledger.post(session, at(NOW + timedelta(hours=2), A), void).unwrap()
        assert (voided.available_after, voided.held_after) == (50, 0)
        assert is_clean(books)

    def test_is_not_captured_any_more(self, books: World, held: ledger.Transaction) -> None:
        capture = ledger.Capture(original_id=held.transaction_id, reference="c")
        with books.transaction() as session:
            refusal = ledger.post(session, at(NOW + timedelta(hours=2), A), capture).refusal
        assert refusal is not None
        assert refusal.code == "hold_lapsed"


class TestAfterAMerge:
    def test_pending_points_of_a_returned_purchase_are_cancelled(self, books: World) -> None:
        member, other = books.member(), books.member(OTHER_CARD)
        earned = books.earn(A, member, 80, due_at=NOW + timedelta(days=3))
        merge(books, member, other)
        books.earn(A, other, 500)
        back = reverse(books, earned)
        assert (back.points, back.pending_after, back.available_after) == (80, 0, 500)
        assert scheduled_postings.vest(books.database, now=NOW + timedelta(days=4)) == 0
        assert is_clean(books)

    def test_a_return_takes_the_lot_of_its_purchase_however_often_it_moved(self, books: World) -> None:
        chain = [books.member(card) for card in ("7001000000178503", OTHER_CARD, "7001000000171789")]
        first = books.earn(A, chain[0], 40)
        books.earn(A, chain[0], 30)
        for one, into in pairwise(chain):
            merge(books, one, into)
        reverse(books, first)
        with books.transaction() as session:
            left = dict(
                session.execute(
                    text("SELECT origin_id, remaining FROM coalition.lot WHERE member_id = :m"), {"m": chain[-1]}
                ).all()
            )
        assert left.pop(first.transaction_id) == 0
        assert list(left.values()) == [30]
        assert is_clean(books)

    def test_a_clawback_takes_what_was_issued_last(self, books: World) -> None:
        for _ in range(4):  # lots that moved had ids by chance
            member, other = books.member(next_card()), books.member(next_card())
            books.earn(A, member, 10, effective_at=NOW - timedelta(days=2))
            last = books.earn(A, member, 10)
            merge(books, member, other)
            claw_back(books, A, other, 1_000)
            with books.transaction() as session:
                emptied = session.scalar(
                    text("SELECT origin_id FROM coalition.lot WHERE member_id = :m AND remaining = 0"), {"m": other}
                )
            assert emptied == last.transaction_id


_numbers = count()


def next_card() -> str:
    return with_check_digit(f"7019{next(_numbers):011d}")


class TestAReferenceThatWasPosted:
    """Is answered with what stands under it for the same request only: what is left out matches nothing but itself."""

    def same(self, world: World, first: Command, again: Command, *, partner_id: UUID = A) -> str:
        post(world, partner_id, first).unwrap()
        outcome = post(world, partner_id, again)
        return outcome.refusal.code if outcome.refusal else "replayed" if outcome.replayed else "posted"

    @pytest.mark.parametrize(
        ("first", "again"),
        [
            ({"points": 5}, {}),
            ({}, {"points": 10}),
            ({"amount_minor": 500, "currency": "GBP"}, {"points": 5}),
            ({"amount_minor": 1_000, "currency": "GBP"}, {}),
            ({}, {"amount_minor": 1_000, "currency": "GBP"}),
            ({"points": 5}, {"points": 6}),
        ],
    )
    def test_returns_apart_by_how_much_was_asked_for(self, books: World, first: Any, again: Any) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=1_000, currency="GBP")
        of = {"original_id": earned.transaction_id, "reference": "R"}
        assert self.same(books, ledger.Reversal(**of, **first), ledger.Reversal(**of, **again)) == "reference_reused"

    @pytest.mark.parametrize("asked", [{"points": 5}, {}, {"amount_minor": 500, "currency": "GBP"}])
    def test_takes_the_same_return_for_the_same(self, books: World, asked: Any) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=1_000, currency="GBP")
        of = {"original_id": earned.transaction_id, "reference": "R", **asked}
        assert self.same(books, ledger.Reversal(**of), ledger.Reversal(**of)) == "replayed"

    @pytest.mark.parametrize(("first", "again"), [(None, 50), (50, None), (20, None), (20, 21)])
    def test_tells_captures_apart(self, books: World, first: int | None, again: int | None) -> None:
        member = books.member()
        books.earn(A, member, 50)
        until = NOW + timedelta(hours=1)
        held = post(books, A, ledger.Hold(member_id=member, reference="h", points=50, due_at=until)).unwrap()
        of = {"original_id": held.transaction_id, "reference": "R"}
        assert self.same(books, ledger.Capture(**of, points=first), ledger.Capture(**of, points=first)) == "replayed"
        assert post(books, A, ledger.Capture(**of, points=again)).refusal.code == "reference_reused"

    def test_tells_times_of_vesting_and_of_holds_apart(self, books: World) -> None:
        member = books.member()
        soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
        earn = {"member_id": member, "reference": "R", "points": 5}
        assert self.same(books, ledger.Earn(**earn), ledger.Earn(**earn, due_at=soon)) == "reference_reused"
        earn["reference"] = "S"
        assert self.same(books, ledger.Earn(**earn, due_at=soon), ledger.Earn(**earn)) == "reference_reused"
        hold = {"member_id": member, "reference": "H", "points": 5}
        assert (
            self.same(books, ledger.Hold(**hold, due_at=soon), ledger.Hold(**hold, due_at=later)) == "reference_reused"
        )

    def test_tells_amounts_and_points_of_an_earn_apart(self, books: World) -> None:
        earn = {"member_id": books.member(), "reference": "R"}
        by_amount = ledger.Earn(**earn, amount_minor=500, currency="GBP")
        assert self.same(books, by_amount, ledger.Earn(**earn, points=5)) == "reference_reused"
        assert post(books, A, by_amount).replayed

    def test_tells_adjustments_apart_by_their_direction(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 50)

        def adjust(credit: bool) -> Outcome:
            command = adjustments.Adjustment(member_id=member, reference="R", points=5, credit=credit)
            with books.transaction() as session:
                return adjustments.adjust(session, APPROVED, request(A), command)

        adjust(True).unwrap()
        assert adjust(True).replayed
        assert adjust(False).refusal.code == "reference_reused"


class TestAReferenceThatWasPostedBeforeAMerge:
    """Is answered for whoever has the points now: a card that moved brings the same receipts."""

    @pytest.fixture
    def into(self, books: World) -> UUID:
        return books.member(OTHER_CARD)

    @pytest.mark.parametrize("kind", ["earn", "burn", "hold", "clawback"])
    def test_is_replayed_for_the_member_merged_into(self, books: World, into: UUID, kind: str) -> None:
        member = books.member()
        books.earn(A, member, 50)
        soon = NOW + timedelta(hours=1)
        measure = {"clawback": {"amount_minor": 500, "currency": "GBP"}, "hold": {"points": 5, "due_at": soon}}
        said = {"reference": "R", **measure.get(kind, {"points": 5})}
        type_ = {"earn": ledger.Earn, "burn": ledger.Burn, "hold": ledger.Hold, "clawback": ledger.Clawback}[kind]
        first = post(books, A, type_(member_id=member, **said)).unwrap()
        if kind == "hold":
            post(books, A, ledger.Void(original_id=first.transaction_id, reference="V")).unwrap()
        merge(books, member, into)
        before = books.available(into)
        for whose in (into, member):
            again = post(books, A, type_(member_id=whose, **said))
            assert (again.replayed, again.unwrap().transaction_id) == (True, first.transaction_id)
        assert books.available(into) == before
        said |= {"amount_minor": 600} if kind == "clawback" else {"points": 6}
        assert post(books, A, type_(member_id=into, **said)).refusal.code == "reference_reused"
        stranger = books.member(next_card())
        assert post(books, A, type_(member_id=stranger, **said)).refusal.code == "reference_of_another_member"

    @pytest.mark.parametrize("asked", [{"points": 5}, {}, {"amount_minor": 500, "currency": "GBP"}])
    def test_is_replayed_of_a_return(self, books: World, into: UUID, asked: Any) -> None:
        member = books.member()
        earned = books.earn(A, member, None, amount_minor=1_000, currency="GBP")
        of = ledger.Reversal(original_id=earned.transaction_id, reference="R", **asked)
        first = post(books, A, of).unwrap()
        merge(books, member, into)
        again = post(books, A, of)
        assert (again.replayed, again.unwrap().transaction_id) == (True, first.transaction_id)
        assert is_clean(books)


class TestAReturnByAmount:
    def test_takes_all_of_a_purchase_that_is_returned_in_parts(self, books: World) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=1_099, currency="GBP")
        parts = [reverse(books, earned, amount_minor=minor, currency="GBP").points for minor in (333, 333, 433)]
        assert sum(parts) == earned.points == 10

    @pytest.mark.parametrize("order", [[("points", 5), ("minor", 500)], [("minor", 500), ("points", 5)]])
    def test_takes_as_much_beside_returns_by_points(self, books: World, order: Any) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=1_000, currency="GBP")
        for name, many in order:
            asked = {"points": many} if name == "points" else {"amount_minor": many, "currency": "GBP"}
            assert reverse(books, earned, **asked).points == 5
        assert reverse(books, earned).points == 0


class TestAWholeReturn:
    def test_of_a_purchase_that_earned_nothing_notes_its_amount(self, books: World) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=99, currency="GBP")
        back = reverse(books, earned)
        assert (earned.points, back.points, back.amount_minor) == (0, 0, 99)
        assert is_clean(books)

    def test_of_what_is_all_back_is_no_points(self, books: World) -> None:
        member = books.member()
        earned = books.earn(A, member, 20)
        burned = books.burn(A, member, 5)
        for original in (burned, earned):
            reverse(books, original)
            assert reverse(books, original).points == 0
        assert is_clean(books)


class TestARefusalThatCanPass:
    def again(self, world: World, command: Command, then: Callable[[Session], object], *, later: timedelta) -> Outcome:
        key, content = secrets.token_hex(8), secrets.token_bytes(32)
        refused = post(world, A, command, key=key, content=content)
        assert refused.refusal is not None
        assert not post(world, A, command, key=key, content=content).replayed
        with world.transaction() as session:
            then(session)
            asked = ledger.Request(partner_id=A, key=key, request_hash=content, now=NOW + later)
            return ledger.post(session, asked, command)

    def test_is_not_kept_while_a_clock_goes_ahead(self, books: World) -> None:
        command = ledger.Earn(
            member_id=books.member(), reference="R", points=5, effective_at=NOW + timedelta(minutes=6)
        )
        assert self.again(books, command, lambda _: None, later=timedelta(minutes=2)).unwrap().points == 5

    def test_is_not_kept_while_there_is_no_rate(self, books: World) -> None:
        command = ledger.Earn(member_id=books.member(), reference="R", amount_minor=500, currency="EUR")

        def set_rate(session: Session) -> None:
            rates.set_rate(
                session,
                act(),
                partner_id=A,
                points_per_unit=Decimal(1),
                minor_per_unit=100,
                currency="EUR",
                since=NOW.date(),
            )

        assert self.again(books, command, set_rate, later=timedelta(0)).unwrap().points == 5

    def test_is_not_kept_while_the_member_is_blocked(self, books: World) -> None:
        member = books.member()
        with books.transaction() as session:
            merges.block(session, act(), member_id=member, blocked=True)
        command = ledger.Earn(member_id=member, reference="R", points=5)

        def unblock(session: Session) -> None:
            merges.block(session, act(), member_id=member, blocked=False)

        assert self.again(books, command, unblock, later=timedelta(0)).unwrap().points == 5

    def test_is_kept_where_the_member_was_told_no(self, books: World) -> None:
        member = books.member()
        command = ledger.Burn(member_id=member, reference="R", points=5)
        asked = request(B)
        with books.transaction() as session:
            ledger.post(session, asked, command)
        books.earn(A, member, 50)
        with books.transaction() as session:
            outcome = ledger.post(session, asked, command)
        assert outcome.replayed
        assert outcome.refusal.code == "insufficient_points"


class TestAReturnOfAPurchase:
    """One operation over its transactions: all or none, and the same however they are listed."""

    def send(self, world: World, parts: list[ledger.Transaction], **more: Any) -> Outcome:
        asked = more.pop("request", None) or request(A)
        reference = more.pop("reference", secrets.token_hex(8))
        listed = tuple(ledger.Part(original_id=part.transaction_id, **more) for part in parts)
        with world.transaction() as session:
            return ledger.post(session, asked, ledger.Return(reference=reference, parts=listed))

    @pytest.mark.parametrize("swapped", [False, True])
    def test_has_one_outcome_whatever_the_order(self, books: World, swapped: bool) -> None:
        member = books.member()
        books.earn(A, member, 50)
        burned = books.burn(A, member, 50)
        earned = books.earn(A, member, 21)
        books.burn(B, member, 21)
        parts = [earned, burned] if swapped else [burned, earned]
        outcome = self.send(books, parts)
        assert [each.reverses_transaction_id for each in outcome.reversals] == [part.transaction_id for part in parts]
        assert outcome.unwrap().available_after == books.available(member) == 29
        assert is_clean(books)

    def test_is_refused_as_a_whole_and_names_the_part(self, books: World) -> None:
        policy(books, "refuse")
        member = books.member()
        books.earn(B, member, 50)
        burned = books.burn(A, member, 50)
        earned = books.earn(A, member, 21)
        books.burn(B, member, 21)
        asked = request(A)
        for replayed in (False, True):
            refused = self.send(books, [burned, earned], request=asked)
            assert refused.refusal is not None
            assert refused.refusal.code == "points_spent"
            assert refused.refusal.fields["transaction_id"] == ids.show(ids.TRANSACTION, earned.transaction_id)
            assert refused.replayed is replayed
        assert books.available(member) == 0
        assert is_clean(books)

    def test_is_answered_again_under_its_key_and_its_reference(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 50)
        parts = [books.burn(A, member, 20), books.earn(A, member, 9)]
        asked = request(A)
        first = self.send(books, parts, request=asked, reference="R")
        for again in (asked, request(A)):
            outcome = self.send(books, parts, request=again, reference="R")
            assert outcome.replayed
            assert outcome.reversals == first.reversals
        other = ledger.Request(partner_id=A, key=asked.key, request_hash=secrets.token_bytes(32), now=NOW)
        assert code(self.send(books, parts, request=other, reference="R")) == "idempotency_key_reused"

    @pytest.mark.parametrize(
        ("before", "after"),
        [("ab", "a"), ("ab", "b"), ("a", "ab"), ("b", "ab"), ("ab", "c"), ("ab", "abc"), ("ab", "bc")],
    )
    def test_is_neither_replayed_nor_added_to_under_its_reference_with_others(
        self, books: World, before: str, after: str
    ) -> None:
        member = books.member()
        books.earn(A, member, 50)
        bought = {"a": books.burn(A, member, 20), "b": books.earn(A, member, 9), "c": books.earn(A, member, 4)}
        first = self.send(books, [bought[each] for each in before], reference="R")
        available = books.available(member)
        asked = request(A)
        for replayed in (False, True):
            reused = self.send(books, [bought[each] for each in after], reference="R", request=asked)
            assert (code(reused), reused.replayed) == ("reference_reused", replayed)
            stands = {ids.show(ids.TRANSACTION, each.transaction_id) for each in first.reversals}
            assert reused.refusal.fields["transaction_id"] in stands
        assert books.available(member) == available
        assert self.send(books, [bought[each] for each in before], reference="R").replayed
        assert is_clean(books)

    def test_is_not_what_a_reversal_under_its_reference_was(self, books: World) -> None:
        member = books.member()
        burned, earned = books.earn(A, member, 9), books.earn(A, member, 20)
        reverse(books, burned, reference="R")
        assert code(self.send(books, [burned, earned], reference="R")) == "reference_reused"
        assert self.send(books, [burned], reference="R").replayed
        assert books.available(member) == 20

    @pytest.mark.parametrize("same", [True, False])
    def test_of_which_eight_come_at_once_is_posted_once(self, books: World, same: bool) -> None:
        """The same one, or two of them with other content under one reference."""
        member = books.member()
        books.earn(A, member, 50)
        parts = [books.burn(A, member, 20), books.earn(A, member, 9)]

        def one(number: int) -> Outcome:
            return self.send(books, parts if same or number % 2 else parts[:1], reference="R")

        with ThreadPoolExecutor(8) as many:
            outcomes = list(many.map(one, range(8)))
        done = [outcome for outcome in outcomes if outcome.refusal is None]
        assert sum(not outcome.replayed for outcome in done) == 1
        assert all(outcome.reversals == done[0].reversals for outcome in done)
        assert {code(outcome) for outcome in outcomes if outcome.refusal} == (set() if same else {"reference_reused"})
        assert len(done) == (8 if same else 4)
        assert is_clean(books)

    def test_in_parts_comes_to_the_whole_and_never_to_more(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 50)
        parts = [books.burn(A, member, 20), books.earn(A, member, 15)]
        for points in (7, 8):
            assert [each.points for each in self.send(books, parts, points=points).reversals] == [points, points]
        over = self.send(books, parts, points=1)  # of the burn five are left, of the earn none
        assert code(over) == "more_than_reversible"
        assert over.refusal.fields["transaction_id"] == ids.show(ids.TRANSACTION, parts[1].transaction_id)
        assert [each.points for each in self.send(books, parts).reversals] == [5, 0]
        assert [each.points for each in self.send(books, parts).reversals] == [0, 0]
        assert books.available(member) == 50
        assert is_clean(books)

    def test_takes_what_reversals_before_it_left_and_leaves_nothing_to_those_after(self, books: World) -> None:
        member = books.member()
        books.earn(A, member, 50)
        parts = [books.burn(A, member, 20), books.earn(A, member, 15)]
        reverse(books, parts[0], points=3)
        assert [each.points for each in self.send(books, parts).reversals] == [17, 15]
        assert reverse(books, parts[0]).points == 0
        refused = post(books, A, ledger.Reversal(original_id=parts[1].transaction_id, reference="late", points=1))
        assert code(refused) == "more_than_reversible"
        assert books.available(member) == 50
        assert is_clean(books)

    def test_takes_a_capture_back_to_its_lots_but_never_the_hold(self, books: World) -> None:
        member = books.member()
        books.earn(B, member, 50)
        hold = ledger.Hold(member_id=member, reference="h", points=40, due_at=NOW + timedelta(hours=1))
        held = post(books, A, hold).unwrap()
        captured = post(books, A, ledger.Capture(original_id=held.transaction_id, reference="c", points=30)).unwrap()
        earned = books.earn(A, member, 9)
        refused = self.send(books, [held, earned])
        assert code(refused) == "not_reversible"
        assert refused.refusal.fields["transaction_id"] == ids.show(ids.TRANSACTION, held.transaction_id)
        assert [each.points for each in self.send(books, [captured, earned]).reversals] == [30, 9]
        assert books.available(member) == 50
        assert is_clean(books)

    def test_of_a_purchase_that_earned_and_moved_nothing_is_posted(self, books: World) -> None:
        earned = books.earn(A, books.member(), None, amount_minor=99, currency="GBP")
        outcome = self.send(books, [earned])
        assert [(each.points, each.amount_minor) for each in outcome.reversals] == [(0, 99)]
        assert is_clean(books)

    def test_follows_its_points_into_the_member_merged_into(self, books: World) -> None:
        member, other = books.member(), books.member(OTHER_CARD)
        books.earn(B, member, 50)
        burned, earned = books.burn(A, member, 20), books.earn(A, member, 9)
        merge(books, member, other)
        late = books.earn(A, other, 4)
        outcome = self.send(books, [earned, burned, late])
        assert {each.member_id for each in outcome.reversals} == {other}
        assert [each.points for each in outcome.reversals] == [9, 20, 4]
        assert books.available(other) == 50
        assert is_clean(books)

    def test_is_of_one_member(self, books: World) -> None:
        parts = [books.earn(A, books.member(card), 5) for card in ("7001000000178503", OTHER_CARD)]
        assert code(self.send(books, parts)) == "several_members"

    def test_takes_no_transaction_of_another_partner(self, books: World) -> None:
        member = books.member()
        mine, foreign = books.earn(A, member, 5), books.earn(B, member, 5)
        assert code(self.send(books, [mine, foreign])) == "original_not_found"
        assert books.available(member) == 10


def code(outcome: Outcome) -> str | None:
    return outcome.refusal and outcome.refusal.code


def test_points_vest_before_the_day_they_expire_in_the_programmes_zone(
    engines: Any, fresh_database: Callable[[], str], tmp_path: Any
) -> None:
    world = found(engines, fresh_database(), tmp_path, time_zone="Pacific/Auckland")
    member = world.member()
    bought = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)  # 13:00 in Auckland on 2 March 2026: expires on 2 March 2028 there
    last_instant = datetime(2028, 3, 1, 10, 59, tzinfo=UTC)  # 23:59 there on 1 March

    def earn(vests_at: datetime) -> Outcome:
        command = ledger.Earn(
            member_id=member, reference=secrets.token_hex(8), points=5, effective_at=bought, due_at=vests_at
        )
        return post(world, A, command)

    assert earn(last_instant).refusal is None
    refused = earn(last_instant + timedelta(minutes=1)).refusal
    assert refused is not None
    assert refused.code == "vests_out_of_range"
    world.database.close()
