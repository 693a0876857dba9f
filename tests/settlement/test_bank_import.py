"""Bank files: entries are kept once and matched to payments, which settle their runs until one of them returns."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from sqlalchemy import text

from kit import audit, ids
from settlement import agreements, bank_entries, bank_import, matching, open_items, payments, policies, runs
from settlement.bank_entries import BankEntryDiffers, BankEntryNotFound, UnknownBankAccount
from settlement.bank_import import Imported, UnknownPaymentFile
from settlement.instructions import InAnotherFile, NothingToPay, PaymentFileNotFound, TooManyFiles
from settlement.iso20022.bank_files import MalformedBankFile
from settlement.open_items import MatchRefused
from settlement.payments import PaymentNotFound, Standing
from tests.conftest import NOW, World, act
from tests.settlement.iso20022.messages import CAMT_053, CAMT_054, pain002
from tests.settlement.test_instructions import COALITION_IBAN, DAY, GROUP, IBANS, instruct, party, said, state, trade

LATER = NOW + timedelta(days=2)


def booking(
    amount: str, direction: str, *, to: str | None = None, words: str = "", account: str = "", more: str = "",
    on: str = "2026-03-04", reference: str = "", status: str = "BOOK", currency: str = "GBP", reversal: bool = False,
    parts: list[tuple[str, str]] | None = None, group: str = "",
) -> str:  # fmt: skip
    """One booking with its transaction, or its `parts` (amount and end-to-end id), or as a whole of a `group`."""
    other = "Dbtr" if direction == "CRDT" else "Cdtr"
    if "RtrInf" in more:
        other = "Cdtr" if direction == "CRDT" else "Dbtr"
    parties = f"<RltdPties><{other}Acct><Id><IBAN>{account}</IBAN></Id></{other}Acct></RltdPties>" if account else ""
    remittance = f"<RmtInf><Ustrd>{words}</Ustrd></RmtInf>" if words else ""

    def details(part: str, end_to_end_id: str) -> str:
        return (
            f"<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs><Amt Ccy='{currency}'>{part}</Amt>"
            f"<CdtDbtInd>{direction}</CdtDbtInd>{parties}{remittance}{more}</TxDtls>"
        )

    inner = "".join(details(*part) for part in parts or [(amount, to or "NOTPROVIDED")])
    if group:
        inner = f"<Btch><PmtInfId>{group}</PmtInfId></Btch>"
    return (
        f"<Ntry><Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>"
        f"{'<RvslInd>true</RvslInd>' if reversal else ''}<Sts><Cd>{status}</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>"
        f"{f'<AcctSvcrRef>{reference}</AcctSvcrRef>' if reference else ''}"
        f"<BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd><NtryDtls>{inner}</NtryDtls></Ntry>"
    )


BALANCES = "".join(
    f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='GBP'>1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>"
    "<Dt><Dt>2026-03-04</Dt></Dt></Bal>"
    for code in ("OPBD", "CLBD")
)


def statement(*entries: str, number: str = "S-1", account: str = COALITION_IBAN, notice: bool = False) -> BytesIO:
    """A camt.053, or as a `notice` a camt.054."""
    message, inner, namespace = (
        ("BkToCstmrDbtCdtNtfctn", "Ntfctn", CAMT_054) if notice else ("BkToCstmrStmt", "Stmt", CAMT_053)
    )
    return BytesIO(
        f'<Document xmlns="{namespace}"><{message}><GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-03-05T06:00:00Z</CreDtTm>'
        f"</GrpHdr><{inner}><Id>{number}</Id><CreDtTm>2026-03-05T06:00:00Z</CreDtTm><Acct><Id><IBAN>{account}</IBAN>"
        f"</Id></Acct>{'' if notice else BALANCES}{''.join(entries)}</{inner}></{message}></Document>".encode()
    )


def read(world: World, file: BytesIO, **more) -> Imported:
    file.seek(0)
    with world.transaction() as session:
        made = act(world.keyring, now=LATER, **{"by": "ann", **more})
        return bank_import.import_file(session, made, file)


class Ring:
    """A run through the coalition's account that is instructed: the grocer pays 1.01 in, 0.61 and 0.40 go out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.run = trade(world, netting=policies.THROUGH_COALITION)
        self.file = instruct(world, self.run)
        self.by_amount = {one.payment.amount_minor: one.payment.payment_id for one in self.standings()}

    def standings(self) -> list[Standing]:
        with self.world.transaction() as session:
            return payments.of_run(session, self.run.run_id)

    def statuses(self) -> dict[int, str]:
        return {one.payment.amount_minor: one.status for one in self.standings()}

    def standing(self, amount: int) -> Standing:
        return next(one for one in self.standings() if one.payment.amount_minor == amount)

    def reference(self, amount: int) -> str:
        return payments.reference(self.by_amount[amount])

    def open(self) -> list[bank_entries.BankEntry]:
        with self.world.transaction() as session:
            return bank_entries.open_items(session, limit=100)

    def all_paid(self) -> list[str]:
        return [
            booking("1.01", "CRDT", to=self.reference(101)),
            booking("0.61", "DBIT", to=self.reference(61)),
            booking("0.40", "DBIT", to=self.reference(40)),
        ]


@pytest.fixture
def ring(world: World) -> Ring:
    return Ring(world)


def test_a_run_whose_payments_are_all_booked_is_settled_by_who_imports(ring: Ring) -> None:
    world = ring.world
    assert ring.statuses() == dict.fromkeys((101, 61, 40), "due")
    made = read(world, statement(*ring.all_paid()))
    assert (made.read, made.new, made.payments, made.open_items) == (3, 3, 3, 0)
    assert [run.run_id for run in made.progress.settled] == [ring.run.run_id]
    assert ring.statuses() == dict.fromkeys((101, 61, 40), "paid")
    with world.transaction() as session:
        last = runs.changes(session, ring.run.run_id)[-1]
        actions = [entry.facts["action"] for entry in audit.newest(session, limit=2)]
    assert (last.state, last.by, last.reason) == ("settled", "ann", "all payments are paid")
    assert actions == ["settlement.bank_file_imported", "settlement.settled"]


def everything(world: World) -> list[int]:
    return [world.count(f"settlement.{table}") for table in ("bank_entry", "payment_change", "run_change")] + [
        world.count("partners.audit_entry")
    ]


def test_a_file_read_twice_changes_nothing(ring: Ring) -> None:
    file = statement(*ring.all_paid(), booking("9.99", "CRDT"))
    read(ring.world, file)
    before = everything(ring.world)
    again = read(ring.world, file)
    assert (again.read, again.new, again.payments, again.open_items) == (4, 0, 0, 1)
    assert everything(ring.world) == before


def test_two_imports_of_one_file_at_once_take_it_once(ring: Ring) -> None:
    made: list[Imported] = []
    content = statement(*ring.all_paid()).getvalue()
    both = [threading.Thread(target=lambda: made.append(read(ring.world, BytesIO(content)))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)
    assert sorted(one.new for one in made) == [0, 3]
    assert ring.world.count("settlement.payment_change") == 3
    assert state(ring.world, ring.run) == "settled"


@pytest.mark.parametrize("broken", ["PAY-{}", "pay_{}", "Settlement PAY-{} thanks"])
def test_a_payment_is_found_by_its_reference_wherever_the_bank_breaks_it(ring: Ring, broken: str) -> None:
    suffix = ring.reference(101).removeprefix("PAY-")
    words = broken.format(f"{suffix[:9]} {suffix[9:]}")
    read(ring.world, statement(booking("1.01", "CRDT", words=words)))
    assert ring.standing(101).status == "paid"


def test_a_payment_is_found_by_amount_and_account_only_if_there_is_one(ring: Ring) -> None:
    entry = booking("1.01", "CRDT", account=IBANS["greengrocer"])
    for wrong in (
        booking("1.01", "CRDT", account=IBANS["fuelway"]),
        booking("1.01", "CRDT"),
        booking("1.00", "CRDT", account=IBANS["greengrocer"]),
        booking("1.01", "CRDT", account=IBANS["greengrocer"], on="2026-03-01"),
        booking("1.01", "CRDT", account=IBANS["greengrocer"], on=str(DAY + timedelta(days=matching.LATEST_DAYS + 1))),
        booking("1.01", "DBIT", account=IBANS["greengrocer"]),
    ):
        with ring.world.transaction() as session:
            assert bank_import.import_file(session, act(), statement(wrong)).payments == 0, wrong
            session.rollback()
    read(ring.world, statement(entry))
    assert ring.standing(101).status == "paid"


def test_a_payment_can_come_in_parts(ring: Ring) -> None:
    read(ring.world, statement(booking("0.60", "CRDT", to=ring.reference(101))))
    one = ring.standing(101)
    assert (one.status, one.paid_minor, one.open_minor) == ("partly_paid", 60, 41)
    made = read(ring.world, statement(booking("0.50", "CRDT", to=ring.reference(101)), number="S-2"))
    assert ring.standing(101).status == "paid"
    assert (made.open_items, [one.open_minor for one in ring.open()]) == (1, [9]), (
        "what was paid too much stays visible"
    )


def test_several_payments_in_one_booking_each_with_its_id_or_as_a_group(ring: Ring) -> None:
    parts = [("0.61", ring.reference(61)), ("0.40", ring.reference(40))]
    read(ring.world, statement(booking("1.01", "DBIT", parts=parts)))
    assert ring.statuses() == {101: "due", 61: "paid", 40: "paid"}


def test_a_group_of_our_file_that_the_bank_books_as_one(ring: Ring) -> None:
    (group,) = said(ring.file, "CstmrCdtTrfInitn/PmtInf/PmtInfId")
    read(ring.world, statement(booking("1.00", "DBIT", group=group)))
    assert ring.statuses() == dict.fromkeys((101, 61, 40), "due"), "not what the group comes to"
    read(ring.world, statement(booking("1.01", "DBIT", group=group), number="S-2"))
    assert ring.statuses() == {101: "due", 61: "paid", 40: "paid"}


def test_a_transfer_that_names_two_payments_is_shared(ring: Ring) -> None:
    words = f"{ring.reference(61)} and {ring.reference(40)}"
    read(ring.world, statement(booking("0.70", "DBIT", words=words)))
    assert ring.statuses() == {101: "due", 61: "paid", 40: "partly_paid"}


def returned(amount: str, to: str, **more) -> str:
    reason = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>account closed</AddtlInf></RtrInf>"
    return booking(amount, "CRDT", to=to, more=reason, **more)


def test_a_payment_that_comes_back_is_open_again_with_its_reason_and_so_is_its_run(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    made = read(ring.world, statement(returned("0.61", ring.reference(61)), number="S-2"))
    one = ring.standing(61)
    assert (one.status, one.open_minor, one.reason) == ("returned", 61, "AC04 account closed")
    assert [run.run_id for run in made.progress.reopened] == [ring.run.run_id]
    assert state(ring.world, ring.run) == "instructed"
    with ring.world.transaction() as session:
        last = runs.changes(session, ring.run.run_id)[-1]
    assert last.reason == f"{ids.show(ids.PAYMENT, one.payment.payment_id)} is returned: AC04 account closed"
    read(ring.world, statement(booking("0.61", "DBIT", to=ring.reference(61)), number="S-3"))
    assert (ring.standing(61).status, state(ring.world, ring.run)) == ("paid", "settled")


def test_a_return_less_the_banks_charge_leaves_that_much_paid(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid(), returned("0.55", ring.reference(61))))
    one = ring.standing(61)
    assert (one.status, one.open_minor) == ("returned", 55)


def test_a_booking_that_the_bank_takes_back_is_a_return(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    read(ring.world, statement(booking("1.01", "DBIT", to=ring.reference(101), reversal=True), number="S-2"))
    assert ring.standing(101).status == "returned"


def test_a_return_of_what_was_never_paid_and_money_the_wrong_way_are_open_items(ring: Ring) -> None:
    entries = [returned("0.61", ring.reference(61)), booking("0.61", "CRDT", to=ring.reference(61))]
    made = read(ring.world, statement(*entries))
    assert (made.payments, made.open_items) == (0, 2)


def test_money_that_comes_back_without_saying_so_is_for_a_person_to_judge(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    read(ring.world, statement(booking("0.61", "CRDT", to=ring.reference(61)), number="S-2"))
    (item,) = ring.open()
    assert ring.standing(61).status == "paid"
    with ring.world.transaction() as session:
        assert decide(session, open_items.match, item, ring.by_amount[61], reason="sent back").status == "returned"
    assert (ring.standing(61).reason, state(ring.world, ring.run)) == ("sent back", "instructed")


def test_a_notice_and_the_statement_after_it_count_once(ring: Ring) -> None:
    entry = booking("0.60", "CRDT", to=ring.reference(101), reference="B-77")
    read(ring.world, statement(entry, number="N-1", notice=True))
    made = read(ring.world, statement(entry, number="S-1"))
    assert (made.new, made.payments, made.open_items) == (1, 0, 0)
    assert ring.standing(101).paid_minor == 60


def test_two_bookings_alike_count_twice(ring: Ring) -> None:
    entry = booking("0.30", "CRDT", to=ring.reference(101))
    for notice, number in ((True, "N-1"), (False, "S-1")):
        read(ring.world, statement(entry, entry, number=number, notice=notice))
    assert (ring.standing(101).paid_minor, ring.open()) == (60, [])


@pytest.mark.parametrize("parts_first", [True, False])
def test_a_booking_told_as_a_whole_and_in_parts_counts_once(ring: Ring, parts_first: bool) -> None:
    parts = [("0.61", ring.reference(61)), ("0.40", ring.reference(40))]
    in_parts = statement(booking("1.01", "DBIT", parts=parts, reference="B-1"), number="N-1", notice=True)
    whole = statement(booking("1.01", "DBIT", group="other", reference="B-1"), number="S-1")
    for file in (in_parts, whole) if parts_first else (whole, in_parts):
        read(ring.world, file)
    assert ring.statuses() == {101: "due", 61: "paid", 40: "paid"}
    assert ring.open() == []


def test_what_is_not_booked_yet_is_not_taken(ring: Ring) -> None:
    made = read(ring.world, statement(booking("1.01", "CRDT", to=ring.reference(101), status="PDNG")))
    assert (made.read, made.new) == (0, 0)


def test_a_payment_in_another_currency_stays_open(ring: Ring) -> None:
    made = read(ring.world, statement(booking("1.01", "CRDT", to=ring.reference(101), currency="EUR")))
    assert (made.payments, made.open_items) == (0, 1)
    (item,) = ring.open()
    with ring.world.transaction() as session, pytest.raises(MatchRefused, match="in EUR"):
        decide(session, open_items.match, item, ring.by_amount[101])


def test_a_partners_statement_confirms_what_it_pays_another_and_nothing_else_of_it_is_kept(world: World) -> None:
    run = trade(world, netting=policies.DIRECT)
    instruct(world, run, "greengrocer")
    with world.transaction() as session:
        one, other = payments.of_run(session, run.run_id)
    entries = [
        booking(f"0.{one.payment.amount_minor}", "DBIT", to=payments.reference(one.payment.payment_id)),
        booking("50.00", "DBIT", words="rent"),
    ]
    made = read(world, statement(*entries, account=IBANS["greengrocer"]))
    assert (made.read, made.new, made.open_items) == (2, 1, 0)
    paid_to = IBANS["fuelway" if other.payment.payee_id == party(world, "fuelway") else "pagebound"]
    received = booking(f"0.{other.payment.amount_minor}", "CRDT", to=payments.reference(other.payment.payment_id))
    assert read(world, statement(received, account=paid_to)).new == 0, "it is the payer's account that counts"
    with world.transaction() as session:
        assert [each.status for each in payments.of_run(session, run.run_id)] == ["paid", "due"]


def test_a_payment_that_comes_before_the_run_is_instructed_counts(world: World) -> None:
    run = trade(world, netting=policies.THROUGH_COALITION)
    with world.transaction() as session:
        (due,) = [one for one in payments.of_run(session, run.run_id) if one.payment.amount_minor == 101]
    read(world, statement(booking("1.01", "CRDT", words=payments.reference(due.payment.payment_id))))
    instruct(world, run)
    with world.transaction() as session:
        assert payments.get(session, due.payment.payment_id).status == "paid"


def answer(file: bytes, *, message: str = "", group: str = "", payment: str = "") -> BytesIO:
    (message_id,) = said(file, "CstmrCdtTrfInitn/GrpHdr/MsgId")
    rejected = f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
    return pain002(f"{rejected}{message}</OrgnlGrpInfAndSts>{group}{payment}")


def why(code: str) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>"


def test_a_file_that_the_bank_rejects_rejects_its_payments(ring: Ring) -> None:
    file = answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}")
    made = read(ring.world, file)
    assert (made.payments, ring.statuses()) == (2, {101: "due", 61: "rejected", 40: "rejected"})
    assert ring.standing(61).reason == "AM05"
    before = everything(ring.world)
    assert read(ring.world, file).payments == 0
    assert everything(ring.world) == before
    read(ring.world, statement(*ring.all_paid()))
    assert state(ring.world, ring.run) == "settled", "paid by other means after all"


def test_a_payment_that_the_bank_rejects_has_its_own_reason(ring: Ring) -> None:
    (group,) = said(ring.file, "CstmrCdtTrfInitn/PmtInf/PmtInfId")
    inner = f"<TxInfAndSts><OrgnlEndToEndId>{ring.reference(61)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>{why('AC01')}"
    accepted = f"<TxInfAndSts><OrgnlEndToEndId>{ring.reference(40)}</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>"
    part = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{group}</OrgnlPmtInfId>{inner}</TxInfAndSts>{accepted}"
    read(ring.world, answer(ring.file, message="<GrpSts>PART</GrpSts>", group=f"{part}</OrgnlPmtInfAndSts>"))
    assert ring.statuses() == {101: "due", 61: "rejected", 40: "due"}
    assert ring.standing(61).reason == "AC01"


def test_of_a_rejection_the_closest_reason_counts(ring: Ring) -> None:
    (group,) = said(ring.file, "CstmrCdtTrfInitn/PmtInf/PmtInfId")
    inner = f"<TxInfAndSts><OrgnlEndToEndId>{ring.reference(61)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>{why('AC01')}"
    part = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{group}</OrgnlPmtInfId>{inner}</TxInfAndSts></OrgnlPmtInfAndSts>"
    read(ring.world, answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}", group=part))
    assert {amount: ring.standing(amount).reason for amount in (61, 40)} == {61: "AC01", 40: "AM05"}


def test_an_answer_to_a_file_that_is_not_ours_is_refused(ring: Ring) -> None:
    strange = ring.file.replace(said(ring.file, "CstmrCdtTrfInitn/GrpHdr/MsgId")[0].encode(), b"OTHERS-1")
    with pytest.raises(UnknownPaymentFile, match="OTHERS-1"):
        read(ring.world, answer(strange, message="<GrpSts>RJCT</GrpSts>"))


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize("wrong", ["cut", "doctype", "bomb", "another message", "no file", "account", "currency"])
def test_a_file_that_is_not_right_is_refused_as_a_whole(ring: Ring, wrong: str) -> None:
    whole = statement(*ring.all_paid()).getvalue()
    file, refused = {
        "cut": (whole[:-40], MalformedBankFile),
        "doctype": (b"<!DOCTYPE Document>" + whole, MalformedBankFile),
        "bomb": (BOMB.encode() + whole.replace(b"M-1", b"&c;"), MalformedBankFile),
        "another message": (ring.file, MalformedBankFile),
        "no file": (b"", MalformedBankFile),
        "account": (statement(*ring.all_paid(), account="NL02ABNA0123456789").getvalue(), UnknownBankAccount),
        "currency": (whole.replace(b"Ccy='GBP'>0.40", b"Ccy='XYZ'>0.40"), MalformedBankFile),
    }[wrong]
    before = everything(ring.world)
    with pytest.raises(refused):
        read(ring.world, BytesIO(file))
    assert everything(ring.world) == before
    assert ring.statuses() == dict.fromkeys((101, 61, 40), "due")


def test_an_id_used_twice_for_different_entries_is_noticed(ring: Ring) -> None:
    read(ring.world, statement(booking("0.60", "CRDT")))
    before = everything(ring.world)
    for other in (booking("0.61", "CRDT"), booking("0.60", "DBIT"), booking("0.60", "CRDT", on="2026-03-05")):
        with pytest.raises(BankEntryDiffers):
            read(ring.world, statement(other, booking("1.01", "CRDT", to=ring.reference(101))))
    assert everything(ring.world) == before


def decide(session, verb, item, payment_id: UUID | None = None, *, reason: str | None = "seen", **more):
    named = {} if payment_id is None else {"payment_id": payment_id}
    made = act(now=LATER, by="ann", reason=reason)
    return verb(session, made, bank_entry_id=item.bank_entry_id, **named, **more)


def test_what_nothing_finds_is_matched_by_hand_and_taken_back(ring: Ring) -> None:
    world = ring.world
    read(world, statement(*ring.all_paid()[1:], booking("1.01", "CRDT", words="settlement, best regards")))
    (item,) = ring.open()
    with world.transaction() as session:
        assert decide(session, open_items.match, item, ring.by_amount[101]).status == "paid"
    assert (ring.open(), state(world, ring.run)) == ([], "settled")
    with world.transaction() as session:
        assert decide(session, open_items.unmatch, item, ring.by_amount[101]).status == "due"
    assert ([one.open_minor for one in ring.open()], state(world, ring.run)) == ([101], "instructed")
    with world.transaction() as session, pytest.raises(MatchRefused):
        decide(session, open_items.unmatch, item, ring.by_amount[101])
    with world.transaction() as session:
        actions = [entry.facts["action"] for entry in audit.newest(session, limit=3)]
    assert actions == ["settlement.unmatched", "settlement.matched", "settlement.settled"]


def test_one_entry_is_shared_among_payments_by_hand(ring: Ring) -> None:
    read(ring.world, statement(booking("1.01", "DBIT")))
    (item,) = ring.open()
    with ring.world.transaction() as session:
        decide(session, open_items.match, item, ring.by_amount[61], amount_minor=50)
        for wrong in (0, -1, 52):
            with pytest.raises(MatchRefused):
                decide(session, open_items.match, item, ring.by_amount[40], amount_minor=wrong)
        with pytest.raises(MatchRefused, match="40"):
            decide(session, open_items.match, item, ring.by_amount[40], amount_minor=41)
        decide(session, open_items.match, item, ring.by_amount[40])
    assert ring.statuses() == {101: "due", 61: "partly_paid", 40: "paid"}
    assert [one.open_minor for one in ring.open()] == [11]


def test_an_entry_that_is_for_no_payment_is_written_off_with_a_reason(ring: Ring) -> None:
    read(ring.world, statement(booking("0.02", "DBIT", words="charges")))
    (item,) = ring.open()
    with ring.world.transaction() as session, pytest.raises(audit.ReasonMissing):
        decide(session, open_items.write_off, item, reason=None)
    with ring.world.transaction() as session:
        assert decide(session, open_items.write_off, item, reason="charges").open_minor == 2
    assert ring.open() == []
    for verb, more in ((open_items.write_off, {}), (open_items.match, {"payment_id": ring.by_amount[61]})):
        with ring.world.transaction() as session, pytest.raises(MatchRefused):
            decide(session, verb, item, **more)


def test_what_came_back_is_not_taken_from_what_was_never_paid(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid(), returned("0.61", ring.reference(61))))
    with ring.world.transaction() as session:
        paid = session.scalar(
            text("SELECT bank_entry_id FROM settlement.payment_change WHERE kind = 'booked' AND payment_id = :id"),
            {"id": ring.by_amount[61]},
        )
        with pytest.raises(MatchRefused, match="later"):
            decide(session, open_items.unmatch, bank_entries.get(session, paid), ring.by_amount[61])


def test_what_there_is_not_is_not_matched(ring: Ring) -> None:
    read(ring.world, statement(booking("0.61", "DBIT")))
    (item,) = ring.open()
    with ring.world.transaction() as session:
        with pytest.raises(PaymentNotFound):
            decide(session, open_items.match, item, ids.new())
        with pytest.raises(BankEntryNotFound):
            decide(session, open_items.match, replace(item, bank_entry_id=ids.new()), ring.by_amount[61])


def instruct_again(ring: Ring, payer: str | None = "coalition", **more) -> bytes:
    return instruct(ring.world, ring.run, payer, now=LATER, another=True, **more)


def payee_gets_another_account(ring: Ring, code: str, iban: str) -> None:
    with ring.world.transaction() as session:
        agreements.agree(
            session, act(ring.world.keyring, now=LATER), partner_id=party(ring.world, code),
            since=DAY + timedelta(days=1), iban=iban,
        )  # fmt: skip


def test_what_came_back_is_paid_by_another_file_with_the_account_as_it_is_now(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    back = booking("0.61", "CRDT", to=ring.reference(61), more="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")
    read(ring.world, statement(back, number="S-2"))
    assert state(ring.world, ring.run) == "instructed"
    payee_gets_another_account(ring, "fuelway", "BE68539007547034")
    again = instruct_again(ring)
    assert said(again, f"{GROUP}/CdtTrfTxInf/PmtId/EndToEndId") == [f"{ring.reference(61)}-2"]
    assert said(again, f"{GROUP}/CdtTrfTxInf/CdtrAcct/Id/IBAN") == ["BE68539007547034"]
    assert said(again, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt") == ["0.61"]
    ids_of = [said(file, "CstmrCdtTrfInitn/GrpHdr/MsgId")[0] for file in (ring.file, again)]
    assert (ids_of[0].replace("-", "B"), len(ids_of[1])) == (ids_of[1], 30)
    assert ring.statuses() == {101: "paid", 61: "due", 40: "paid"}
    assert instruct(ring.world, ring.run) == ring.file, "the first file is as ever"
    read(ring.world, statement(booking("0.61", "DBIT", to=f"{ring.reference(61)}-2"), number="S-3"))
    assert state(ring.world, ring.run) == "settled"


def test_what_came_back_stands_in_one_file_until_it_comes_back_again(ring: Ring) -> None:
    with pytest.raises(NothingToPay):
        instruct_again(ring)
    rejection = answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}")
    read(ring.world, rejection)
    second = instruct_again(ring)
    assert len(said(second, f"{GROUP}/CdtTrfTxInf")) == 2
    assert instruct_again(ring) == second, "written again, it has the same bytes"
    read(ring.world, rejection)
    assert ring.statuses() == {101: "due", 61: "due", 40: "due"}, "the first file's rejection is none of the second's"
    assert instruct_again(ring) == second
    assert read(ring.world, answer(second, message=f"<GrpSts>RJCT</GrpSts>{why('AC06')}")).payments == 2
    assert (ring.statuses()[61], ring.standing(61).reason) == ("rejected", "AC06")
    third = instruct_again(ring)
    assert f"{ring.reference(61)}-3" in said(third, f"{GROUP}/CdtTrfTxInf/PmtId/EndToEndId")
    assert instruct_again(ring) == third != second


def test_the_first_files_rejection_that_comes_late_lets_nothing_be_paid_twice(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message="<GrpSts>PART</GrpSts>", group=rejected_of(ring, 61)))
    instruct_again(ring)
    read(ring.world, answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
    assert ring.statuses() == {101: "due", 61: "due", 40: "rejected"}
    third = instruct_again(ring)
    assert said(third, f"{GROUP}/CdtTrfTxInf/PmtId/EndToEndId") == [f"{ring.reference(40)}-2"]


def rejected_of(ring: Ring, amount: int) -> str:
    (group,) = said(ring.file, "CstmrCdtTrfInitn/PmtInf/PmtInfId")
    return (
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{group}</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>"
        f"{ring.reference(amount)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>{why('AC01')}</TxInfAndSts></OrgnlPmtInfAndSts>"
    )


def test_of_a_payment_that_came_back_in_part_the_part_is_paid_again(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    back = booking("0.21", "CRDT", to=ring.reference(61), more="<RtrInf><Rsn><Cd>AM09</Cd></Rsn></RtrInf>")
    read(ring.world, statement(back, number="S-2"))
    assert said(instruct_again(ring), f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt") == ["0.21"]


def test_what_came_back_goes_into_a_file_of_the_payer_whose_it_was(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
    own = instruct_again(ring, "greengrocer")
    assert said(own, f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt") == ["1.01"], "its first file, of nobody else's"
    with pytest.raises(NothingToPay) as refused:
        instruct_again(ring, "fuelway")
    assert refused.value.fields == {"payers": ["coalition", "greengrocer"]}
    with pytest.raises(InAnotherFile):
        instruct_again(ring, None)


def test_a_payer_has_no_more_files_than_letters(ring: Ring) -> None:
    file = ring.file
    for _ in range(25):
        read(ring.world, answer(file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
        file = instruct_again(ring)
    read(ring.world, answer(file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
    with pytest.raises(TooManyFiles):
        instruct_again(ring)


RETURN = "<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>"


def out_and_back(ring: Ring, *, number: str) -> BytesIO:
    """How many banks book an order that they rejected: out and, in the same statement, back."""
    same = {"to": ring.reference(61)}
    return statement(booking("0.61", "DBIT", **same), booking("0.61", "CRDT", more=RETURN, **same), number=number)


def test_what_the_bank_books_late_of_the_first_file_is_not_taken_for_the_second_s(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message="<GrpSts>PART</GrpSts>", group=rejected_of(ring, 61)))
    second = instruct_again(ring)
    read(ring.world, out_and_back(ring, number="S-1"))
    assert (ring.statuses()[61], instruct_again(ring)) == ("due", second), "the second file is on its way"
    paid = booking("0.61", "DBIT", to=f"{ring.reference(61)}-2")
    read(ring.world, statement(paid, number="S-2"))
    assert ring.statuses()[61] == "paid"


def test_what_the_second_file_paid_does_not_come_back_by_the_first_s_id(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message="<GrpSts>PART</GrpSts>", group=rejected_of(ring, 61)))
    second = instruct_again(ring)
    read(ring.world, statement(booking("0.61", "DBIT", to=f"{ring.reference(61)}-2"), number="S-1"))
    read(ring.world, out_and_back(ring, number="S-2"))
    assert (ring.statuses()[61], instruct_again(ring)) == ("paid", second)
    assert sorted((one.is_credit, one.open_minor) for one in ring.open()) == [(False, 61), (True, 61)]


def test_what_was_rejected_stays_so_whatever_is_matched_or_paid_in_part_since(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
    part = booking("0.20", "DBIT", words=ring.reference(61))
    read(ring.world, statement(part, booking("0.40", "DBIT", words=ring.reference(40)), number="S-1"))
    (entry,) = [one for one in changed_entries(ring) if one.amount_minor == 40]
    with ring.world.transaction() as session:
        decide(session, open_items.unmatch, entry, ring.by_amount[40])
    assert ring.statuses() == {101: "due", 61: "partly_paid", 40: "rejected"}
    assert sorted(said(instruct_again(ring), f"{GROUP}/CdtTrfTxInf/Amt/InstdAmt")) == ["0.40", "0.41"]


def changed_entries(ring: Ring) -> list[bank_entries.BankEntry]:
    with ring.world.transaction() as session:
        found = session.scalars(text("SELECT bank_entry_id FROM settlement.bank_entry ORDER BY bank_entry_id")).all()
        return [bank_entries.get(session, one) for one in found]


def test_a_return_that_was_paid_again_is_not_taken_back(ring: Ring) -> None:
    read(ring.world, statement(*ring.all_paid()))
    read(ring.world, statement(booking("0.61", "CRDT", to=ring.reference(61), more=RETURN), number="S-2"))
    instruct_again(ring)
    (back,) = [one for one in changed_entries(ring) if one.is_return]
    with ring.world.transaction() as session, pytest.raises(MatchRefused, match="twice"):
        decide(session, open_items.unmatch, back, ring.by_amount[61])


def test_any_file_is_written_again_by_its_message_id(ring: Ring) -> None:
    read(ring.world, answer(ring.file, message="<GrpSts>PART</GrpSts>", group=rejected_of(ring, 61)))
    second = instruct_again(ring)
    read(ring.world, answer(ring.file, message=f"<GrpSts>RJCT</GrpSts>{why('AM05')}"))
    third = instruct_again(ring)
    for file in (ring.file, second, third):
        (message_id,) = said(file, "CstmrCdtTrfInitn/GrpHdr/MsgId")
        assert instruct(ring.world, ring.run, message_id=message_id) == file
    with pytest.raises(PaymentFileNotFound):
        instruct(ring.world, ring.run, message_id="none")
