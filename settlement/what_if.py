"""What if: settled days calculated again under other terms, beside what they were settled for. It only reads.

Every version of a partner's agreement is taken to have the other terms, also for points that were issued before the
days asked for. What was set aside, and which day a late agreement was made on, stay as they were. Fee minimums and VAT
at the end of a cycle need the fees of all its days, so the calculation begins with the first day of the cycle that the
first day lies in, and those days before it are left out of what comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from coalition import business_days
from kit.db import Session, allow_long_statements
from kit.errors import Invalid
from settlement import agreements, cycles, obligations, spans, supposed
from settlement.agreement_terms import AgreementTerms
from settlement.agreements import Agreement
from settlement.cycles import Span
from settlement.obligations import Obligation
from settlement.statements import Party
from settlement.supposed import Fee, Supposed
from settlement.tables import CURRENCY, MONEY, Cell, Column, Table

NET = "net"
Key = tuple[UUID, str, str]  # a party, a currency, and a kind or NET


class AgreementToChangeMissing(Invalid):
    code = "agreement_to_change_missing"
    title = "No agreement to change"
    description = "A what-if changes terms that were agreed, and this partner has no agreement."
    remedy = "Name partners that have an agreement. `coalition agreement list` shows what a partner agreed on."


@dataclass(frozen=True)
class Difference:
    """What a party receives (positive) or owes of one kind, or of all of them as NET, in minor units."""

    party_id: UUID
    currency: str
    kind: str
    settled_minor: int
    calculated_minor: int

    @property
    def difference_minor(self) -> int:
        """What the party has more under the other terms; below 0: less."""
        return self.calculated_minor - self.settled_minor


def compare(session: Session, days: Span, terms: Mapping[UUID, AgreementTerms]) -> list[Difference]:
    """What each party received or owed of settled days, and what it would have under `terms` by partner.

    Sorted by party, currency and kind, NET last. Raises what `calculate` does.
    """
    calculated = _sums(calculate(session, days, terms))
    settled = _sums(obligations.of_days(session, days.first, days.last))
    return [
        Difference(*key, settled[key], calculated[key])
        for key in sorted(settled.keys() | calculated.keys(), key=lambda one: (one[0], one[1], one[2] == NET, one[2]))
    ]


def calculate(session: Session, days: Span, terms: Mapping[UUID, AgreementTerms]) -> list[Obligation]:
    """All obligations of settled days, had partners agreed on `terms`; what these don't name stays as it was agreed.

    Raises SpanRefused, DayNotSettled, AgreementToChangeMissing, PriceMissing, ContradictoryTerms.
    """
    spans.settled(session, days.first, days.last)
    agreed = _agreed(session, terms)
    begun = min((cycles.span(one.cycle, days.first).first for one in agreed), default=days.first)
    spans.settled(session, begun, days.last)
    begun = max(begun, business_days.first_closed(session) or begun)
    allow_long_statements(session)
    said, fees, found = supposed.said(agreed), list[Fee](), list[Obligation]()
    for day in Span(begun, days.last).days:
        owed = obligations.calculate(session, day, Supposed(said, fees))
        fees += [Fee(day, one.cycle, one.payer_id, one.currency, one.amount_minor) for one in owed if one.kind == "fee"]
        if day >= days.first:
            found += owed
    return found


def _agreed(session: Session, terms: Mapping[UUID, AgreementTerms]) -> list[Agreement]:
    """All agreements, each with the terms that its partner is supposed to have."""
    there = agreements.everything(session)
    if missing := terms.keys() - {one.partner_id for one in there}:
        raise AgreementToChangeMissing(f"{len(missing)} of the partners named have no agreement")
    return [
        agreements.with_terms(agreements.without_cover(one), terms[one.partner_id]) if one.partner_id in terms else one
        for one in there
    ]


def _sums(owed: Iterable[Obligation]) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for one in owed:
        for kind in (one.kind, NET):
            found[one.payer_id, one.currency, kind] -= one.amount_minor
            found[one.payee_id, one.currency, kind] += one.amount_minor
    return found


COLUMNS = (
    Column("partner", "partner"), CURRENCY, Column("kind", "kind"), Column("settled_minor", "settled", MONEY),
    Column("calculated_minor", "calculated", MONEY), Column("difference_minor", "difference", MONEY),
)  # fmt: skip


def table(found: Sequence[Difference], days: Span, parties: Mapping[UUID, Party]) -> Table:
    """The differences for people and programs, by the parties' codes."""
    rows: list[Sequence[Cell]] = [
        (parties[one.party_id].code, one.currency, one.kind, one.settled_minor, one.calculated_minor,
         one.difference_minor)
        for one in sorted(found, key=lambda one: parties[one.party_id].code)
    ]  # fmt: skip
    note = "Above 0: the partner receives; below 0: it owes. Nothing of what is settled has changed."
    return Table(f"From {days.first} to {days.last}: as settled, and under other terms", COLUMNS, rows, note)
