"""What banks booked on accounts of the parties: each transaction is kept once, and what no payment has is open."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from settlement.iso20022.bank_files import MalformedBankFile
from settlement.iso20022.camt import Statement, Transaction

LONGEST_KEY = 70  # of what an entry is known by: twice what ISO 20022 allows


class BankEntryNotFound(NotFound):
    code = "bank_entry_not_found"
    title = "Bank entry not found"
    description = "We have no bank entry with this id."
    remedy = "List what is open with `coalition settlement open-items`, and use an id from there."


class BankEntryDiffers(Conflict):
    code = "bank_entry_differs"
    title = "Bank entry differs"
    description = (
        "The file has an entry of the same account, statement and number as one that we read before, with another "
        "amount, direction or day. We took nothing from the file."
    )
    remedy = "Ask the bank which of the two statements is right, and why it used the statement's id twice."


class UnknownBankAccount(Invalid):
    code = "unknown_bank_account"
    title = "Unknown bank account"
    description = "The statement is of an account that belongs neither to the coalition nor to a partner."
    remedy = (
        "Import the statement of the coalition's account. `coalition settlement policy --iban` sets which one that is, "
        "`coalition agreement change` those of partners."
    )


@dataclass(frozen=True)
class BankEntry:
    """One transaction on the account of `owner_id`: money in if `is_credit`, otherwise out.

    `booked_minor` is the amount of the booking that it may be only a part of. `open_minor` of it belongs to no payment.
    `is_return`: money that comes back, or that the bank takes back.
    """

    bank_entry_id: UUID
    account: str
    statement_id: str
    entry_number: int
    transaction_number: int
    is_notice: bool
    owner_id: UUID
    amount_minor: int
    booked_minor: int
    currency: str
    is_credit: bool
    booked_on: date
    booking_reference: str | None
    end_to_end_id: str | None
    payment_information_id: str | None
    remittance: str | None
    counterparty_name: str | None
    counterparty_account: str | None
    is_return: bool
    return_reason: str | None
    imported_at: datetime
    duplicate_of: UUID | None
    open_minor: int

    @property
    def facts(self) -> tuple[int, int, str, bool, date]:
        """What a bank says of it each time: amounts, currency, direction and day."""
        return self.amount_minor, self.booked_minor, self.currency, self.is_credit, self.booked_on


_NAMES = [field.name for field in fields(BankEntry)]
_SELECT = f"SELECT {', '.join(_NAMES)} FROM settlement.bank_entry"  # noqa: S608 -- names of ours


def of_transaction(statement: Statement, found: Transaction, *, owner_id: UUID, now: datetime) -> BankEntry:
    """A transaction of a statement as it is kept; raises MalformedBankFile."""
    booking = found.entry
    booked_on = booking.booked_on or booking.value_on
    if booked_on is None:
        raise MalformedBankFile(f"Entry {booking.entry_number} does not say when it was booked.")
    for key in (statement.statement_id, booking.servicer_reference):
        if key is not None and len(key) > LONGEST_KEY:
            raise MalformedBankFile(f"An id or a reference is longer than {LONGEST_KEY} characters.")
    reasons = (found.return_reason, found.return_information)
    return BankEntry(
        bank_entry_id=ids.new(),
        account=plain_account(statement.account),
        statement_id=statement.statement_id,
        entry_number=booking.entry_number,
        transaction_number=found.transaction_number,
        is_notice=statement.is_notice,
        owner_id=owner_id,
        amount_minor=found.amount_minor,
        booked_minor=booking.amount_minor,
        currency=found.currency,
        is_credit=found.is_credit,
        booked_on=booked_on,
        booking_reference=booking.servicer_reference,
        end_to_end_id=found.end_to_end_id,
        payment_information_id=found.payment_information_id,
        remittance=" ".join(filter(None, (found.remittance, found.creditor_reference))) or None,
        counterparty_name=found.counterparty_name,
        counterparty_account=found.counterparty_account and plain_account(found.counterparty_account),
        is_return=found.is_return or booking.is_reversal,
        return_reason=" ".join(filter(None, reasons)) or None,
        imported_at=now,
        duplicate_of=None,
        open_minor=found.amount_minor,
    )


def plain_account(written: str) -> str:
    """An account's number without spaces, in capitals."""
    return written.replace(" ", "").upper()


def is_known(session: Session, entry: BankEntry) -> bool:
    """Whether the transaction was read before; raises BankEntryDiffers."""
    row = session.execute(
        text(f"""
            {_SELECT} WHERE account = :account AND statement_id = :statement_id AND entry_number = :entry_number
                AND transaction_number = :transaction_number
        """),
        vars(entry),
    ).first()
    if row is None:
        return False
    if BankEntry(*row).facts != entry.facts:
        raise BankEntryDiffers(
            f"entry {entry.entry_number} of statement {entry.statement_id} is not what it was when we read it first"
        )
    return True


def keep(session: Session, entry: BankEntry) -> None:
    """Write down a new transaction."""
    session.execute(
        text(f"""
            INSERT INTO settlement.bank_entry ({", ".join(_NAMES)}) VALUES ({", ".join(f":{name}" for name in _NAMES)})
        """),  # noqa: S608 -- names of ours, values bound
        vars(entry),
    )


def told_before(session: Session, entry: BankEntry) -> list[BankEntry]:
    """What the other kind of message, notice or statement, told of the booking that the new `entry` is of.

    A booking is known by the bank's reference or, where the bank gives none, by end-to-end id, amount and day. One
    message may have it as a whole (transaction 0), the other its parts.
    """
    if entry.booking_reference is not None:
        by = "booking_reference = :booking_reference"
    elif entry.end_to_end_id is not None:
        by = """
            booking_reference IS NULL AND end_to_end_id = :end_to_end_id AND amount_minor = :amount_minor
                AND booked_on = :booked_on
        """
    else:
        return []
    rows = session.execute(
        text(f"""
            {_SELECT} e WHERE {by} AND account = :account AND is_notice <> :is_notice AND is_credit = :is_credit
                AND currency = :currency AND booked_minor = :booked_minor AND duplicate_of IS NULL
                AND NOT EXISTS (SELECT FROM settlement.bank_entry d WHERE d.duplicate_of = e.bank_entry_id)
            ORDER BY entry_number, transaction_number
        """),
        vars(entry),
    )
    return [BankEntry(*row) for row in rows]


def take(session: Session, bank_entry_id: UUID, amount_minor: int) -> None:
    """Say that a payment has so much more of an entry (negative: less)."""
    session.execute(
        text("UPDATE settlement.bank_entry SET open_minor = open_minor - :amount WHERE bank_entry_id = :id"),
        {"amount": amount_minor, "id": bank_entry_id},
    )


def mark_duplicate(session: Session, bank_entry_id: UUID, *, of: UUID) -> None:
    """Say that an entry tells of what another one tells, so nothing of it is open."""
    session.execute(
        text("UPDATE settlement.bank_entry SET open_minor = 0, duplicate_of = :of WHERE bank_entry_id = :id"),
        {"of": of, "id": bank_entry_id},
    )


def get(session: Session, bank_entry_id: UUID) -> BankEntry:
    """One entry; raises BankEntryNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE bank_entry_id = :id"), {"id": bank_entry_id}).first()
    if row is None:
        raise BankEntryNotFound("there is no such bank entry")
    return BankEntry(*row)


def open_items(session: Session, *, limit: int) -> list[BankEntry]:
    """The entries of which something belongs to no payment, the oldest first."""
    rows = session.execute(
        text(f"{_SELECT} WHERE open_minor > 0 ORDER BY booked_on, bank_entry_id LIMIT :limit"), {"limit": limit}
    )
    return [BankEntry(*row) for row in rows]


def open_page(session: Session, *, after: UUID, limit: int) -> list[BankEntry]:
    """The same in the order they were read in, by their ids, behind `after`."""
    rows = session.execute(
        text(f"{_SELECT} WHERE open_minor > 0 AND bank_entry_id > :after ORDER BY bank_entry_id LIMIT :limit"),
        {"after": after, "limit": limit},
    )
    return [BankEntry(*row) for row in rows]


def open_count(session: Session) -> int:
    """How many these are."""
    return session.scalar(text("SELECT count(*) FROM settlement.bank_entry WHERE open_minor > 0")) or 0


def parties_of(session: Session, account: str) -> list[UUID]:
    """Whose account it is or was when a payment file named it; the coalition first."""
    fund = programme.get(session).programme_id
    rows = session.scalars(
        text("""
            SELECT :fund AS party_id FROM settlement.policy WHERE iban = :account
            UNION SELECT party_id FROM settlement.instructed_party WHERE iban = :account
            UNION SELECT partner_id FROM settlement.agreement WHERE iban = :account
        """),
        {"fund": fund, "account": account},
    )
    return sorted(rows, key=lambda party_id: (party_id != fund, party_id))
