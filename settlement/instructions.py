"""Payment files: what a bank is asked to pay of a run. Written once with the run's step, and again with the same bytes.

A bank pays from accounts whose owner asked it to, so a file is for one payer: the coalition, or a partner that gives
the file to its own bank. One file for all payers is for a bank that has a mandate of each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid
from settlement import agreements, approvals, payments, policies, runs, statements
from settlement.iso20022 import accounts, pain001
from settlement.iso20022.accounts import MalformedBankAccount
from settlement.iso20022.pain001 import Initiation, Party, Transfer
from settlement.payments import PAID
from settlement.runs import Change, Run

LATEST_DAYS = 365  # until the execution date
MOST_NAMED = 20


class AccountsMissing(Conflict):
    code = "accounts_missing"
    title = "Bank accounts missing"
    description = "A payment file needs the legal name and the IBAN of each party. `parties` lists those without."
    remedy = (
        "Give a partner's account with `coalition agreement correct` or `agreement create` (--legal-name, --iban), and "
        "the coalition's with `coalition settlement policy`. Then write the file again."
    )
    facts = ("parties",)


class NothingToPay(Conflict):
    code = "nothing_to_pay"
    title = "Nothing to pay"
    description = "This payer has nothing left to pay in the settlement run. `payers` lists who has."
    remedy = "Name one of `payers` with --payer, or write one file for all of them with --all-payers."
    facts = ("payers",)


class InAnotherFile(Conflict):
    code = "payment_in_another_file"
    title = "Payment is in another file"
    description = "A payment of the run stands in the payment file `message_id` already. Two banks could pay it twice."
    remedy = "Write that file again, with the same --payer or --all-payers, or write files for other payers."
    facts = ("message_id",)


class ExecutionDateRefused(Invalid):
    code = "execution_date_refused"
    title = "Execution date refused"
    description = "Payments are executed today or up to 365 days later. A payment file that was written keeps its date."
    remedy = "Give a day from today on with --execute-on. Leave it out to write a file again."


@dataclass(frozen=True)
class Instruction:
    """A payment file as it was written; `is_new`: for the first time."""

    message_id: str
    run: Run
    payments: int
    execution_date: date
    is_new: bool


@dataclass(frozen=True)
class _File:
    message_id: str
    payer_id: UUID | None
    initiator: str
    execution_date: date
    created_at: datetime


@dataclass(frozen=True)
class _Wanted:
    """A payment as a file asks for it."""

    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    end_to_end_id: str


def instruct(
    session: Session,
    act: Act,
    *,
    run_id: UUID,
    payer_id: UUID | None,
    execute_on: date | None = None,
    deliver: Callable[[bytes], None],
) -> Instruction:
    """Bring an approved run to `instructed` with the file of a payer's payments, or of all payers' (None).

    `deliver` takes the file's bytes before anything is committed. A file that there is comes out again, and changes
    nothing. Raises RunNotFound, WrongState, PersonMissing, AccountsMissing, NothingToPay, InAnotherFile,
    ExecutionDateRefused, MalformedPayment.
    """
    approvals.by_a_person(act.actor)
    wait_for_lock(session, payments.LOCK)
    run = approvals.in_state(session, run_id, runs.APPROVED, runs.INSTRUCTED, runs.SETTLED)
    if (kept := _kept(session, run, payer_id)) is not None:
        if execute_on not in (None, kept.execution_date):
            raise ExecutionDateRefused(f"the file was written to be executed on {kept.execution_date}")
        wanted = _of_file(session, kept)
        deliver(pain001.write(_initiation(session, run, kept, wanted)))
        return Instruction(kept.message_id, run, len(wanted), kept.execution_date, is_new=False)
    states = [runs.APPROVED, runs.INSTRUCTED] if _has_file(session, run) else [runs.APPROVED]
    approvals.in_state(session, run_id, *states)
    wanted = _due(session, run, payer_id)
    made = _new_file(session, run, payer_id, execute_on, act.now)
    _keep_parties(session, run, {one.payer_id for one in wanted} | {one.payee_id for one in wanted})
    initiation = _initiation(session, run, made, wanted)
    _keep(session, run, made, initiation, wanted)
    deliver(pain001.write(initiation))
    if run.state == runs.APPROVED:
        run = runs.note(session, run, Change.into(runs.INSTRUCTED, act))
    audit.append(
        session, act, "settlement.instructed", run, message_id=made.message_id, payments=len(wanted),
        execution_date=made.execution_date,
    )  # fmt: skip
    return Instruction(made.message_id, run, len(wanted), made.execution_date, is_new=True)


def _has_file(session: Session, run: Run) -> bool:
    """Whether a file brought the run to `instructed`; without one its payments are on their way by another."""
    there = text("SELECT EXISTS (SELECT FROM settlement.payment_file WHERE run_id = :run_id)")
    return bool(session.scalar(there, {"run_id": run.run_id}))


def _kept(session: Session, run: Run, payer_id: UUID | None) -> _File | None:
    row = session.execute(
        text("""
            SELECT message_id, payer_id, initiator, execution_date, created_at FROM settlement.payment_file
            WHERE run_id = :run_id AND payer_id IS NOT DISTINCT FROM CAST(:payer_id AS uuid)
        """),
        {"run_id": run.run_id, "payer_id": payer_id},
    ).first()
    return None if row is None else _File(*row)


def _of_file(session: Session, file: _File) -> list[_Wanted]:
    rows = session.execute(
        text("""
            SELECT p.payment_id, CASE WHEN EXISTS (
                       SELECT FROM settlement.cover c WHERE c.payment_id = p.payment_id AND NOT c.by_hand
                   ) THEN CAST(:fund AS uuid) ELSE p.payer_id END,
                   p.payee_id, p.currency, i.amount_minor, i.end_to_end_id
            FROM settlement.instructed_payment i JOIN settlement.run_payment p USING (payment_id)
            WHERE i.message_id = :message_id ORDER BY p.n
        """),
        {"message_id": file.message_id, "fund": programme.get(session).programme_id},
    )
    return [_Wanted(*row) for row in rows]


def _due(session: Session, run: Run, payer_id: UUID | None) -> list[_Wanted]:
    """What the payer, or all payers, have to pay still. Raises NothingToPay, InAnotherFile."""
    fund = programme.get(session).programme_id
    unpaid = [one for one in payments.of_run(session, run.run_id) if one.status != PAID]
    due = [one for one in unpaid if payer_id in (None, one.paid_by(fund))]
    rows = session.execute(
        text("SELECT payment_id, message_id FROM settlement.instructed_payment WHERE payment_id = ANY(:ids)"),
        {"ids": [one.payment.payment_id for one in due]},
    )
    file_of: dict[UUID, str] = {row.payment_id: row.message_id for row in rows}
    # What the coalition covers of another's file it pays by hand.
    due = [one for one in due if not (one.is_covered and one.payment.payment_id in file_of)]
    if not due:
        known = statements.parties(session)
        payers = sorted({known[one.paid_by(fund)].code for one in unpaid})
        who = ", ".join(payers[:MOST_NAMED]) or "nobody"
        raise NothingToPay(f"this payer has nothing left to pay in the run; still to pay: {who}", payers=payers)
    if other := next((file_of[one.payment.payment_id] for one in due if one.payment.payment_id in file_of), None):
        raise InAnotherFile(f"the payment file {other} has a payment of these already", message_id=other)
    return [
        _Wanted(
            one.payment.payment_id, one.paid_by(fund), one.payment.payee_id, one.payment.currency, one.open_minor,
            payments.reference(one.payment.payment_id),
        )
        for one in due
    ]  # fmt: skip


def _new_file(session: Session, run: Run, payer_id: UUID | None, execute_on: date | None, now: datetime) -> _File:
    current = programme.get(session)
    today = current.day(current.time(now))
    last = today + timedelta(days=LATEST_DAYS)
    execution_date = execute_on or today
    if not today <= execution_date <= last:
        raise ExecutionDateRefused(f"give a day from {today} to {last} to execute the payments on")
    name = _names(session, {payer_id or current.programme_id})[payer_id or current.programme_id][0]
    # Its number: that of the payer's first payment in the run, 0 for all payers. The coalition, which may cover
    # payments of others only, comes last.
    payers = [*(one.payer_id for one in runs.payments(session, run.run_id)), current.programme_id]
    number = 0 if payer_id is None else payers.index(payer_id) + 1
    message_id = f"{ids.show(ids.SETTLEMENT_RUN, run.run_id).rpartition('_')[2].upper()}-{number:03X}"
    return _File(message_id, payer_id, name, execution_date, now.replace(microsecond=0))


def _names(session: Session, wanted: set[UUID]) -> dict[UUID, tuple[str, str | None, str | None]]:
    """Name, IBAN and BIC of parties as they are now: by the agreement in force, or by the policy."""
    current, policy = programme.get(session), policies.get(session)
    fund, terms_of = current.programme_id, agreements.in_force(session, current.open_day)
    found = {}
    for party_id, party in statements.parties(session).items():
        if party_id in wanted:
            terms = policy if party_id == fund else terms_of.get(party_id)
            account = (None, None) if terms is None else (terms.iban, terms.bic)
            found[party_id] = ((terms and terms.legal_name) or party.name, *account)
    return found


def _keep_parties(session: Session, run: Run, wanted: set[UUID]) -> None:
    """Keep the parties of a file as they are now, once for all files of the run. Raises AccountsMissing."""
    kept = set(
        session.scalars(text("SELECT party_id FROM settlement.instructed_party WHERE run_id = :id"), {"id": run.run_id})
    )
    codes = {party_id: party.code for party_id, party in statements.parties(session).items()}
    made, lacking = [], []
    for party_id, (name, iban, bic) in _names(session, wanted - kept).items():
        try:
            account = accounts.iban_account(iban or "", bic=bic)
        except MalformedBankAccount:
            lacking.append(codes[party_id])
            continue
        made.append(
            {"run_id": run.run_id, "party_id": party_id, "name": name, "iban": account.number, "bic": account.bic}
        )
    if lacking:
        raise AccountsMissing(
            f"these have no bank account that a payment can name: {', '.join(sorted(lacking)[:MOST_NAMED])}",
            parties=sorted(lacking),
        )
    if made:
        session.execute(
            text("""
                INSERT INTO settlement.instructed_party (run_id, party_id, name, iban, bic)
                VALUES (:run_id, :party_id, :name, :iban, :bic)
            """),
            made,
        )


def _initiation(session: Session, run: Run, file: _File, wanted: list[_Wanted]) -> Initiation:
    rows = session.execute(
        text("SELECT party_id, name, iban, bic FROM settlement.instructed_party WHERE run_id = :id"), {"id": run.run_id}
    )
    party = {row.party_id: Party(row.name, accounts.iban_account(row.iban, bic=row.bic)) for row in rows}
    days = f"{run.first_day}" + (f" to {run.last_day}" if run.last_day != run.first_day else "")
    transfers = [
        Transfer(
            one.end_to_end_id, party[one.payer_id], party[one.payee_id], one.amount_minor, one.currency,
            file.execution_date, f"Settlement {days} {one.end_to_end_id}",
        )
        for one in wanted
    ]  # fmt: skip
    return Initiation(file.message_id, file.created_at, file.initiator, transfers)


def _keep(session: Session, run: Run, file: _File, initiation: Initiation, wanted: list[_Wanted]) -> None:
    session.execute(
        text("""
            INSERT INTO settlement.payment_file (message_id, run_id, payer_id, initiator, execution_date, created_at)
            VALUES (:message_id, :run_id, :payer_id, :initiator, :execution_date, :created_at)
        """),
        {**vars(file), "run_id": run.run_id},
    )
    group_of = {
        transfer.end_to_end_id: group_id
        for group_id, transfers in pain001.groups(initiation)
        for transfer in transfers
    }  # fmt: skip
    session.execute(
        text("""
            INSERT INTO settlement.instructed_payment (payment_id, message_id, group_id, end_to_end_id, amount_minor)
            VALUES (:payment_id, :message_id, :group_id, :end_to_end_id, :amount_minor)
        """),
        [{**vars(one), "message_id": file.message_id, "group_id": group_of[one.end_to_end_id]} for one in wanted],
    )
