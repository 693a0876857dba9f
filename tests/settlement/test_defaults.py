"""A partner that leaves or stops paying: whom it owes is paid, from its deposit and then by the coalition."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from sqlalchemy import text

from coalition import programme
from kit import audit, ids
from kit.audit import ReasonMissing
from partners import lifecycle
from partners.accounts import PartnerNotFound
from partners.lifecycle import Leaving, LeavingOutOfOrder
from settlement import approvals, defaults, entries, exposure, nightly, payments, policies, runs
from settlement.accounting import accounts, journal
from settlement.defaults import AlreadyInDefault, Claim, DefaultNeedsApproval, StillTrading
from settlement.instructions import NothingToPay
from settlement.runs import Run
from tests.conftest import NOW, World, act
from tests.service import terminal
from tests.settlement.months import agree
from tests.settlement.test_bank_import import answer, booking, read, statement
from tests.settlement.test_instructions import (
    COALITION_IBAN,
    DAY,
    GROUP,
    IBANS,
    MIDNIGHT,
    instruct,
    party,
    said,
    state,
    trade,
)

__all__ = ["terminal"]
ONE_DAY = timedelta(days=1)
Data = st.DataObject


def deposit(world: World, code: str, amount: int) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(
            "UPDATE settlement.agreement SET deposit_minor = %s WHERE partner_id = %s", (amount, party(world, code))
        )


def suspend(world: World, partner_id: UUID) -> None:
    with world.transaction() as session:
        lifecycle.suspend(session, act(world.keyring, now=MIDNIGHT, reason="unpaid"), partner_id=partner_id)


def declare(world: World, partner_id: UUID, **more: Any) -> defaults.Default:
    doing = {"now": MIDNIGHT, "reason": "insolvent", "by": "ann", "approved_by": "ben", **more}
    with world.transaction() as session:
        return defaults.declare(session, act(world.keyring, **doing), partner_id=partner_id)


def fail(world: World, partner_id: UUID | None = None) -> defaults.Default:
    """Let a partner, the grocer if no other is named, be suspended and in default."""
    partner_id = partner_id or party(world, "greengrocer")
    suspend(world, partner_id)
    return declare(world, partner_id)


def claims(world: World) -> list[Claim]:
    with world.transaction() as session:
        return defaults.claims(session)


def references(world: World, run: Run) -> dict[int, str]:
    with world.transaction() as session:
        return {one.amount_minor: payments.reference(one.payment_id) for one in runs.payments(session, run.run_id)}


def paid_by_the_coalition(world: World, run: Run) -> None:
    """The coalition's bank books the station's 0.61 and the book shop's 0.40."""
    names = references(world, run)
    entries_ = [booking("0.61", "DBIT", to=names[61]), booking("0.40", "DBIT", to=names[40])]
    read(world, statement(*entries_))


def test_the_coalition_pays_in_the_place_of_a_partner_in_default(world: World, terminal) -> None:
    run = trade(world, netting=policies.DIRECT)
    deposit(world, "greengrocer", 50)
    assert fail(world).covered == 2
    with world.transaction() as session:
        told = session.execute(
            text("""
                SELECT e.data ->> 'amount_minor' AS amount, p.code FROM kit.event e
                JOIN partners.partner p USING (partner_id) WHERE type = :type ORDER BY 1, 2
            """),
            {"type": defaults.EVENT},
        ).all()
    assert [tuple(row) for row in told] == [
        ("40", "greengrocer"), ("40", "pagebound"), ("61", "fuelway"), ("61", "greengrocer"),
    ]  # fmt: skip
    shown = terminal("settlement", "show", ids.show(ids.SETTLEMENT_RUN, run.run_id)).output
    assert shown.count("due, covered for a partner in default") == 2
    grocer = party(world, "greengrocer")
    assert claims(world) == [Claim(grocer, "GBP", 50, 51)]
    with pytest.raises(NothingToPay):
        instruct(world, run, "greengrocer")
    file = instruct(world, run)
    assert said(file, f"{GROUP}/DbtrAcct/Id/IBAN") == [COALITION_IBAN]
    assert sorted(said(file, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt")) == ["0.40", "0.61"]
    assert instruct(world, run) == file
    paid_by_the_coalition(world, run)
    assert state(world, run) == "settled"
    with world.transaction() as session:
        (own,) = [one for one in exposure.read(session) if one.partner_id == grocer]
        last = [
            entry.facts for entry in audit.newest(session, limit=20) if entry.facts["action"] == "partner.defaulted"
        ]
    assert (own.unpaid_minor, own.deposit_minor) == (101, 50), "what others paid for it it owes still"
    assert (last[0]["facts"]["covered"], last[0]["facts"]["approved_by"]) == (2, "ben")
    table = terminal("settlement", "claims").output
    assert ["greengrocer", "GBP", "0.50", "0.51"] in [line.split() for line in table.splitlines()]


def test_a_default_before_the_approval_covers_what_is_approved_then(world: World) -> None:
    run = trade(world, netting=policies.DIRECT, approved=False)
    assert fail(world).covered == 0
    assert claims(world) == []
    with world.transaction() as session:
        for by in ("ann", "ben"):
            approvals.approve(session, act(world.keyring, now=MIDNIGHT, by=by), run_id=run.run_id)
    assert claims(world) == [Claim(party(world, "greengrocer"), "GBP", 0, 101)]


@pytest.mark.parametrize("netting", policies.NETTINGS)
def test_what_an_abandoned_run_had_covered_is_no_claim_and_the_next_attempt_is_covered(world, netting: str) -> None:
    run = trade(world, netting=netting)
    deposit(world, "greengrocer", 50)
    fail(world)
    doing = act(world.keyring, now=MIDNIGHT, by="ann", reason="again")
    with world.transaction() as session:
        again = approvals.abandon(session, doing, run_id=run.run_id)
    assert claims(world) == []
    nightly.calculate(world.database, doing, again.run_id)
    with world.transaction() as session:
        for by in ("ann", "ben"):
            approvals.approve(session, replace(doing, by=by), run_id=again.run_id)
    assert claims(world) == [Claim(party(world, "greengrocer"), "GBP", 50, 51)]


def test_through_the_coalition_what_it_was_to_get_is_covered_and_payees_are_paid(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    deposit(world, "greengrocer", 200)
    fail(world)
    assert claims(world) == [Claim(party(world, "greengrocer"), "GBP", 101, 0)]
    with world.transaction() as session:
        found = {one.payment.amount_minor: one.status for one in payments.of_run(session, run.run_id)}
    assert found == {101: "paid", 61: "due", 40: "due"}
    instruct(world, run)
    paid_by_the_coalition(world, run)
    assert state(world, run) == "settled"


def test_what_stands_in_the_partners_own_file_the_coalition_pays_by_hand(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    file = instruct(world, run, "greengrocer")
    fail(world)
    assert instruct(world, run, "greengrocer") == file, "the same bytes, whatever happened since"
    with pytest.raises(NothingToPay):
        instruct(world, run)
    paid_by_the_coalition(world, run)
    assert state(world, run) == "settled"


def test_a_payment_that_comes_back_after_the_default_is_covered(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    instruct(world, run, "greengrocer")
    names, account = references(world, run), IBANS["greengrocer"]
    read(world, statement(*(booking(a, "DBIT", to=names[n]) for a, n in (("0.61", 61), ("0.40", 40))), account=account))
    assert state(world, run) == "settled"
    assert fail(world).covered == 0
    back = booking("0.61", "CRDT", to=names[61], more="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>", on="2026-03-05")
    read(world, statement(back, number="S-2", account=account))
    assert state(world, run) == "instructed"
    assert claims(world) == [Claim(party(world, "greengrocer"), "GBP", 0, 61)]


def test_what_its_bank_makes_after_the_default_all_the_same_counts(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    instruct(world, run, "greengrocer")
    fail(world)
    names, account = references(world, run), IBANS["greengrocer"]
    read(world, statement(*(booking(a, "DBIT", to=names[n]) for a, n in (("0.61", 61), ("0.40", 40))), account=account))
    assert state(world, run) == "settled", "and nobody pays it by hand"


def test_what_is_covered_after_the_coalitions_file_goes_into_another(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    names, account = references(world, run), IBANS["greengrocer"]
    read(world, statement(booking("0.61", "DBIT", words=names[61]), account=account))
    assert fail(world).covered == 1
    first = instruct(world, run)
    assert said(first, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt") == ["0.40"]
    back = booking("0.61", "CRDT", words=names[61], more="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>", on="2026-03-05")
    read(world, statement(back, number="S-2", account=account))
    assert instruct(world, run) == first
    second = instruct(world, run, another=True)
    assert said(second, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt") == ["0.61"]
    assert said(second, f"{GROUP}/DbtrAcct/Id/IBAN") == [COALITION_IBAN]
    read(world, statement(booking("0.61", "DBIT", to=names[61]), booking("0.40", "DBIT", to=names[40]), number="S-3"))
    assert state(world, run) == "settled"


def test_what_the_coalition_covers_and_its_bank_rejects_goes_into_another_file(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    fail(world)
    first = instruct(world, run)
    read(world, answer(first, message="<GrpSts>RJCT</GrpSts>"))
    again = instruct(world, run, another=True)
    assert sorted(said(again, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt")) == ["0.40", "0.61"]
    assert said(again, f"{GROUP}/DbtrAcct/Id/IBAN") == [COALITION_IBAN]
    assert instruct(world, run, another=True) == again


def test_points_of_a_partner_that_left_are_taken_and_paid_for(world: World) -> None:
    """Members keep what they have, and the redeemer is owed for it: by who left, or, in default, by the coalition."""
    grocer, fuel = (world.partner(code).partner_id for code in ("grocer", "fuel"))
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(approvals=1))
    agree(world, grocer, DAY, deposit_minor=15)
    member = world.member()
    world.earn(grocer, member, 100)
    past = Leaving(NOW - ONE_DAY, NOW, NOW)
    with world.transaction() as session:
        with pytest.raises(LeavingOutOfOrder):
            lifecycle.leave(session, act(reason="sold"), partner_id=grocer, times=past)
        lifecycle.leave(session, act(reason="sold"), partner_id=grocer, times=Leaving(NOW, NOW, NOW))
    with world.transaction() as session:
        assert lifecycle.finish_leaving(session, act(world.keyring, now=NOW)) == 1
    assert world.available(member) == 100
    world.burn(fuel, member, 40)
    declare(world, grocer, approved_by=None)
    nightly.run(world.database, act(world.keyring, now=MIDNIGHT), day=DAY)
    with world.transaction() as session:
        run = runs.of_day(session, DAY)
        approvals.approve(session, act(world.keyring, now=MIDNIGHT), run_id=run.run_id)
        (payment,) = payments.of_run(session, run.run_id)
        fund = programme.get(session).programme_id
    assert (payment.payment.payee_id, payment.open_minor, payment.paid_by(fund)) == (fuel, 40, fund)
    assert claims(world) == [Claim(grocer, "GBP", 15, 25)]
    assert world.available(member) == 60


def books(world: World) -> dict[str, int]:
    """What stands on the accounts that a default is in, and on the banks', in minor units; each company's balance."""
    found, companies = Counter[str](), Counter[str]()
    with world.transaction() as session:
        for one in journal.read(session, DAY, DAY + 2 * ONE_DAY, accounts=accounts.DEFAULT).entries:
            for posting in one.postings:
                found[posting.account] += posting.amount_minor
                companies[one.company] += posting.amount_minor
    assert not any(companies.values())
    wanted = ("Bank", "Default", "Defaults", "Transit", "Settlement")
    return {name: n for name, n in found.items() if n and name.rpartition(":")[2] in wanted}


@pytest.mark.parametrize("netting", policies.NETTINGS)
def test_in_the_books_it_is_owed_to_the_coalition_that_paid(world: World, netting: str) -> None:
    run = trade(world, netting=netting)
    fail(world)
    instruct(world, run)
    paid_by_the_coalition(world, run)
    assert state(world, run) == "settled"
    nightly.run(world.database, act(world.keyring, now=NOW + 2 * ONE_DAY), day=DAY + ONE_DAY)
    nightly.run(world.database, act(world.keyring, now=NOW + 3 * ONE_DAY), day=DAY + 2 * ONE_DAY)
    assert books(world) == {
        "Liabilities:Greengrocer:Default": -101, "Assets:Coalition:Defaults": 101, "Assets:Coalition:Bank": -101,
        "Assets:Fuelway:Bank": 61, "Assets:Pagebound:Bank": 40,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said_", "error"),
    [({"approved_by": None}, DefaultNeedsApproval), ({"approved_by": " ANN "}, DefaultNeedsApproval),
     ({"reason": None}, ReasonMissing)],
)  # fmt: skip
def test_a_default_takes_a_reason_and_as_many_people_as_the_policy_says(world: World, said_: Any, error: Any) -> None:
    grocer = world.partner("grocer").partner_id
    suspend(world, grocer)
    with pytest.raises(error):
        declare(world, grocer, **said_)
    assert world.count("settlement.partner_default") == 0


def test_a_default_is_of_a_partner_that_no_longer_trades_and_is_declared_once(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    with pytest.raises(StillTrading):
        declare(world, grocer)
    suspend(world, grocer)
    declare(world, grocer)
    with pytest.raises(AlreadyInDefault):
        declare(world, grocer)
    with pytest.raises(PartnerNotFound):
        declare(world, uuid4())
    assert world.count("settlement.partner_default") == 1


def test_each_refusal_is_one_line_at_the_terminal(world: World, terminal) -> None:
    world.partner("grocer")
    for words, code in (
        (("nobody",), "partner_not_found"),
        (("grocer",), "still_trading"),
    ):
        done = terminal("partner", "default", *words, "--reason", "unpaid", "--by", "ann")
        assert done.exit_code == 1
        assert done.output.strip().endswith(f"({code})")


amounts = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 900), st.sampled_from(("GBP", "EUR"))), max_size=9
)


@tried(max_examples=12, deadline=None)
@given(st.data())
def test_payees_get_all_they_are_owed_and_no_deposit_is_overdrawn(shared_world: World, data: Data) -> None:
    world = shared_world
    parties = [world.partner(f"p{secrets.token_hex(5)}").partner_id for _ in range(4)]
    broken, deposited, netting = (
        parties[0],
        data.draw(st.integers(0, 900)),
        data.draw(st.sampled_from(policies.NETTINGS)),
    )
    with world.transaction() as session:
        policies.put(session, act(world.keyring), policies.Policy(netting=netting, approvals=1))
        fund, day = programme.get(session).programme_id, programme.get(session).open_day
    for one in parties:
        agree(world, one, day, deposit_minor=deposited)
    failed_on, owing = data.draw(st.integers(0, 2)), Counter[Any]()
    for n in range(2):
        noon = datetime.combine(day, time(12), UTC)
        for payer, payee, minor, currency in data.draw(amounts):
            owe(world, parties[payer], parties[payee], minor, currency, noon)
        if failed_on == n:
            fail(world, broken)
        run, positions = approved(world, noon)
        if (failed_on, n) == (2, 1):
            fail(world, broken)
        is_broken = failed_on <= n or (failed_on, n) == (2, 1)
        check(world, run, positions, broken=broken if is_broken else None, fund=fund)
        owing.update({one.currency: max(-one.amount_minor, 0) for one in positions if one.party_id == broken})
        day += ONE_DAY
    found = {one.currency: one for one in claims(world) if one.partner_id == broken}
    for currency, one in found.items():
        assert one.deposit_minor == min(owing[currency], deposited if currency == "GBP" else 0)
        assert one.deposit_minor + one.coalition_minor == owing[currency]
    assert set(found) == {currency for currency, amount in owing.items() if amount}


def approved(world: World, noon: datetime) -> tuple[Run, list[runs.Position]]:
    """The run of a day, approved if it has something to pay, and its positions."""
    doing = act(world.keyring, now=noon + ONE_DAY)
    nightly.run(world.database, doing, day=noon.date())
    with world.transaction() as session:
        run = runs.of_day(session, noon.date())
        if run.state == "calculated":
            approvals.approve(session, doing, run_id=run.run_id)
        return run, runs.positions(session, run.run_id)


def owe(world: World, payer: UUID, payee: UUID, minor: int, currency: str, now: datetime) -> None:
    if payer == payee:
        return
    with world.transaction() as session:
        entries.add(
            session, act(world.keyring, now=now, reason="agreed"), kind="adjustment", payer_id=payer, payee_id=payee,
            currency=currency, amount_minor=minor, reference=secrets.token_hex(8),
        )  # fmt: skip


def check(world: World, run: Run, positions: list[runs.Position], *, broken: UUID | None, fund: UUID) -> None:
    """Nets add up to zero; and each payment is by somebody who pays, and what a party gets of them is its net."""
    sums, left = Counter[str](), Counter[tuple[UUID, str]]()
    for one in positions:
        sums[one.currency] += one.amount_minor
        left[one.party_id, one.currency] += one.amount_minor
    assert not any(sums.values())
    with world.transaction() as session:
        standings = payments.of_run(session, run.run_id)
        covered = Counter[Any]()
        for row in session.execute(text("SELECT payment_id, amount_minor FROM settlement.cover")):
            covered[row.payment_id] += row.amount_minor
    for standing in standings:
        payment = standing.payment
        assert standing.is_covered == (payment.payer_id == broken)
        assert covered[payment.payment_id] == (payment.amount_minor if standing.is_covered else 0)
        assert standing.paid_by(fund) != broken
        if payment.payee_id == fund and standing.is_covered:
            assert standing.status == "paid"
        left[payment.payer_id, payment.currency] += payment.amount_minor
        left[payment.payee_id, payment.currency] -= payment.amount_minor
    assert not any(left.values())
