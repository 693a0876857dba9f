"""Settlements as double-entry bookkeeping: each company's own books, the coalition's among them.

An obligation of a day is an entry in the books of who owes and of who is owed, against their clearing account. The
payments of a run clear it: from the day the run is instructed the money is in transit, and on the day it is settled in
the bank. So in every company's books the clearing account says what is not paid yet. What the coalition paid in the
place of a partner in default stands in the books of both as owed to the coalition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids
from kit.db import Session
from settlement import obligations, spans, statements
from settlement.accounting.accounts import BANK, CLEARING, COVER, OWES, RECEIVES, TRANSIT, Accounts
from settlement.obligations import Kept
from settlement.statements import Party

INSTRUCTED, SETTLED, REOPENED = "payment_instructed", "payment_settled", "payment_reopened"


@dataclass(frozen=True)
class Posting:
    """An amount on an account: a debit is positive, a credit negative."""

    account: str
    amount_minor: int


@dataclass(frozen=True)
class Entry:
    """One transaction in the books of `company`; its postings, debit first where it is positive, add up to zero.

    `company` and `counterparty` are codes; `document` is the id of the obligation (obl_…) or payment (pay_…), the same
    in the books of both.
    """

    day: date
    company: str
    kind: str
    counterparty: str
    counterparty_name: str
    document: str
    currency: str
    points: int
    postings: tuple[Posting, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """Its place in a journal."""
        return (self.company, self.day.isoformat(), self.kind, self.counterparty, self.currency, self.document)


@dataclass(frozen=True)
class Journal:
    """The entries of a span of days in order, of all companies or of one."""

    first: date
    last: date
    entries: list[Entry]

    @property
    def accounts(self) -> list[str]:
        """The accounts it posts to."""
        return sorted({posting.account for entry in self.entries for posting in entry.postings})

    @property
    def currencies(self) -> list[str]:
        """The currencies it is in."""
        return sorted({entry.currency for entry in self.entries})


@dataclass(frozen=True)
class Payment:
    """A payment of a run, and the day on which its run came into `state`: instructed, settled, or reopened.

    Reopened is a run that was settled, when a payment of it came back: its money is on its way once more. Of the amount
    `covered_minor` is paid by the coalition in the place of the payer.
    """

    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int
    state: str
    day: date
    covered_minor: int = 0


def read(session: Session, first: date, last: date, *, accounts: Accounts, company: str | None = None) -> Journal:
    """The journal of settled days; `company` is a code. Raises SpanRefused, DayNotSettled."""
    span = spans.settled(session, first, last)
    parties = statements.parties(session)
    owed = obligations.of_days(session, span.first, span.last)
    fund = programme.get(session).programme_id
    paid = _of_payments(payments(session, first, last), parties, accounts, fund)
    made = [*_of_obligations(owed, parties, accounts), *paid]
    kept = [one for one in made if company in (None, one.company)]
    return Journal(first, last, sorted(kept, key=lambda one: one.order))


def payments(session: Session, first: date, last: date) -> list[Payment]:
    """The payments whose runs were instructed or settled on one of the days, by the calendar of the coalition's zone.

    A demo coalition's own clock does not matter here: people decide by the true one.
    """
    current = programme.get(session)
    rows = session.execute(
        text("""
            WITH c AS (
                SELECT run_id, at, CASE WHEN state = 'instructed' AND lag(state) OVER (PARTITION BY run_id ORDER BY n)
                                             = 'settled' THEN 'reopened' ELSE state END AS state
                FROM settlement.run_change WHERE state IN ('instructed', 'settled')
            )
            SELECT p.payment_id, p.payer_id, p.payee_id, p.currency, p.amount_minor, c.state, c.at,
                   coalesce((SELECT sum(v.amount_minor) FROM settlement.cover v
                             WHERE v.payment_id = p.payment_id AND v.at < c.at), 0)::bigint AS covered_minor
            FROM c JOIN settlement.run_payment p USING (run_id)
        """)
    )
    found = [
        Payment(row.payment_id, row.payer_id, row.payee_id, row.currency, row.amount_minor, row.state,
                current.day(row.at), row.covered_minor)
        for row in rows
    ]  # fmt: skip
    return [one for one in found if first <= one.day <= last]


def _of_obligations(owed: Iterable[Kept], parties: Mapping[UUID, Party], accounts: Accounts) -> Iterator[Entry]:
    for one in owed:
        if one.amount_minor == 0:
            continue
        for side, mine, other in ((OWES, one.payer_id, one.payee_id), (RECEIVES, one.payee_id, one.payer_id)):
            code = parties[mine].code
            cause, clearing = accounts.of(code, f"{side}_{one.kind}"), accounts.of(code, CLEARING)
            debit, credit = (cause, clearing) if side == OWES else (clearing, cause)
            yield Entry(
                one.day, code, one.kind, parties[other].code, parties[other].name,
                ids.show(ids.OBLIGATION, one.obligation_id), one.currency, one.points,
                _postings(debit, credit, one.amount_minor),
            )  # fmt: skip


_BETWEEN = {INSTRUCTED: (TRANSIT, CLEARING), SETTLED: (BANK, TRANSIT), REOPENED: (TRANSIT, BANK)}


def _of_payments(
    made: Iterable[Payment], parties: Mapping[UUID, Party], accounts: Accounts, fund: UUID
) -> Iterator[Entry]:
    for one in made:
        gives, takes = _BETWEEN[f"payment_{one.state}"]
        sides = [(one.payer_id, one.payee_id, takes, gives), (one.payee_id, one.payer_id, gives, takes)]
        covered = one.covered_minor if BANK in (gives, takes) else 0
        for mine, other, debit, credit in sides:
            own = covered if mine in (one.payer_id, fund) else 0  # other payees have the money
            moved = [(debit, one.amount_minor), (credit, -one.amount_minor)]
            yield _of_payment(one, (mine, other), _without_bank(moved, own), parties, accounts)
        if covered and fund != one.payee_id:
            sign = 1 if gives == BANK else -1
            moved = [(COVER, sign * covered), (BANK, -sign * covered)]
            yield _of_payment(one, (fund, one.payer_id), moved, parties, accounts)


def _without_bank(moved: list[tuple[str, int]], covered: int) -> list[tuple[str, int]]:
    """What moved, with `covered` of what is the bank's owed to the coalition, or by the partner in default, instead."""
    if not covered:
        return moved
    found = []
    for role, amount in moved:
        part = covered if amount > 0 else -covered
        found += [(role, amount)] if role != BANK else [(BANK, amount - part), (COVER, part)]
    return [(role, amount) for role, amount in found if amount]


def _of_payment(
    one: Payment, ends: tuple[UUID, UUID], moved: list[tuple[str, int]], parties: Mapping[UUID, Party],
    accounts: Accounts,
) -> Entry:  # fmt: skip
    """An entry in the books of the first of `ends`, of amounts by the role of their account."""
    code, other = parties[ends[0]].code, parties[ends[1]]
    return Entry(
        one.day, code, f"payment_{one.state}", other.code, other.name, ids.show(ids.PAYMENT, one.payment_id),
        one.currency, 0, tuple(Posting(accounts.of(code, role), amount) for role, amount in moved),
    )  # fmt: skip


def _postings(debit: str, credit: str, amount: int) -> tuple[Posting, ...]:
    return (Posting(debit, amount), Posting(credit, -amount))
