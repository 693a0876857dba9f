"""Files from banks: statements and notices (camt.053, camt.054) and answers to payment files (pain.002), once each.

A file is known to be whole only after its last item, so all of it is one transaction: taken, or nothing of it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Invalid
from settlement import bank_entries, matching, payments, run_progress
from settlement.bank_entries import BankEntry, UnknownBankAccount
from settlement.iso20022 import bank_files, camt, pain002
from settlement.iso20022.camt import Statement, Transaction
from settlement.iso20022.pain002 import Status
from settlement.payments import REJECTED, Change
from settlement.run_progress import Progress

LARGEST_BYTES = 256 * 1024**2
CHUNK_BYTES = 1024**2
_BOOKED_STATUS = "BOOK"
_REJECTED_STATUS = "RJCT"


class UnknownPaymentFile(Invalid):
    code = "unknown_payment_file"
    title = "Unknown payment file"
    description = (
        "The bank's answer is about a payment file that we did not write, or about a payment that is not in it. We "
        "took nothing from the answer."
    )
    remedy = "Import the answer to a file that `coalition settlement instruct` wrote here."


@dataclass(frozen=True)
class Imported:
    """What a file came to: so many items were read, of which so many were new, and so many payments changed."""

    message: str
    read: int
    new: int
    payments: int
    open_items: int
    progress: Progress


def import_file(session: Session, act: Act, file: BinaryIO) -> Imported:
    """Take what is new in a file, find the payments it is for, and bring their runs on. One at a time.

    Raises MalformedBankFile, UnknownBankAccount, BankEntryDiffers, UnknownPaymentFile.
    """
    wait_for_lock(session, payments.LOCK)
    message = bank_files.message(file, (*camt.MESSAGES, *pain002.MESSAGES))
    digest = _sha256(file)
    taken = _Answers(session, act) if message in pain002.MESSAGES else _Entries(session, act)
    taken.read(file)
    progress = run_progress.follow(session, act, taken.changed)
    made = Imported(message, taken.items, taken.new, len(taken.changed), bank_entries.open_count(session), progress)
    if taken.new or taken.changed:
        audit.append(
            session, act, "settlement.bank_file_imported", message, sha256=digest, read=made.read, new=made.new,
            payments=made.payments, **progress.facts,
        )  # fmt: skip
    return made


def _sha256(file: BinaryIO) -> str:
    """Of all that is in a file, which is at its start then."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


class _Entries:
    """The entries of statements and notices."""

    def __init__(self, session: Session, act: Act) -> None:
        self._session, self._at, self._by = session, act.now, act.decider
        self._fund = programme.get(session).programme_id
        self.items = self.new = 0
        self.changed: set[UUID] = set()

    def read(self, file: BinaryIO) -> None:
        statement: Statement | None = None
        owner_id = self._fund
        for found in camt.read(file, largest_bytes=LARGEST_BYTES):
            if isinstance(found, Statement):
                statement, owner_id = found, self._owner(found)
            elif statement is not None and found.entry.status == _BOOKED_STATUS:
                self.items += 1
                self._take(statement, found, owner_id)

    def _owner(self, statement: Statement) -> UUID:
        account = bank_entries.plain_account(statement.account)
        owners = bank_entries.parties_of(self._session, account)
        if not owners:
            raise UnknownBankAccount(
                f"the account of statement {statement.statement_id[:70]}, which ends in {account[-4:]}, is neither the "
                "coalition's nor a partner's"
            )
        return owners[0]

    def _take(self, statement: Statement, found: Transaction, owner_id: UUID) -> None:
        entry = bank_entries.of_transaction(statement, found, owner_id=owner_id, now=self._at)
        if bank_entries.is_known(self._session, entry):
            return
        same = bank_entries.told_before(self._session, entry)
        if original := _original(entry, same):
            entry = replace(entry, duplicate_of=original.bank_entry_id, open_minor=0)
        changes = matching.find(self._session, entry, fund=self._fund) if entry.open_minor else []
        if not changes and entry.duplicate_of is None and owner_id != self._fund:
            return  # a partner's business with others is none of ours
        self.new += 1
        left = entry.open_minor - sum(abs(one.amount_minor) for one in changes)
        bank_entries.keep(self._session, replace(entry, open_minor=left))
        for whole in same if entry.duplicate_of is None else ():
            bank_entries.mark_duplicate(self._session, whole.bank_entry_id, of=entry.bank_entry_id)
        for one in changes:
            payments.write_down(self._session, one, at=self._at, by=self._by)
            self.changed.add(one.payment_id)


def _original(entry: BankEntry, same: list[BankEntry]) -> BankEntry | None:
    """Which of what was told before the entry tells of again.

    A part where a whole was told that no payment has: it says more, and takes the whole's place.
    """
    if entry.transaction_number == 0:
        return next(iter(same), None)
    alike = [
        one for one in same
        if one.transaction_number > 0
        and (one.amount_minor, one.end_to_end_id) == (entry.amount_minor, entry.end_to_end_id)
    ]  # fmt: skip
    taken = [one for one in same if one.transaction_number == 0 and one.open_minor < one.amount_minor]
    return next(iter(alike + taken), None)


class _Answers:
    """What a bank rejects of a payment file: the whole, a group, or a payment. The closest reason counts."""

    def __init__(self, session: Session, act: Act) -> None:
        self._session, self._at, self._by = session, act.now, act.decider
        self._reasons: dict[tuple[UUID, str], tuple[int, str | None]] = {}
        self.items = self.new = 0
        self.changed: set[UUID] = set()

    def read(self, file: BinaryIO) -> None:
        for status in pain002.read(file, largest_bytes=LARGEST_BYTES):
            self.items += 1
            self._take(status)
        for (payment_id, message_id), (_, reason) in self._reasons.items():
            rejected = Change(payment_id, REJECTED, 0, None, "answer", reason, message_id)
            if payments.write_down(self._session, rejected, at=self._at, by=self._by):
                self.new += 1
                self.changed.add(payment_id)

    def _take(self, status: Status) -> None:
        found = self._session.scalars(
            text("""
                SELECT payment_id FROM settlement.instructed_payment
                WHERE message_id = :message_id AND group_id = coalesce(:group_id, group_id)
                    AND end_to_end_id = coalesce(:end_to_end_id, end_to_end_id)
            """),
            {
                "message_id": status.message_id,
                "group_id": status.payment_information_id,
                "end_to_end_id": status.end_to_end_id,
            },
        ).all()
        if not found:
            raise UnknownPaymentFile(f"there is no payment of ours behind {_named(status)}")
        if status.status != _REJECTED_STATUS:
            return
        closeness = (status.payment_information_id is not None) + 2 * (status.end_to_end_id is not None)
        reason = " ".join(filter(None, (status.reason, status.information))) or None
        for payment_id in found:
            before = self._reasons.get((payment_id, status.message_id))
            if before is None or before[0] < closeness:
                self._reasons[payment_id, status.message_id] = (closeness, reason)


def _named(status: Status) -> str:
    parts = (status.message_id, status.payment_information_id, status.end_to_end_id)
    return ", ".join(part[:70] for part in parts if part)
