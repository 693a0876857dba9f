"""Payment files as they are kept: what each asks for, and the parties' accounts that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit.db import Session
from settlement.iso20022 import accounts, pain001
from settlement.iso20022.pain001 import Initiation, Party
from settlement.runs import Run


@dataclass(frozen=True)
class PaymentFile:
    """A file for the bank of `payer_id` (None: of all payers), made at `created_at`."""

    message_id: str
    payer_id: UUID | None
    initiator: str
    execution_date: date
    created_at: datetime
    number: int  # of the payer's files in this run


@dataclass(frozen=True)
class Wanted:
    """A payment as a file asks for it."""

    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    end_to_end_id: str
    after_change: int  # the number of the payment's last change before


@dataclass(frozen=True)
class LastFile:
    """The file that a payment stands in last, of `times` files."""

    message_id: str
    times: int


def of_payer(session: Session, run: Run, payer_id: UUID | None) -> list[PaymentFile]:
    """The payer's files in the run, the first one first."""
    rows = session.execute(
        text("""
            SELECT message_id, payer_id, initiator, execution_date, created_at, number FROM settlement.payment_file
            WHERE run_id = :run_id AND payer_id IS NOT DISTINCT FROM CAST(:payer_id AS uuid) ORDER BY number
        """),
        {"run_id": run.run_id, "payer_id": payer_id},
    )
    return [PaymentFile(*row) for row in rows]


def is_there(session: Session, run: Run) -> bool:
    """Whether a file brought the run to `instructed`; without one its payments are on their way by another."""
    there = text("SELECT EXISTS (SELECT FROM settlement.payment_file WHERE run_id = :run_id)")
    return bool(session.scalar(there, {"run_id": run.run_id}))


def wanted(session: Session, file: PaymentFile) -> list[Wanted]:
    """What a file asks for, in order."""
    rows = session.execute(
        text("""
            SELECT p.payment_id, CASE WHEN EXISTS (
                       SELECT FROM settlement.cover c WHERE c.payment_id = p.payment_id AND NOT c.by_hand
                   ) THEN CAST(:fund AS uuid) ELSE p.payer_id END,
                   p.payee_id, p.currency, i.amount_minor, i.end_to_end_id, i.after_change
            FROM settlement.instructed_payment i JOIN settlement.run_payment p USING (payment_id)
            WHERE i.message_id = :message_id ORDER BY p.n
        """),
        {"message_id": file.message_id, "fund": programme.get(session).programme_id},
    )
    return [Wanted(*row) for row in rows]


def last_files(session: Session, run: Run) -> dict[UUID, LastFile]:
    """The last file of each payment of the run that is in one."""
    rows = session.execute(
        text("""
            SELECT payment_id, (array_agg(message_id ORDER BY after_change DESC))[1], count(*)
            FROM settlement.instructed_payment JOIN settlement.run_payment USING (payment_id)
            WHERE run_id = :run_id GROUP BY payment_id
        """),
        {"run_id": run.run_id},
    )
    return {row[0]: LastFile(row[1], row[2]) for row in rows}


def _own_parties(file: PaymentFile) -> str | None:
    """Under which message's id a file's parties are kept: all first files of a run share theirs."""
    return file.message_id if file.number > 1 else None


def parties(session: Session, run: Run, file: PaymentFile) -> dict[UUID, Party]:
    """The parties of a file as they were kept."""
    rows = session.execute(
        text("""
            SELECT party_id, name, iban, bic FROM settlement.instructed_party
            WHERE run_id = :run_id AND message_id IS NOT DISTINCT FROM CAST(:message_id AS text)
        """),
        {"run_id": run.run_id, "message_id": _own_parties(file)},
    )
    return {row.party_id: Party(row.name, accounts.iban_account(row.iban, bic=row.bic)) for row in rows}


def of_end_to_end_id(session: Session, end_to_end_id: str | None) -> tuple[UUID, str] | None:
    """The payment that has this id in a file, and the file's message; None: no file has the id."""
    row = session.execute(
        text("SELECT payment_id, message_id FROM settlement.instructed_payment WHERE end_to_end_id = :id"),
        {"id": end_to_end_id},
    ).first()
    return None if row is None else (row.payment_id, row.message_id)


def of_message(session: Session, run: Run, message_id: str) -> PaymentFile | None:
    """A file of the run by its message's id."""
    row = session.execute(
        text("""
            SELECT message_id, payer_id, initiator, execution_date, created_at, number FROM settlement.payment_file
            WHERE run_id = :run_id AND message_id = :message_id
        """),
        {"run_id": run.run_id, "message_id": message_id},
    ).first()
    return None if row is None else PaymentFile(*row)


def stands_in_later_file(session: Session, payment_id: UUID, bank_entry_id: UUID) -> bool:
    """Whether a file was made of a payment after a bank's entry was matched to it."""
    there = text("""
        SELECT EXISTS (SELECT FROM settlement.payment_change c JOIN settlement.instructed_payment i USING (payment_id)
                       WHERE c.payment_id = :payment_id AND c.bank_entry_id = :entry AND c.n <= i.after_change)
    """)
    return bool(session.scalar(there, {"payment_id": payment_id, "entry": bank_entry_id}))


def of_run(session: Session, run: Run) -> list[PaymentFile]:
    """All files of a run, in the order in which they were made."""
    rows = session.execute(
        text("""
            SELECT message_id, payer_id, initiator, execution_date, created_at, number FROM settlement.payment_file
            WHERE run_id = :run_id ORDER BY created_at, message_id
        """),
        {"run_id": run.run_id},
    )
    return [PaymentFile(*row) for row in rows]


def keep_parties(session: Session, run: Run, file: PaymentFile, made: Mapping[UUID, Party]) -> None:
    """Keep parties of a file as they are."""
    if made:
        session.execute(
            text("""
                INSERT INTO settlement.instructed_party (run_id, message_id, party_id, name, iban, bic)
                VALUES (:run_id, :message_id, :party_id, :name, :iban, :bic)
            """),
            [
                {
                    "run_id": run.run_id,
                    "message_id": _own_parties(file),
                    "party_id": party_id,
                    "name": party.name,
                    "iban": party.account.number,
                    "bic": party.account.bic,
                }
                for party_id, party in made.items()
            ],
        )


def keep(session: Session, run: Run, file: PaymentFile) -> None:
    """Keep a new file, without what it asks for."""
    session.execute(
        text("""
            INSERT INTO settlement.payment_file (message_id, run_id, payer_id, initiator, execution_date, created_at,
                                                 number)
            VALUES (:message_id, :run_id, :payer_id, :initiator, :execution_date, :created_at, :number)
        """),
        {**vars(file), "run_id": run.run_id},
    )


def keep_payments(session: Session, file: PaymentFile, initiation: Initiation, asked: Sequence[Wanted]) -> None:
    """Keep what a file asks for, and in which of its groups."""
    group_of = {
        transfer.end_to_end_id: group_id
        for group_id, transfers in pain001.groups(initiation)
        for transfer in transfers
    }  # fmt: skip
    session.execute(
        text("""
            INSERT INTO settlement.instructed_payment (payment_id, message_id, group_id, end_to_end_id, amount_minor,
                                                       after_change)
            VALUES (:payment_id, :message_id, :group_id, :end_to_end_id, :amount_minor, :after_change)
        """),
        [
            {
                "payment_id": one.payment_id,
                "message_id": file.message_id,
                "group_id": group_of[one.end_to_end_id],
                "end_to_end_id": one.end_to_end_id,
                "amount_minor": one.amount_minor,
                "after_change": one.after_change,
            }
            for one in asked
        ],
    )
