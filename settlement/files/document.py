"""A statement as a document: what its files say, whatever their form, from the rows that were kept.

Amounts are minor units. Seen by the partner: it receives what others owe it, and owes what it is the payer of.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict
from settlement import obligations, run_parties, statement_form, statements
from settlement.agreements import Agreement
from settlement.dispute_records import Move
from settlement.files import pricing
from settlement.files.pricing import Pricing
from settlement.kinds import KINDS
from settlement.obligations import Kept
from settlement.run_parties import RunParty
from settlement.runs import Payment, Position, Run
from settlement.set_aside import SetAside
from settlement.statement_form import Line
from settlement.statements import Content, KeptStatement


class StatementDiffers(Conflict):
    code = "statement_differs"
    title = "Statement differs"
    description = "The rows of the statement now give another content hash. Somebody changed them."
    remedy = (
        "Make no file of it. Whoever runs the coalition has to run `coalition ledger verify`, which names the rows."
    )


@dataclass(frozen=True)
class Head:
    """Who a party is on paper; what nobody gave is empty."""

    code: str
    name: str
    address: str
    tax_id: str


@dataclass(frozen=True)
class Frame:
    """What a statement says that is not its partner's alone: who the two are, and what a run's statements share."""

    common: statements.Common
    coalition: Head
    partner: Head
    made_at: datetime


@dataclass(frozen=True)
class Document:
    """A partner's statement of a run; `owed` are its obligations, `agreement_versions` of their agreements by id."""

    kept: KeptStatement
    frame: Frame
    content: Content
    owed: list[Kept]
    positions: list[Position]
    payments: list[Payment]
    left_out: list[SetAside]
    disputed: list[Move]

    @property
    def run(self) -> Run:
        """The run it is of."""
        return self.content.run

    @property
    def shown_id(self) -> str:
        """Its id as people see it."""
        return ids.show(ids.STATEMENT, self.kept.statement_id)

    @property
    def file_name(self) -> str:
        """What its files are called, without what says their form."""
        days = self.run.first_day.isoformat() + ("" if self.run.is_daily else f"_{self.run.last_day.isoformat()}")
        again = f"_{self.run.attempt}" if self.run.attempt > 1 else ""
        return f"statement_{self.frame.partner.code}_{days}{again}"

    def name(self, party_id: UUID) -> str:
        """A party's name."""
        return self.content.parties[party_id].name

    def code(self, party_id: UUID) -> str:
        """A party's code."""
        return self.content.parties[party_id].code

    def signed(self, one: Move) -> int:
        """What a dispute's step is for the partner, in minor units: it receives more, or less."""
        return one.amount_minor if one.payee_id == self.kept.partner_id else -one.amount_minor

    def version(self, one: Kept) -> int | None:
        """The version of the agreement that priced an obligation."""
        agreement = self._agreement(one)
        return agreement.version if agreement else None

    def pricing(self, one: Kept) -> Pricing | None:
        """What an obligation's amount is computed by; None: it stands as it was entered."""
        return self._pricing[one.obligation_id]

    @cached_property
    def _pricing(self) -> dict[UUID, Pricing | None]:
        agreed = ((one, self._agreement(one)) for one in self.owed)
        return {one.obligation_id: pricing.price(one.kind, terms) if terms else None for one, terms in agreed}

    def _agreement(self, one: Kept) -> Agreement | None:
        return self.content.agreements.get(one.agreement_id) if one.agreement_id else None


class Row(NamedTuple):
    """A line of an obligation; None: it has no lines, and stands for itself."""

    owed: Kept
    line: Line | None


class Sum(NamedTuple):
    """What the partner receives and owes, in minor units, for some of its obligations."""

    points: int
    receives_minor: int
    owes_minor: int


class DayLine(NamedTuple):
    """The obligations of one kind with one counterparty, of a day; `day` is None for the whole period."""

    day: date | None
    counterparty_id: UUID
    kind: str
    currency: str
    sum: Sum


def frame(session: Session, kept: KeptStatement, run: Run) -> Frame:
    """What a statement says that is not its partner's own rows."""
    common = statements.common(session, run)
    known = {party_id: (party.code, party.name) for party_id, party in common.parties.items()}
    found = run_parties.kept(session, run) or run_parties.as_they_are(session, run, known)
    fund = next(party_id for party_id, (code, _) in known.items() if code == statements.COALITION)
    made_at = session.scalar(
        text("SELECT at FROM settlement.run_change WHERE run_id = :id AND state = 'calculated' ORDER BY n LIMIT 1"),
        {"id": run.run_id},
    )
    return Frame(common, _head(found[fund]), _head(found[kept.partner_id]), made_at)


def _head(party: RunParty) -> Head:
    return Head(party.code, party.legal_name or party.name, party.legal_address or "", party.tax_id or "")


def make(session: Session, kept: KeptStatement, run: Run, framed: Frame) -> Document:
    """The document of a statement, from rows that its partner may see. Raises StatementDiffers."""
    content = statements.content(session, run, framed.common)
    if statement_form.content_hash(statements.terms(content, kept.partner_id)) != kept.content_hash:
        raise StatementDiffers(f"the statement of {framed.partner.code} for {run.first_day} comes out differently")
    mine = kept.partner_id
    return Document(
        kept,
        framed,
        content,
        owed=[one for one in content.owed if mine in (one.payer_id, one.payee_id)],
        positions=[one for one in content.positions if one.party_id == mine],
        payments=[one for one in content.payments if mine in (one.payer_id, one.payee_id)],
        left_out=[one for one in content.left_out if mine in (one.payer_id, one.payee_id)],
        disputed=[one for one in content.disputed if mine in (one.payer_id, one.payee_id)],
    )


def rows(session: Session, document: Document) -> Generator[Row, None, None]:
    """Every line of every obligation, in order, as a stream; their amounts add up to the obligations'."""
    for one in document.owed:
        has_lines = False
        if one.kind in obligations.WITH_LINES:
            for line in statements.lines(session, one):
                has_lines = True
                yield Row(one, line)
        if not has_lines:
            yield Row(one, None)


def totals(document: Document) -> list[tuple[str, str, Sum]]:
    """What each kind comes to: kind, currency, sum; by currency, the kinds as KINDS has them."""

    def place(one: Kept) -> tuple[str, int]:
        return one.currency, KINDS.index(one.kind)

    return [
        (KINDS[kind], currency, _sum(document, some))
        for (currency, kind), some in groupby(sorted(document.owed, key=place), key=place)
    ]


def day_lines(document: Document, *, by_day: bool = True) -> list[DayLine]:
    """The obligations by day, or over the whole period, counterparty and kind."""

    def place(one: Kept) -> tuple[date, str, str, UUID, int]:
        other = _counterparty(document, one)
        day = one.day if by_day else date.min
        return day, document.name(other), one.currency, other, KINDS.index(one.kind)

    return [
        DayLine(day if by_day else None, other, KINDS[kind], currency, _sum(document, some))
        for (day, _, currency, other, kind), some in groupby(sorted(document.owed, key=place), key=place)
    ]


def _counterparty(document: Document, one: Kept) -> UUID:
    return one.payer_id if one.payee_id == document.kept.partner_id else one.payee_id


def _sum(document: Document, some: Iterable[Kept]) -> Sum:
    points = receives = owes = 0
    for one in some:
        points += one.points
        if one.payee_id == document.kept.partner_id:
            receives += one.amount_minor
        else:
            owes += one.amount_minor
    return Sum(points, receives, owes)
