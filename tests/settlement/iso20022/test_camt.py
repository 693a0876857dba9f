"""Bank statements: what is read of them, by whomever they were written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiso20022.camt import camt_053_001_08 as theirs
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime

from settlement.iso20022 import camt
from settlement.iso20022.bank_files import MalformedBankFile
from settlement.iso20022.camt import Balance, Statement, Transaction
from tests.settlement.iso20022.messages import ACCOUNT, CAMT_053, camt053, camt054, details, entry, transaction

OLD = CAMT_053.replace(".08", ".02")
PARTIES = (
    "<RltdPties><Dbtr><Pty><Nm>Payer</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>FR1420041010050500013M02606</IBAN></Id>"
    "</DbtrAcct><Cdtr><Pty><Nm>Payee</Nm></Pty></Cdtr><CdtrAcct><Id><Othr><Id>40702810900000000001</Id></Othr></Id>"
    "</CdtrAcct></RltdPties>"
)


def read(file: BytesIO) -> tuple[Statement, list[Transaction]]:
    statement, *found = camt.read(file)
    assert isinstance(statement, Statement)
    return statement, [one for one in found if isinstance(one, Transaction)]


def only(file: BytesIO) -> Transaction:
    (found,) = read(file)[1]
    return found


def test_a_statement_says_whose_it_is_and_what_was_on_the_account() -> None:
    statement, found = read(camt053())
    assert found == []
    assert statement == Statement(
        message_id="M-1",
        statement_id="S-1",
        is_notice=False,
        sequence_number=231,
        account=ACCOUNT,
        currency="EUR",
        opening=Balance(10_000, "EUR", date(2026, 11, 27)),
        closing=Balance(-1_234, "EUR", date(2026, 11, 28)),
    )


def test_a_transaction_says_what_was_paid_by_whom_and_what_for() -> None:
    more = f"{PARTIES}<RmtInf><Ustrd>Settlement</Ustrd><Ustrd>2026-11-27</Ustrd></RmtInf>"
    found = only(camt053(entry(details=details(transaction(more=more)))))
    assert (found.amount_minor, found.currency, found.is_credit) == (1234, "EUR", True)
    assert (found.end_to_end_id, found.remittance) == ("E2E-1", "Settlement 2026-11-27")
    assert (found.counterparty_name, found.counterparty_account) == ("Payer", "FR1420041010050500013M02606")
    assert (found.is_return, found.return_reason, found.transaction_number) == (False, None, 1)
    booking = found.entry
    assert (booking.entry_number, booking.entry_reference, booking.servicer_reference) == (1, "N-1", "B-1")
    assert (booking.booked_on, booking.value_on) == (date(2026, 11, 28), date(2026, 11, 29))
    assert (booking.status, booking.is_reversal, booking.amount_minor) == ("BOOK", False, 1234)


def test_who_is_paid_is_the_counterparty_of_a_debit() -> None:
    found = only(camt053(entry(direction="DBIT", details=details(transaction(more=PARTIES)))))
    assert (found.is_credit, found.counterparty_name) == (False, "Payee")
    assert found.counterparty_account == "40702810900000000001"


def test_a_payment_that_comes_back_says_so_and_why() -> None:
    returned = (
        f"{PARTIES}<RtrInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>ACCOUNT</AddtlInf><AddtlInf>CLOSED</AddtlInf></RtrInf>"
    )
    found = only(camt053(entry(details=details(transaction(more=returned)))))
    assert (found.is_credit, found.is_return, found.return_reason) == (True, True, "AC04")
    assert (found.return_information, found.counterparty_name) == ("ACCOUNT CLOSED", "Payee")


def test_a_batch_is_split_into_its_transactions() -> None:
    batch = "<Btch><MsgId>STL-1</MsgId><PmtInfId>STL-1-1</PmtInfId></Btch>"
    parts = [transaction("5.00", end_to_end_id="E2E-1"), transaction("7.34", end_to_end_id="NOTPROVIDED")]
    found = read(camt053(entry(direction="DBIT", details=details(batch, *parts)), entry("1.00")))[1]
    assert [(one.transaction_number, one.amount_minor, one.end_to_end_id) for one in found] == [
        (1, 500, "E2E-1"), (2, 734, None), (0, 100, None),
    ]  # fmt: skip
    assert [one.payment_information_id for one in found] == ["STL-1-1", "STL-1-1", None]
    assert [one.entry.entry_number for one in found] == [1, 1, 2]


def test_a_batch_that_is_not_split_says_which_payments_it_stands_for() -> None:
    batch = details("<Btch><MsgId>STL-1</MsgId><PmtInfId>STL-1-1</PmtInfId><NbOfTxs>2</NbOfTxs></Btch>")
    found = only(camt053(entry(direction="DBIT", details=f"{batch}<AddtlNtryInf>Sammler</AddtlNtryInf>")))
    assert (found.message_id, found.payment_information_id, found.transaction_number) == ("STL-1", "STL-1-1", 0)
    assert (found.amount_minor, found.is_credit, found.remittance) == (1234, False, "Sammler")


def test_a_batch_in_several_details_keeps_each_ones_names() -> None:
    parts = [details(f"<Btch><PmtInfId>P-{n}</PmtInfId></Btch>", transaction("6.17")) for n in (1, 2)]
    found = read(camt053(entry(details="".join(parts))))[1]
    assert [(one.transaction_number, one.payment_information_id) for one in found] == [(1, "P-1"), (2, "P-2")]
    assert {one.entry.entry_reference for one in found} == {"N-1"}


def test_a_refund_within_a_batch_has_its_own_direction() -> None:
    parts = details(transaction("20.00"), transaction("7.66", more="<CdtDbtInd>DBIT</CdtDbtInd>"))
    found = read(camt053(entry(details=parts)))[1]
    assert [(one.amount_minor, one.is_credit) for one in found] == [(2000, True), (766, False)]


def test_a_payment_in_another_currency_counts_as_it_was_booked() -> None:
    foreign = (
        "<TxDtls><Amt Ccy='GBP'>10.00</Amt><AmtDtls><InstdAmt><Amt Ccy='GBP'>10.00</Amt></InstdAmt>"
        "<TxAmt><Amt Ccy='EUR'>12.34</Amt></TxAmt></AmtDtls></TxDtls>"
    )
    found = only(camt053(entry(details=details(foreign))))
    assert (found.amount_minor, found.currency) == (1234, "EUR")
    assert (found.instructed_minor, found.instructed_currency) == (1000, "GBP")


def test_the_only_transaction_of_an_entry_need_not_say_what_it_came_to() -> None:
    assert only(camt053(entry(details=details(transaction(None))))).amount_minor == 1234
    for parts in ([transaction(None), transaction("1.00")], [transaction("1.00"), transaction(None)]):
        with pytest.raises(MalformedBankFile, match="has no amount in EUR"):
            list(camt.read(camt053(entry(details=details(*parts)))))


def test_a_notice_is_read_like_a_statement() -> None:
    statement, found = read(camt054(entry(details=details(transaction()))))
    assert (statement.is_notice, statement.statement_id, statement.opening, statement.currency) == (
        True, "N-2", None, None,
    )  # fmt: skip
    assert [one.end_to_end_id for one in found] == ["E2E-1"]


def test_an_older_version_is_read_by_its_names() -> None:
    old_entry = (
        "<Ntry><Amt Ccy='EUR'>1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BkTxCd/><NtryDtls><TxDtls><Refs>"
        "<EndToEndId>E</EndToEndId></Refs><RltdPties><Dbtr><Nm>Old</Nm></Dbtr></RltdPties></TxDtls></NtryDtls></Ntry>"
    )
    found = only(camt053(old_entry, namespace=OLD))
    assert (found.entry.status, found.counterparty_name, found.amount_minor) == ("BOOK", "Old", 100)
    assert found.entry.booked_on is None


def test_each_statement_of_a_file_counts_its_own_entries() -> None:
    text = camt053(entry(), entry()).read().decode()
    begin, end = text.index("<Stmt>"), text.index("</BkToCstmrStmt>")
    twice = BytesIO((text[:end] + text[begin:end].replace("S-1", "S-2") + text[end:]).encode())
    told = [one.statement_id if isinstance(one, Statement) else one.entry.entry_number for one in camt.read(twice)]
    assert told == ["S-1", 1, 2, "S-2", 1, 2]


def test_what_an_independent_package_writes_is_read() -> None:
    def amount(value: str) -> theirs.ActiveOrHistoricCurrencyAndAmount:
        return theirs.ActiveOrHistoricCurrencyAndAmount(value=Decimal(value), ccy="EUR")

    def day() -> theirs.DateAndDateTime2Choice:
        return theirs.DateAndDateTime2Choice(dt=XmlDate(2026, 11, 28))

    payment = theirs.EntryTransaction10(
        refs=theirs.TransactionReferences6(end_to_end_id="E2E-9"),
        amt=amount("12.30"),
        rltd_pties=theirs.TransactionParties6(
            dbtr=theirs.Party40Choice(pty=theirs.PartyIdentification135(nm="Ромашка")),
            dbtr_acct=theirs.CashAccount38(id=theirs.AccountIdentification4Choice(iban="NO9386011117947")),
        ),
        rmt_inf=theirs.RemittanceInformation16(ustrd=["Расчёт"]),
    )
    booking = theirs.ReportEntry10(
        amt=amount("12.30"),
        cdt_dbt_ind=theirs.CreditDebitCode.CRDT,
        sts=theirs.EntryStatus1Choice(cd="BOOK"),
        bookg_dt=day(),
        bk_tx_cd=theirs.BankTransactionCodeStructure4(),
        ntry_dtls=[theirs.EntryDetails9(tx_dtls=[payment])],
    )
    balance = theirs.CashBalance8(
        tp=theirs.BalanceType13(cd_or_prtry=theirs.BalanceType10Choice(cd="CLBD")),
        amt=amount("99.99"),
        cdt_dbt_ind=theirs.CreditDebitCode.CRDT,
        dt=day(),
    )
    statement = theirs.AccountStatement9(
        id="S",
        acct=theirs.CashAccount39(id=theirs.AccountIdentification4Choice(iban=ACCOUNT)),
        bal=[balance],
        ntry=[booking],
    )
    header = theirs.GroupHeader81(msg_id="M", cre_dt_tm=XmlDateTime(2026, 11, 29, 6, 0, 0))
    document = theirs.Document(
        bk_to_cstmr_stmt=theirs.BankToCustomerStatementV08(grp_hdr=header, stmt=[statement]),
    )
    told, (found,) = read(BytesIO(XmlSerializer().render(document).encode()))
    assert told.closing == Balance(9999, "EUR", date(2026, 11, 28))
    assert (found.amount_minor, found.end_to_end_id, found.remittance) == (1230, "E2E-9", "Расчёт")
    assert (found.counterparty_name, found.counterparty_account) == ("Ромашка", "NO9386011117947")


@given(st.lists(st.tuples(st.integers(0, 10**12), st.booleans(), st.integers(1, 4)), max_size=30), st.integers(1, 5))
def test_however_a_file_comes_in_the_same_is_read(bookings: list[tuple[int, bool, int]], pieces: int) -> None:
    """In pieces of any size, as a network hands them over."""

    class Slow(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 97 * pieces))

    entries = [
        entry(
            f"{minor // 100}.{minor % 100:02}",
            "CRDT" if is_credit else "DBIT",
            details=details(*[transaction(f"{minor // 100}.{minor % 100:02}")] * parts),
        )
        for minor, is_credit, parts in bookings
    ]
    whole = list(camt.read(camt053(*entries)))
    assert list(camt.read(Slow(camt053(*entries).getvalue()))) == whole
    expected = [(minor, is_credit) for minor, is_credit, parts in bookings for _ in range(parts)]
    assert [(one.amount_minor, one.is_credit) for one in whole[1:] if isinstance(one, Transaction)] == expected


@pytest.mark.parametrize(
    ("booking", "why"),
    [
        (entry(currency="USD"), "Entry 1 is in USD, its account in EUR"),
        (entry(currency="DEM"), "'DEM', which is no currency"),
        (entry("1.234"), "finer than EUR"),
        (entry("-1.00"), "below zero|not valid"),
        (entry("1e3"), "not an amount"),
        (entry(""), "not an amount"),
        (entry("9" * 19), "not an amount"),
        (entry("1", "BOTH"), "not CRDT or DBIT"),
        (entry().replace("2026-11-28", "2026-02-30"), "no day"),
        (entry().replace("2026-11-28", "yesterday"), "no day"),
        (entry(details=details(transaction(end_to_end_id="E" * 1001))), "longer than 1000"),
        ("<Ntry/>", "no amount"),
        ("<TxDtls/>", "TxDtls stands where none can be"),
        ("<Stmt/>", "Stmt stands where none can be"),
        (
            entry(details=details(transaction(more="<RmtInf>" + "<Ustrd>x</Ustrd>" * 101 + "</RmtInf>"))),
            "more than 100",
        ),
    ],
)
@pytest.mark.parametrize("namespace", [CAMT_053, OLD])
def test_what_can_not_be_right_is_one_clear_refusal_with_or_without_a_schema(
    booking: str, why: str, namespace: str
) -> None:
    with pytest.raises(MalformedBankFile, match=why):
        list(camt.read(camt053(booking, namespace=namespace)))


def test_what_we_would_not_notice_the_schema_does() -> None:
    unknown = entry(details="<Surprise/>")
    assert only(camt053(unknown, namespace=OLD)).amount_minor == 1234
    with pytest.raises(MalformedBankFile, match="not valid: Element 'Surprise'"):
        list(camt.read(camt053(unknown)))


def test_a_statement_without_an_account_is_refused() -> None:
    file = camt053(namespace=OLD).read().replace(ACCOUNT.encode(), b" ")
    with pytest.raises(MalformedBankFile, match="no account"):
        list(camt.read(BytesIO(file)))
