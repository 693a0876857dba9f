"""Which payments a bank's entry is for: by end-to-end id, by reference, as a whole group, by amount; or none is found.

A payment is looked for on one account only, so that it never counts twice: the coalition's where the coalition pays or
is paid, or covers for a partner in default, otherwise its payer's. An entry with the end-to-end id of a file says
something of that file: what another file paid does not come back by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

from kit import ids
from kit.db import Session
from settlement import bank_entries, payment_files, payments, runs
from settlement.bank_entries import BankEntry
from settlement.payments import Change, Standing

LATEST_DAYS = 45  # after a run's last day, for what is found by its amount alone
MOST_PAYMENTS = 1_000  # in one entry
_PAID_IN = (runs.APPROVED, runs.INSTRUCTED, runs.SETTLED)
_REFERENCE = re.compile(r"PAY[-_]?([0-7][0-9A-HJKMNP-TV-Z]{25})", re.IGNORECASE)


def find(session: Session, entry: BankEntry, *, fund: UUID) -> list[Change]:
    """What becomes of payments by a new entry; nothing where no payment is found, or no single one."""
    if (file := payment_files.of_end_to_end_id(session, entry.end_to_end_id)) is not None:
        return _of_file(session, entry, *file, fund=fund)
    for found_by, look_up in _WAYS:
        if changes := list(_shared(entry, look_up(session, entry), found_by, fund)):
            return changes
    return []


def _of_file(session: Session, entry: BankEntry, payment_id: UUID, message_id: str, *, fund: UUID) -> list[Change]:
    """What becomes of the payment whose end-to-end id in the file `message_id` the entry has."""
    standing = payments.get(session, payment_id)
    most = entry.open_minor
    if entry.is_return:
        most = min(most, standing.paid_minor - payments.paid_by_other_files(session, payment_id, message_id))
    forward = is_forward(entry, standing, fund=fund)
    if forward is None or forward == entry.is_return:
        return []
    made = change(
        entry, standing, forward=forward, most_minor=most, found_by="end_to_end_id", message_id=message_id
    )  # fmt: skip
    return [] if made is None else [made]


def is_forward(entry: BankEntry, standing: Standing, *, fund: UUID) -> bool | None:
    """Whether the entry's money goes the payment's way or comes back; None: it can't be of this payment."""
    one = standing.payment
    payer_id = standing.paid_by(fund)
    where = fund if fund in (payer_id, one.payee_id) else payer_id
    if standing.is_covered and entry.owner_id == one.payer_id:
        where = one.payer_id  # its bank had the payment before it was covered, and made it or sent it back
    if entry.owner_id != where or entry.currency != one.currency or standing.run_state not in _PAID_IN:
        return None
    return entry.is_credit == (one.payee_id == where)


def change(
    entry: BankEntry,
    standing: Standing,
    *,
    forward: bool,
    most_minor: int,
    found_by: str,
    reason: str | None = None,
    message_id: str | None = None,
) -> Change | None:
    """What becomes of a payment by an entry of which `most_minor` is left; None: nothing can.

    `message_id` is the file whose end-to-end id the entry has.
    """  # fmt: skip
    taken = min(standing.open_minor if forward else standing.paid_minor, most_minor)
    if taken <= 0:
        return None
    payment_id = standing.payment.payment_id
    if forward:
        return Change(payment_id, payments.BOOKED, taken, entry.bank_entry_id, found_by, reason, message_id)
    why = reason or entry.return_reason
    return Change(payment_id, payments.RETURNED, -taken, entry.bank_entry_id, found_by, why, message_id)


def _shared(entry: BankEntry, found: list[Standing], found_by: str, fund: UUID) -> Iterator[Change]:
    """The entry's amount among payments, in order. Only what says so is a return."""
    left = entry.open_minor
    for standing in found:
        forward = is_forward(entry, standing, fund=fund)
        if forward is None or forward == entry.is_return:
            continue
        made = change(entry, standing, forward=forward, most_minor=left, found_by=found_by)
        if made is not None:
            left -= abs(made.amount_minor)
            yield made


def _by_end_to_end_id(session: Session, entry: BankEntry) -> list[Standing]:
    return [] if entry.end_to_end_id is None else _named_in(session, entry.end_to_end_id)


def _by_reference(session: Session, entry: BankEntry) -> list[Standing]:
    return [] if entry.remittance is None else _named_in(session, entry.remittance)


def _named_in(session: Session, words: str) -> list[Standing]:
    """The payments whose references stand in `words`, which banks break where they like, in that order."""
    named = dict.fromkeys(
        ids.parse(ids.PAYMENT, f"{ids.PAYMENT}_{suffix.lower()}")
        for suffix in _REFERENCE.findall(re.sub(r"\s", "", words))[:MOST_PAYMENTS]
    )
    if not named:
        return []
    found = {one.payment.payment_id: one for one in payments.find(session, "p.payment_id = ANY(:ids)", ids=[*named])}
    return [found[payment_id] for payment_id in named if payment_id in found]


def _by_group(session: Session, entry: BankEntry) -> list[Standing]:
    """All payments of a group in a file of ours that the bank booked as one, if the amount is theirs."""
    if entry.transaction_number > 0 or entry.payment_information_id is None:
        return []
    found = payments.find(
        session,
        "p.payment_id IN (SELECT payment_id FROM settlement.instructed_payment WHERE group_id = :id)",
        id=entry.payment_information_id,
    )
    return found if _come_to(found, entry) else []


def _by_amount(session: Session, entry: BankEntry) -> list[Standing]:
    """The one payment between these accounts that comes to the amount, or all of them if together they do."""
    if entry.counterparty_account is None or entry.is_return:
        return []
    found = payments.find(
        session,
        """
        r.state IN ('approved', 'instructed') AND p.currency = :currency AND :booked_on >= r.last_day
            AND :booked_on <= r.last_day + CAST(:days AS int)
            AND (p.payer_id = ANY(:others) AND p.payee_id = :owner AND :is_credit
                 OR p.payee_id = ANY(:others) AND p.payer_id = :owner AND NOT :is_credit)
        """,
        currency=entry.currency, booked_on=entry.booked_on, days=LATEST_DAYS, owner=entry.owner_id,
        is_credit=entry.is_credit, others=bank_entries.parties_of(session, entry.counterparty_account),
    )  # fmt: skip
    found = [one for one in found if one.open_minor]
    exact = [one for one in found if one.open_minor == entry.open_minor]
    if len(exact) == 1:
        return exact
    return found if not exact and _come_to(found, entry) else []


def _come_to(found: list[Standing], entry: BankEntry) -> bool:
    return 0 < len(found) <= MOST_PAYMENTS and sum(one.open_minor for one in found) == entry.open_minor


_WAYS: tuple[tuple[str, Callable[[Session, BankEntry], list[Standing]]], ...] = (
    ("end_to_end_id", _by_end_to_end_id),
    ("reference", _by_reference),
    ("group", _by_group),
    ("amount", _by_amount),
)
