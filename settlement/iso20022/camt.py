"""Bank statements (camt.053) and notices of single bookings (camt.054), read as a stream; memory is flat in entries.

Any version is read by the names of its elements; 053.001.08 and 054.001.08 are checked against their schemas besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from settlement.iso20022.bank_files import LARGEST_FILE_BYTES, MalformedBankFile, events
from settlement.iso20022.fields import Fields

_STATEMENT, _NOTICE, _ENTRY, _DETAILS, _BATCH, _TRANSACTION = "Stmt", "Ntfctn", "Ntry", "NtryDtls", "Btch", "TxDtls"
MESSAGES = ("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn")
_PARENTS = {
    _STATEMENT: ("BkToCstmrStmt",),
    _NOTICE: ("BkToCstmrDbtCdtNtfctn",),
    _ENTRY: (_STATEMENT, _NOTICE),
    _DETAILS: (_ENTRY,),
    _BATCH: (_DETAILS,),
    _TRANSACTION: (_DETAILS,),
}
_NO_ID = "NOTPROVIDED"


@dataclass(frozen=True)
class Balance:
    """What was on the account at the end of `on` (an opening balance: at its beginning); negative when overdrawn."""

    amount_minor: int
    currency: str
    on: date


@dataclass(frozen=True)
class Statement:
    """Begins a statement; `is_notice`: a camt.054, which has no balances. `account` is an IBAN or another number.

    `currency` is the account's, where the bank says it. `sequence_number` counts a bank's statements of an account.
    """

    message_id: str
    statement_id: str
    is_notice: bool
    sequence_number: int | None
    account: str
    currency: str | None
    opening: Balance | None
    closing: Balance | None


@dataclass(frozen=True)
class Entry:
    """What one booking on the account says of itself, for all of its transactions.

    `entry_number` counts those of the statement from 1. `status` is BOOK for what is booked, PDNG or INFO for what
    isn't (yet). `amount_minor` is without sign. `is_reversal`: the bank takes an earlier entry back.
    """

    entry_number: int
    entry_reference: str | None
    servicer_reference: str | None
    amount_minor: int
    currency: str
    is_credit: bool
    status: str
    is_reversal: bool
    booked_on: date | None
    value_on: date | None


@dataclass(frozen=True)
class Transaction:
    """One payment in or out (`is_credit`: in), of `amount_minor` ≥ 0 in `currency`; its `entry` may be a batch of many.

    `transaction_number` counts those of the entry from 1; an entry without details is one, numbered 0, and stands for
    all payments of the `payment_information_id` where there is one. `instructed_minor` is what was ordered, in a
    currency that may be another. `counterparty_` is the other side. `is_return`: a payment that comes back, for
    `return_reason` (a code such as AC04) and `return_information`.
    """

    entry: Entry
    transaction_number: int
    amount_minor: int
    currency: str
    is_credit: bool
    instructed_minor: int | None
    instructed_currency: str | None
    end_to_end_id: str | None
    servicer_reference: str | None
    message_id: str | None
    payment_information_id: str | None
    remittance: str | None
    creditor_reference: str | None
    counterparty_name: str | None
    counterparty_account: str | None
    is_return: bool
    return_reason: str | None
    return_information: str | None


def read(file: BinaryIO, *, largest_bytes: int = LARGEST_FILE_BYTES) -> Iterator[Statement | Transaction]:
    """Each statement of a file, and behind it its transactions, as they come.

    Only when all were taken is it known that the file is whole and valid: work with them in one transaction. Raises
    MalformedBankFile.
    """
    reader = _Reader()
    for event, name, element in events(file, messages=MESSAGES, parents=_PARENTS, largest_bytes=largest_bytes):
        found = Fields(element)
        yield from reader.begin(name, found) if event == "start" else reader.end(name, found)


class _Reader:
    """Where in a file we are. What stands before an element is read when that begins, for then it is still there."""

    def __init__(self) -> None:
        self.message_id: str | None = None
        self.statement: Statement | None = None
        self.entry: Entry | None = None
        self.entry_number = 0
        self.transactions = 0
        self.is_unstated = False
        self.batch: tuple[str | None, str | None] = (None, None)

    def begin(self, name: str, parent: Fields) -> Iterator[Statement | Transaction]:
        """An element begins in `parent`; of a statement its head is known when its first entry does."""
        if name in (_STATEMENT, _NOTICE):
            self.message_id = self.message_id or parent.text("GrpHdr/MsgId")
        elif name == _ENTRY:
            yield from self._statement(parent)
            self.entry_number, self.entry = self.entry_number + 1, None
            self.transactions, self.is_unstated, self.batch = 0, False, (None, None)
        elif name == _DETAILS:
            self._entry(parent)
            self.batch = (None, None)

    def end(self, name: str, element: Fields) -> Iterator[Statement | Transaction]:
        """An element has ended; it is emptied behind us."""
        if name in (_STATEMENT, _NOTICE):
            yield from self._statement(element)
            self.statement, self.entry_number = None, 0
        elif name == _BATCH:
            self.batch = (element.text("MsgId"), element.text("PmtInfId"))
        elif name == _TRANSACTION and self.entry is not None:
            yield self._transaction(self.entry, element)
        elif name == _ENTRY:
            entry = self._entry(element)
            if self.transactions == 0:
                yield _whole(entry, self.batch, element)

    def _statement(self, element: Fields) -> Iterator[Statement]:
        if self.statement is None:
            self.statement = _head(element, self.message_id)
            yield self.statement

    def _transaction(self, entry: Entry, element: Fields) -> Transaction:
        """The only transaction of an entry need not say what it came to."""
        self.transactions += 1
        booked = _booked(entry, element)
        self.is_unstated |= booked is None
        if self.is_unstated and self.transactions > 1:
            raise MalformedBankFile(
                f"A transaction of entry {entry.entry_number}, one of several, has no amount in {entry.currency}."
            )
        return _transaction(
            entry, self.transactions, entry.amount_minor if booked is None else booked, self.batch, element
        )

    def _entry(self, element: Fields) -> Entry:
        if self.entry is None:
            self.entry = _entry(element, self.entry_number, None if self.statement is None else self.statement.currency)
        return self.entry


def _head(element: Fields, message_id: str | None) -> Statement:
    statement_id = element.text("Id")
    account = element.first_text("Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/PrtryAcct/Id")
    if not message_id or not statement_id or not account:
        raise MalformedBankFile("A statement names no message (MsgId), no id (Id) or no account (Acct).")
    balances = _balances(element)
    return Statement(
        message_id=message_id,
        statement_id=statement_id,
        is_notice=element.name == _NOTICE,
        sequence_number=element.whole_number("ElctrncSeqNb"),
        account=account,
        currency=element.text("Acct/Ccy"),
        opening=balances.get("OPBD") or balances.get("PRCD"),
        closing=balances.get("CLBD"),
    )


def _balances(element: Fields) -> dict[str, Balance]:
    """The balances by their code: OPBD opening, PRCD the closing one before, CLBD closing."""
    found = {}
    for child in element.all("Bal"):
        code, amount = child.first_text("Tp/CdOrPrtry/Cd", "Tp/Cd"), child.amount("Amt")
        is_credit, on = child.is_credit(), child.day("Dt")
        if amount is None or is_credit is None or on is None:
            raise MalformedBankFile("A balance (Bal) has no amount, no direction or no day.")
        if code is not None:
            found[code] = Balance(amount[0] if is_credit else -amount[0], amount[1], on)
    return found


def _entry(element: Fields, number: int, account_currency: str | None) -> Entry:
    amount, is_credit = element.amount("Amt"), element.is_credit()
    if amount is None or is_credit is None:
        raise MalformedBankFile(f"Entry {number} has no amount (Amt) or no direction (CdtDbtInd).")
    if account_currency is not None and amount[1] != account_currency:
        raise MalformedBankFile(f"Entry {number} is in {amount[1]}, its account in {account_currency[:10]}.")
    status = element.first_text("Sts/Cd", "Sts/Prtry", "Sts")
    if status is None:
        raise MalformedBankFile(f"Entry {number} does not say whether it is booked (Sts).")
    return Entry(
        entry_number=number,
        entry_reference=element.text("NtryRef"),
        servicer_reference=element.text("AcctSvcrRef"),
        amount_minor=amount[0],
        currency=amount[1],
        is_credit=is_credit,
        status=status,
        is_reversal=element.text("RvslInd") in ("true", "1"),
        booked_on=element.day("BookgDt"),
        value_on=element.day("ValDt"),
    )


def _transaction(
    entry: Entry, number: int, amount_minor: int, batch: tuple[str | None, str | None], element: Fields
) -> Transaction:
    is_credit = element.is_credit()
    if is_credit is None:
        is_credit = entry.is_credit
    instructed = element.amount("AmtDtls/InstdAmt/Amt")
    end_to_end_id = element.text("Refs/EndToEndId")
    is_return = bool(element.all("RtrInf"))
    # A payment that comes back names its debtor and its creditor as it did on its way out.
    other = "Dbtr" if is_credit != is_return else "Cdtr"
    return Transaction(
        entry=entry,
        transaction_number=number,
        amount_minor=amount_minor,
        currency=entry.currency,
        is_credit=is_credit,
        instructed_minor=None if instructed is None else instructed[0],
        instructed_currency=None if instructed is None else instructed[1],
        end_to_end_id=None if end_to_end_id in (_NO_ID, "") else end_to_end_id,
        servicer_reference=element.text("Refs/AcctSvcrRef"),
        message_id=element.text("Refs/MsgId") or batch[0],
        payment_information_id=element.text("Refs/PmtInfId") or batch[1],
        remittance=" ".join(element.texts("RmtInf/Ustrd")) or None,
        creditor_reference=element.text("RmtInf/Strd/CdtrRefInf/Ref"),
        counterparty_name=element.first_text(f"RltdPties/{other}/Pty/Nm", f"RltdPties/{other}/Nm"),
        counterparty_account=element.first_text(f"RltdPties/{other}Acct/Id/IBAN", f"RltdPties/{other}Acct/Id/Othr/Id"),
        is_return=is_return,
        return_reason=element.first_text("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
        return_information=" ".join(element.texts("RtrInf/AddtlInf")) or None,
    )


def _booked(entry: Entry, element: Fields) -> int | None:
    """What a transaction came to on the account, in its currency; None where the bank doesn't say."""
    stated = (element.amount(path) for path in ("Amt", "AmtDtls/TxAmt/Amt"))
    return next((amount[0] for amount in stated if amount is not None and amount[1] == entry.currency), None)


def _whole(entry: Entry, batch: tuple[str | None, str | None], element: Fields) -> Transaction:
    """An entry without details; all that it says of its reason is what the bank adds in words."""
    return Transaction(
        entry=entry,
        transaction_number=0,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        is_credit=entry.is_credit,
        instructed_minor=None,
        instructed_currency=None,
        end_to_end_id=None,
        servicer_reference=entry.servicer_reference,
        message_id=batch[0],
        payment_information_id=batch[1],
        remittance=element.text("AddtlNtryInf"),
        creditor_reference=None,
        counterparty_name=None,
        counterparty_account=None,
        is_return=False,
        return_reason=None,
        return_information=None,
    )
