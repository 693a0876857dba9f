"""Payment files: what a bank is asked to pay of a run. Written once with the run's step, and again with the same bytes.

A bank pays from accounts whose owner asked it to, so a file is for one payer: the coalition, or a partner that gives
the file to its own bank. One file for all payers is for a bank that has a mandate of each of them. What came back is
put into another file, with the accounts as they are then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from coalition import programme
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid, NotFound
from settlement import agreements, approvals, payment_files, payments, policies, runs, statements
from settlement.iso20022 import accounts, pain001
from settlement.iso20022.accounts import MalformedBankAccount
from settlement.iso20022.pain001 import Initiation, Party, Transfer
from settlement.payment_files import PaymentFile, Wanted
from settlement.payments import PAID, Standing
from settlement.runs import Change, Run

LATEST_DAYS = 365  # until the execution date
MOST_NAMED = 20
MOST_FILES = 26  # of a payer in a run: each has a letter in its id


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
    description = (
        "This payer has nothing left to pay in the settlement run, or, for a file of what came back, nothing that did. "
        "`payers` lists who has."
    )
    remedy = "Name one of `payers` with --payer, or write one file for all of them with --all-payers."
    facts = ("payers",)


class InAnotherFile(Conflict):
    code = "payment_in_another_file"
    title = "Payment is in another file"
    description = "A payment of the run stands in the payment file `message_id` already. Two banks could pay it twice."
    remedy = "Write that file again, with the same --payer or --all-payers, or write files for other payers."
    facts = ("message_id",)


class PaymentFileNotFound(NotFound):
    code = "payment_file_not_found"
    title = "Payment file not found"
    description = "The settlement run has no payment file with this message id."
    remedy = "`coalition settlement show` lists the run's payment files with their message ids."


class TooManyFiles(Conflict):
    code = "too_many_payment_files"
    title = "Too many payment files"
    description = f"There are {MOST_FILES} payment files of this payer in the run already."
    remedy = "Pay what came back from your bank account, with the payment's reference as end-to-end id."


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


def instruct(
    session: Session,
    act: Act,
    *,
    run_id: UUID,
    payer_id: UUID | None,
    execute_on: date | None = None,
    another: bool = False,
    message_id: str | None = None,
    deliver: Callable[[bytes], None],
) -> Instruction:
    """Bring an approved run to `instructed` with the file of a payer's payments, or of all payers' (None).

    With `another` it is a further file, of those payments that came back or were rejected since they stood in one, and
    of those that no file has. `deliver` takes the file's bytes before anything is committed. A file that there is comes
    out again, and changes nothing: the payer's first, with `another` its last if nothing is to be paid anew, or the one
    with `message_id`. Raises RunNotFound, WrongState, PersonMissing, AccountsMissing, NothingToPay, InAnotherFile,
    PaymentFileNotFound, TooManyFiles, ExecutionDateRefused, MalformedPayment.
    """
    approvals.by_a_person(act.actor, act.by)
    wait_for_lock(session, payments.LOCK)
    run = approvals.in_state(session, run_id, runs.APPROVED, runs.INSTRUCTED, runs.SETTLED)
    files = payment_files.of_payer(session, run, payer_id)
    anew = _anew(session, run, payer_id, files) if files and another else []
    if (kept := _kept(session, run, files, another=another, message_id=message_id)) is not None and not anew:
        return _written_again(session, run, kept, execute_on, deliver)
    states = [runs.APPROVED, runs.INSTRUCTED] if payment_files.is_there(session, run) else [runs.APPROVED]
    approvals.in_state(session, run_id, *states)
    if files and not anew:
        raise _nothing_to_pay(session, [one for one in payments.of_run(session, run_id) if one.came_back])
    wanted = anew or _due(session, run, payer_id)
    made = _new_file(session, run, payer_id, execute_on, act.now, number=len(files) + 1)
    payment_files.keep(session, run, made)
    _keep_parties(session, run, made, {one.payer_id for one in wanted} | {one.payee_id for one in wanted})
    initiation = _initiation(session, run, made, wanted)
    payment_files.keep_payments(session, made, initiation, wanted)
    deliver(pain001.write(initiation))
    if run.state == runs.APPROVED:
        run = runs.note(session, run, Change.into(runs.INSTRUCTED, act))
    audit.append(
        session, act, "settlement.instructed", run, message_id=made.message_id, payments=len(wanted),
        execution_date=made.execution_date,
    )  # fmt: skip
    return Instruction(made.message_id, run, len(wanted), made.execution_date, is_new=True)


def _kept(
    session: Session, run: Run, files: list[PaymentFile], *, another: bool, message_id: str | None
) -> PaymentFile | None:
    """The file that is to be written again, if nothing is to be paid anew; raises PaymentFileNotFound."""
    if message_id is not None:
        if (found := payment_files.of_message(session, run, message_id)) is None:
            raise PaymentFileNotFound("the run has no payment file with this message id")
        return found
    if another:
        return files[-1] if len(files) > 1 else None
    return files[0] if files else None


def _written_again(
    session: Session, run: Run, kept: PaymentFile, execute_on: date | None, deliver: Callable[[bytes], None]
) -> Instruction:
    if execute_on not in (None, kept.execution_date):
        raise ExecutionDateRefused(f"the file was written to be executed on {kept.execution_date}")
    wanted = payment_files.wanted(session, kept)
    deliver(pain001.write(_initiation(session, run, kept, wanted)))
    return Instruction(kept.message_id, run, len(wanted), kept.execution_date, is_new=False)


def _anew(session: Session, run: Run, payer_id: UUID | None, files: list[PaymentFile]) -> list[Wanted]:
    """What came back of the payer's files, or stands in no file; what is covered by hand needs none."""
    fund, own = programme.get(session).programme_id, {one.message_id for one in files}
    in_file, wanted = payment_files.last_files(session, run), []
    for one in payments.of_run(session, run.run_id):
        last = in_file.get(one.payment.payment_id)
        if one.is_covered_by_hand or not one.open_minor or payer_id not in (None, one.paid_by(fund)):
            continue
        if last is None or (one.came_back and last.message_id in own):
            wanted.append(_asked(one, one.paid_by(fund), times=0 if last is None else last.times))
    return wanted


def _due(session: Session, run: Run, payer_id: UUID | None) -> list[Wanted]:
    """What the payer, or all payers, have to pay still. Raises NothingToPay, InAnotherFile."""
    fund, in_file = programme.get(session).programme_id, payment_files.last_files(session, run)
    unpaid = [one for one in payments.of_run(session, run.run_id) if one.status != PAID]
    due = [one for one in unpaid if payer_id in (None, one.paid_by(fund))]
    due = [one for one in due if not one.is_covered_by_hand]
    if not due:
        raise _nothing_to_pay(session, unpaid)
    if other := next((in_file[one.payment.payment_id] for one in due if one.payment.payment_id in in_file), None):
        said = f"the payment file {other.message_id} has a payment of these already"
        raise InAnotherFile(said, message_id=other.message_id)
    return [_asked(one, one.paid_by(fund), times=0) for one in due]


def _nothing_to_pay(session: Session, unpaid: list[Standing]) -> NothingToPay:
    fund, known = programme.get(session).programme_id, statements.parties(session)
    payers = sorted({known[one.paid_by(fund)].code for one in unpaid})
    who = ", ".join(payers[:MOST_NAMED]) or "nobody"
    return NothingToPay(f"there is nothing to put into a file for this payer; payers who have: {who}", payers=payers)


def _asked(one: Standing, payer_id: UUID, *, times: int) -> Wanted:
    """A payment as a file asks for it that stood in `times` files before: each has an id of its own for it."""
    payment = one.payment
    end_to_end_id = payments.reference(payment.payment_id) + (f"-{times + 1}" if times else "")
    return Wanted(
        payment.payment_id, payer_id, payment.payee_id, payment.currency, one.open_minor, end_to_end_id,
        one.change_number,
    )  # fmt: skip


def _new_file(
    session: Session, run: Run, payer_id: UUID | None, execute_on: date | None, now: datetime, *, number: int
) -> PaymentFile:
    current = programme.get(session)
    today = current.day(current.time(now))
    last = today + timedelta(days=LATEST_DAYS)
    execution_date = execute_on or today
    if not today <= execution_date <= last:
        raise ExecutionDateRefused(f"give a day from {today} to {last} to execute the payments on")
    name = _names(session, {payer_id or current.programme_id})[payer_id or current.programme_id][0]
    # Its place: that of the payer's first payment in the run, 0 for all payers. The coalition, which may cover
    # payments of others only, comes last.
    payers = [*(one.payer_id for one in runs.payments(session, run.run_id)), current.programme_id]
    place = 0 if payer_id is None else payers.index(payer_id) + 1
    if number > MOST_FILES:
        raise TooManyFiles(f"there are {MOST_FILES} payment files of this payer in the run already")
    letter = "-BCDEFGHIJKLMNOPQRSTUVWXYZ"[number - 1]
    message_id = f"{ids.show(ids.SETTLEMENT_RUN, run.run_id).rpartition('_')[2].upper()}{letter}{place:03X}"
    return PaymentFile(message_id, payer_id, name, execution_date, now.replace(microsecond=0), number)


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


def _keep_parties(session: Session, run: Run, file: PaymentFile, wanted: set[UUID]) -> None:
    """Keep the parties of a file as they are now: once for all first files of the run. Raises AccountsMissing."""
    kept = set(payment_files.parties(session, run, file))
    codes = {party_id: party.code for party_id, party in statements.parties(session).items()}
    made, lacking = {}, []
    for party_id, (name, iban, bic) in _names(session, wanted - kept).items():
        try:
            made[party_id] = Party(name, accounts.iban_account(iban or "", bic=bic))
        except MalformedBankAccount:
            lacking.append(codes[party_id])
    if lacking:
        raise AccountsMissing(
            f"these have no bank account that a payment can name: {', '.join(sorted(lacking)[:MOST_NAMED])}",
            parties=sorted(lacking),
        )
    payment_files.keep_parties(session, run, file, made)


def _initiation(session: Session, run: Run, file: PaymentFile, wanted: list[Wanted]) -> Initiation:
    party = payment_files.parties(session, run, file)
    days = f"{run.first_day}" + (f" to {run.last_day}" if run.last_day != run.first_day else "")
    transfers = [
        Transfer(
            one.end_to_end_id, party[one.payer_id], party[one.payee_id], one.amount_minor, one.currency,
            file.execution_date, f"Settlement {days} {one.end_to_end_id}",
        )
        for one in wanted
    ]  # fmt: skip
    return Initiation(file.message_id, file.created_at, file.initiator, transfers)
