"""The payment file: a customer credit transfer initiation, pain.001.001.09. The same transfers give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby

from lxml import etree
from lxml.etree import _Element as Element

from kit import money
from kit.errors import Invalid
from settlement.iso20022 import validation
from settlement.iso20022.accounts import BankAccount
from settlement.iso20022.latin import is_id, latin

MESSAGE = "pain.001.001.09"
MESSAGE_ID_LONGEST = 30  # a group's id is the message's with its number, and has 35 at most
END_TO_END_ID_LONGEST = 35
NAME_LONGEST = 70
REMITTANCE_LONGEST = 140
GROUPS_MOST = 9_999
TRANSFERS_MOST = 100_000
LARGEST_SEPA_MINOR = 99_999_999_999
LARGEST_MINOR = 10**15 - 1  # of any other currency
CONTROL_SUM_DIGITS = 18

_NAMESPACE = validation.NAMESPACE + MESSAGE


class MalformedPayment(Invalid):
    code = "malformed_payment"
    title = "Malformed payment"
    description = "A payment can't be given to a bank as it is: `what` names the part that can't be."
    remedy = "Correct that part: the name of a legal entity, its account, the amount or the identification."
    facts = ("what", "end_to_end_id")


@dataclass(frozen=True)
class Party:
    """Who pays or is paid: its name, in any writing, and its account."""

    name: str
    account: BankAccount


@dataclass(frozen=True)
class Transfer:
    """One payment of `amount_minor` > 0, on `execution_date`; `end_to_end_id` comes back in the bank's statement.

    An id has up to 35 of SEPA's Latin characters: no underscore. `remittance` is for the creditor to read; it and the
    names are put into that set and cut to 140 and 70 characters.
    """

    end_to_end_id: str
    debtor: Party
    creditor: Party
    amount_minor: int
    currency: str
    execution_date: date
    remittance: str

    @property
    def is_sepa(self) -> bool:
        """Whether it is a SEPA credit transfer."""
        return self.currency == "EUR" and self.debtor.account.is_sepa and self.creditor.account.is_sepa


@dataclass(frozen=True)
class Initiation:
    """All that one file says; `created_at` is the run's instant. `message_id` has up to 30 characters, as ids do."""

    message_id: str
    created_at: datetime
    initiating_party: str
    transfers: Sequence[Transfer]


def write(initiation: Initiation) -> bytes:
    """The file, valid against its schema: a group (PmtInf) for each debtor's account, currency and date.

    SEPA credit transfers are in groups of their own. The order of transfers doesn't matter. Raises MalformedPayment.
    """
    _check(initiation)
    document = etree.Element(f"{{{_NAMESPACE}}}Document", nsmap={None: _NAMESPACE})
    root = _in(document, "CstmrCdtTrfInitn")
    _header(root, initiation)
    for group_id, group in groups(initiation):
        _payment_information(root, group_id, group)
    if not validation.schema(MESSAGE).validate(document):
        raise RuntimeError("the payment file is not valid against its schema")
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def groups(initiation: Initiation) -> list[tuple[str, list[Transfer]]]:
    """The groups of a file, each with its id, which an answer of the bank may name. Raises MalformedPayment."""
    ordered = sorted(initiation.transfers, key=lambda transfer: (*_group(transfer), transfer.end_to_end_id))
    found = [list(group) for _, group in groupby(ordered, key=_group)]
    if len(found) > GROUPS_MOST:
        raise MalformedPayment(f"There are more than {GROUPS_MOST} groups of payments in a file.", what="transfers")
    return [(f"{initiation.message_id}-{number}", group) for number, group in enumerate(found, start=1)]


def _group(transfer: Transfer) -> tuple[str, str, str, str, str, bool]:
    debtor = transfer.debtor
    account = (debtor.account.number, debtor.account.bic or "", debtor.name)
    return transfer.execution_date.isoformat(), transfer.currency, *account, transfer.is_sepa


def _check(initiation: Initiation) -> None:
    if initiation.created_at.tzinfo is None:
        raise ValueError("an instant has a time zone")
    if not is_id(initiation.message_id, longest=MESSAGE_ID_LONGEST):
        raise MalformedPayment(f"{initiation.message_id[:80]!r} can't be a message's id.", what="message_id")
    if not 0 < len(initiation.transfers) <= TRANSFERS_MOST:
        raise MalformedPayment(f"A file has 1 to {TRANSFERS_MOST:,} payments.", what="transfers")
    if not latin(initiation.initiating_party, longest=NAME_LONGEST):
        raise MalformedPayment("The name of who initiates the payments can't be read.", what="initiating_party")
    met: set[str] = set()
    for transfer in initiation.transfers:
        if (wrong := _wrong(transfer)) is None and transfer.end_to_end_id in met:
            wrong = "end_to_end_id"
        if wrong is not None:
            shown = transfer.end_to_end_id[:80]
            raise MalformedPayment(f"Payment {shown!r}: {_SAID[wrong]}.", what=wrong, end_to_end_id=shown)
        met.add(transfer.end_to_end_id)


_SAID = {
    "end_to_end_id": "the id is not one of up to 35 Latin letters, digits and /-?:().,'+, or stands twice",
    "amount_minor": "the amount is not above zero, or larger than banks take",
    "currency": "there is no such currency",
    "debtor": "the debtor's name can't be written in Latin letters",
    "creditor": "the creditor's name can't be written in Latin letters",
    "account": "debtor and creditor have the same account",
}


def _wrong(transfer: Transfer) -> str | None:
    largest = LARGEST_SEPA_MINOR if transfer.is_sepa else LARGEST_MINOR
    checks = {
        "end_to_end_id": is_id(transfer.end_to_end_id, longest=END_TO_END_ID_LONGEST),
        "amount_minor": 0 < transfer.amount_minor <= largest,
        "currency": transfer.currency in money.currencies(),
        "debtor": latin(transfer.debtor.name, longest=NAME_LONGEST) != "",
        "creditor": latin(transfer.creditor.name, longest=NAME_LONGEST) != "",
        "account": transfer.debtor.account.number != transfer.creditor.account.number,
    }
    return next((what for what, is_right in checks.items() if not is_right), None)


def _header(root: Element, initiation: Initiation) -> None:
    header = _in(root, "GrpHdr")
    _in(header, "MsgId", initiation.message_id)
    instant = initiation.created_at.astimezone(UTC).replace(tzinfo=None)
    _in(header, "CreDtTm", f"{instant.isoformat(timespec='seconds')}Z")
    _totals(header, initiation.transfers)
    _in(_in(header, "InitgPty"), "Nm", latin(initiation.initiating_party, longest=NAME_LONGEST))


def _totals(parent: Element, transfers: Sequence[Transfer]) -> None:
    """The control sum adds up numbers, whatever their currencies are: so the standard says."""
    _in(parent, "NbOfTxs", str(len(transfers)))
    finest = max((transfer.currency for transfer in transfers), key=money.exponent)
    units = money.minor_units(finest)
    total = sum(transfer.amount_minor * units // money.minor_units(transfer.currency) for transfer in transfers)
    if len(str(total)) > CONTROL_SUM_DIGITS:
        raise MalformedPayment(f"The control sum has more than {CONTROL_SUM_DIGITS} digits.", what="transfers")
    _in(parent, "CtrlSum", money.as_decimal(total, finest))


def _payment_information(root: Element, group_id: str, transfers: list[Transfer]) -> None:
    first = transfers[0]
    group = _in(root, "PmtInf")
    _in(group, "PmtInfId", group_id)
    _in(group, "PmtMtd", "TRF")
    _in(group, "BtchBookg", "false")  # each on its own in the statement, where it is looked for
    _totals(group, transfers)
    if first.is_sepa:
        _in(_in(_in(group, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _in(_in(group, "ReqdExctnDt"), "Dt", first.execution_date.isoformat())
    _party(group, "Dbtr", first.debtor)
    _account(group, "DbtrAcct", first.debtor.account)
    _agent(group, "DbtrAgt", first.debtor.account.bic)
    _in(group, "ChrgBr", "SLEV" if first.is_sepa else "SHAR")
    for transfer in transfers:
        _transaction(group, transfer)


def _transaction(group: Element, transfer: Transfer) -> None:
    found = _in(group, "CdtTrfTxInf")
    _in(_in(found, "PmtId"), "EndToEndId", transfer.end_to_end_id)
    amount = _in(_in(found, "Amt"), "InstdAmt", money.as_decimal(transfer.amount_minor, transfer.currency))
    amount.set("Ccy", transfer.currency)
    if transfer.creditor.account.bic is not None:
        _agent(found, "CdtrAgt", transfer.creditor.account.bic)
    _party(found, "Cdtr", transfer.creditor)
    _account(found, "CdtrAcct", transfer.creditor.account)
    if remittance := latin(transfer.remittance, longest=REMITTANCE_LONGEST):
        _in(_in(found, "RmtInf"), "Ustrd", remittance)


def _party(parent: Element, tag: str, party: Party) -> None:
    _in(_in(parent, tag), "Nm", latin(party.name, longest=NAME_LONGEST))


def _account(parent: Element, tag: str, account: BankAccount) -> None:
    number = _in(_in(parent, tag), "Id")
    _in(number if account.is_iban else _in(number, "Othr"), "IBAN" if account.is_iban else "Id", account.number)


def _agent(parent: Element, tag: str, bic: str | None) -> None:
    """A debtor's bank has to be there; SEPA's way to say nothing of it is NOTPROVIDED."""
    bank = _in(_in(parent, tag), "FinInstnId")
    if bic is not None:
        _in(bank, "BICFI", bic)
    else:
        _in(_in(bank, "Othr"), "Id", "NOTPROVIDED")


def _in(parent: Element, tag: str, text: str | None = None) -> Element:
    child = etree.SubElement(parent, f"{{{_NAMESPACE}}}{tag}")
    child.text = text
    return child
