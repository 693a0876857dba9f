"""Payment files: who is asked to pay what, the same bytes again, and nothing half-done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import text

from kit import audit, ids
from settlement import agreements, approvals, instructions, nightly, payments, policies, runs
from settlement.approvals import PersonMissing, SamePerson, WrongState
from settlement.instructions import AccountsMissing, ExecutionDateRefused, InAnotherFile, NothingToPay
from settlement.iso20022 import validation
from settlement.iso20022.accounts import MalformedBankAccount
from settlement.runs import Run
from tests.conftest import NOW, World, act, audited

DAY = NOW.date()
MIDNIGHT = NOW + timedelta(days=1)
COALITION_IBAN = "DE89370400440532013000"
IBANS = {
    "greengrocer": "GB33BUKB20201555555555",
    "fuelway": "FR1420041010050500013M02606",
    "pagebound": "NL91ABNA0417164300",
}
NS = {"p": validation.NAMESPACE + "pain.001.001.09"}


def trade(world: World, *, netting: str, ibans: dict[str, str] = IBANS, approved: bool = True) -> Run:
    """A day that is settled: the grocer owes 101 pence, the station has 61 of them to receive and the book shop 40."""
    with world.transaction() as session:
        wanted = policies.Policy(netting=netting, approvals=2, legal_name="Together Ltd", iban=COALITION_IBAN)
        policies.put(session, act(world.keyring), wanted)
    brands = [world.partner(code) for code in IBANS]
    with world.transaction() as session:
        for brand in brands:
            account = {"iban": ibans[brand.code]} if brand.code in ibans else {}
            agreements.agree(
                session, act(), partner_id=brand.partner_id, since=DAY, redemption_price_minor=1, currency="GBP",
                legal_name=f"{brand.name} Ltd", **account,
            )  # fmt: skip
    grocer, station, book = brands
    member = world.member()
    world.earn(grocer.partner_id, member, 101)
    world.burn(station.partner_id, member, 61)
    world.burn(book.partner_id, member, 40)
    nightly.run(world.database, act(world.keyring, now=MIDNIGHT), day=DAY)
    with world.transaction() as session:
        run = runs.of_day(session, DAY)
        for by in ("ann", "ben") if approved else ():
            run = approvals.approve(session, act(world.keyring, now=MIDNIGHT, by=by), run_id=run.run_id)
    return run


def instruct(world: World, run: Run, payer: str | None = "coalition", *, now=MIDNIGHT, **more) -> bytes:
    """The bytes of a payment file: for a payer by its code, or for all."""
    written: list[bytes] = []
    with world.transaction() as session:
        instructions.instruct(
            session, act(world.keyring, now=now, by="ann"), run_id=run.run_id,
            payer_id=None if payer is None else party(world, payer), deliver=written.append, **more,
        )  # fmt: skip
    return written[0]


def party(world: World, code: str):
    with world.transaction() as session:
        return session.scalar(
            text("SELECT partner_id FROM partners.partner WHERE code = :code"), {"code": code}
        ) or session.scalar(text("SELECT programme_id FROM coalition.programme"))


def state(world: World, run: Run) -> str:
    with world.transaction() as session:
        return runs.get(session, run.run_id).state


def said(file: bytes, path: str) -> list[str]:
    return [one.text or "" for one in etree.fromstring(file).iterfind("/".join(f"p:{n}" for n in path.split("/")), NS)]


GROUP = "CstmrCdtTrfInitn/PmtInf"


def test_the_coalitions_own_payments_are_its_banks_to_make(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    file = instruct(world, run)
    assert validation.schema("pain.001.001.09").validate(etree.fromstring(file))
    assert said(file, f"{GROUP}/DbtrAcct/Id/IBAN") == [COALITION_IBAN]
    assert sorted(said(file, f"{GROUP}/CdtTrfTxInf/Cdtr/Nm")) == ["Fuelway Ltd", "Pagebound Ltd"]
    assert sorted(said(file, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt")) == ["0.40", "0.61"]
    assert said(file, "CstmrCdtTrfInitn/GrpHdr/CreDtTm") == ["2026-03-03T12:00:00Z"]
    assert said(file, "CstmrCdtTrfInitn/GrpHdr/InitgPty/Nm") == ["Together Ltd"]
    assert said(file, f"{GROUP}/ReqdExctnDt/Dt") == ["2026-03-03"]
    with world.transaction() as session:
        references = [payments.reference(one.payment_id) for one in runs.payments(session, run.run_id)]
    assert set(said(file, f"{GROUP}/CdtTrfTxInf/PmtId/EndToEndId")) < set(references)
    assert state(world, run) == "instructed"


def test_a_file_written_again_has_the_same_bytes_whatever_was_changed_since(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    first = instruct(world, run, execute_on=DAY + timedelta(days=5))
    entries = world.count("partners.audit_entry")
    with world.transaction() as session:
        moved = policies.Policy(legal_name="Others Ltd", iban="NL91ABNA0417164300")
        policies.put(session, act(world.keyring), moved)
    assert instruct(world, run, now=MIDNIGHT + timedelta(days=3)) == first
    assert world.count("partners.audit_entry") == entries + 1, "the policy's"
    with pytest.raises(ExecutionDateRefused, match="2026-03-07"):
        instruct(world, run, execute_on=DAY + timedelta(days=6))


def test_a_payer_gives_its_file_to_its_own_bank(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    with pytest.raises(NothingToPay, match="greengrocer") as refused:
        instruct(world, run)
    assert refused.value.fields == {"payers": ["greengrocer"]}
    assert state(world, run) == "approved"
    file = instruct(world, run, "greengrocer")
    assert said(file, f"{GROUP}/DbtrAcct/Id/IBAN") == [IBANS["greengrocer"]]
    assert said(file, "CstmrCdtTrfInitn/GrpHdr/InitgPty/Nm") == ["Greengrocer Ltd"]
    assert state(world, run) == "instructed"


def test_each_payer_has_a_file_and_an_id_of_its_own_and_no_payment_is_in_two(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    files = [instruct(world, run, payer) for payer in ("coalition", "greengrocer")]
    assert len({said(file, "CstmrCdtTrfInitn/GrpHdr/MsgId")[0] for file in files}) == 2
    with pytest.raises(InAnotherFile):
        instruct(world, run, None)


def test_one_file_for_all_payers_has_a_group_for_each_account(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    file = instruct(world, run, None)
    assert sorted(said(file, f"{GROUP}/DbtrAcct/Id/IBAN")) == sorted([COALITION_IBAN, IBANS["greengrocer"]])
    with pytest.raises(InAnotherFile):
        instruct(world, run)


def test_parties_without_an_account_are_named_and_nothing_is_done(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION, ibans={})
    with pytest.raises(AccountsMissing, match="fuelway, pagebound") as refused:
        instruct(world, run)
    assert refused.value.fields == {"parties": ["fuelway", "pagebound"]}
    assert state(world, run) == "approved"
    for table in ("payment_file", "instructed_party", "instructed_payment"):
        assert world.count(f"settlement.{table}") == 0


def test_a_run_instructed_without_a_file_gets_none_afterwards(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    with world.transaction() as session:
        approvals.instruct(session, act(world.keyring, by="ann"), run_id=run.run_id)
    with pytest.raises(WrongState):
        instruct(world, run, "greengrocer")


def test_the_account_is_that_of_the_agreement_in_force_now(world: World) -> None:
    """One that was closed since can be replaced, and one that was missing made up for."""
    run = trade(world, netting=policies.DIRECT)
    with world.transaction() as session:
        agreements.agree(
            session, act(), partner_id=party(world, "greengrocer"), since=DAY + timedelta(days=1),
            iban="BE68539007547034",
        )  # fmt: skip
    assert said(instruct(world, run, "greengrocer"), f"{GROUP}/DbtrAcct/Id/IBAN") == ["BE68539007547034"]


@pytest.mark.parametrize("days", [-1, 366])
def test_a_day_that_no_bank_takes_is_refused(world: World, days: int) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    with pytest.raises(ExecutionDateRefused):
        instruct(world, run, execute_on=MIDNIGHT.date() + timedelta(days=days))
    assert state(world, run) == "approved"


def test_only_a_person_instructs_and_only_what_two_people_approved(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION, approved=False)
    with pytest.raises(WrongState):
        instruct(world, run)
    with world.transaction() as session:
        approvals.approve(session, act(world.keyring, by="ann"), run_id=run.run_id)
    with pytest.raises(WrongState):
        instruct(world, run)
    with world.transaction() as session, pytest.raises(SamePerson):
        approvals.approve(session, act(world.keyring, by="Ann "), run_id=run.run_id)
    with world.transaction() as session:
        approvals.approve(session, act(world.keyring, by="ben"), run_id=run.run_id)
    with world.transaction() as session, pytest.raises(PersonMissing):
        instructions.instruct(
            session, audit.of_clock(NOW, world.keyring), run_id=run.run_id, payer_id=None, deliver=print
        )
    instruct(world, run)


def test_what_the_bank_is_asked_to_pay_stays(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    instruct(world, run)
    with pytest.raises(Exception, match="permission denied"), world.transaction() as session:
        session.execute(text("UPDATE settlement.instructed_payment SET amount_minor = 1"))


def test_payers_and_payees_hear_of_it_once_enough_people_approved(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION, approved=False)
    told = text("SELECT data FROM kit.event WHERE type = 'settlement.payment_due' ORDER BY event_id")
    with world.transaction() as session:
        approvals.approve(session, act(world.keyring, by="ann"), run_id=run.run_id)
        assert session.scalars(told).all() == []
        approvals.approve(session, act(world.keyring, by="ben"), run_id=run.run_id)
        found = session.scalars(told).all()
        made = {str(one.payment_id): one for one in runs.payments(session, run.run_id)}
    assert sorted((one["payer"], one["payee"], one["amount_minor"]) for one in found) == [
        ("coalition", "fuelway", 61), ("coalition", "pagebound", 40), ("greengrocer", "coalition", 101),
    ]  # fmt: skip
    for one in found:
        payment = made[one["payment_id"]]
        assert one["payment_reference"] == payments.reference(payment.payment_id)
        assert (one["first_day"], one["last_day"], one["currency"]) == ("2026-03-02", "2026-03-02", "GBP")


@pytest.mark.parametrize("wrong", [{"iban": "DE00370400440532013000"}, {"iban": "nonsense"}, {"bic": "X"}])
def test_the_coalitions_account_is_checked(world: World, wrong: dict[str, str]) -> None:
    with world.transaction() as session, pytest.raises(MalformedBankAccount):
        policies.put(session, act(world.keyring), policies.Policy(**wrong))


PROGRAM = """
import sys, time
from pathlib import Path
from settlement.cli import payments
where, how = sys.argv.pop(1), payments._Draft.{method}

def stop(*args):
    if where == "after":
        how(*args)
    print("there", flush=True)
    time.sleep(60)

payments._Draft.{method} = stop
from cli import main
main()
"""


@pytest.mark.parametrize(
    ("method", "where", "then"),
    [("write", "before", "approved"), ("write", "after", "approved"), ("publish", "before", "instructed")],
)
def test_a_command_that_is_killed_leaves_no_file_without_its_run_and_goes_on_the_next_time(
    world: World, tmp_path: Path, method: str, where: str, then: str
) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    output = tmp_path / "payments.xml"
    words = ["settlement", "instruct", ids.show(ids.SETTLEMENT_RUN, run.run_id), "--output", str(output), "--by", "ann"]
    known = {
        f"COALITION_{name.upper()}": str(getattr(world.settings, name))
        for name in ("database_url", "redis_url", "data_dir", "secret_key")
    }
    environment = {**os.environ, **known, "COALITION_SANDBOX": "none"}
    program = PROGRAM.format(method=method)
    with subprocess.Popen(
        [sys.executable, "-c", program, where, *words], env=environment, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "there\n"
        victim.send_signal(signal.SIGKILL)
    assert not output.exists()
    until(lambda: state(world, run) == then)
    done = [
        subprocess.run(
            [sys.executable, "-m", "cli", *words], env=environment, capture_output=True, text=True, check=True
        )
        and output.read_bytes()
        for _ in range(2)
    ]
    assert done[0] == done[1]
    assert (state(world, run), output.stat().st_mode & 0o077) == ("instructed", 0)
    assert [entry["action"] for entry in audited(world.database)] == ["settlement.instructed"]


def until(happens) -> None:
    deadline = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
