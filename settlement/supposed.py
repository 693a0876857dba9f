"""Other terms than were agreed: what `obligations.calculate` takes in place of the agreements' own for a what-if."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from settlement import agreement_terms
from settlement.agreements import Agreement

# Where the terms come from: the agreements, or the same agreements under the terms that :supposed has.
AGREED = "settlement.agreement"
SUPPOSED = """
    (SELECT made.partner_id, made.valid, made.agreed_on, said.*
     FROM settlement.agreement made
     JOIN jsonb_to_recordset(CAST(:supposed AS jsonb)) AS said (
         agreement_id uuid, currency text, funding text, redemption_price_minor numeric, issue_price_minor numeric,
         fee_per_point_minor numeric, fee_percent numeric, fee_minimum_minor bigint, breakage_share_percent numeric,
         vat_percent numeric, cycle text
     ) USING (agreement_id))
"""
PRICING = (
    "currency", "funding", "redemption_price_minor", "issue_price_minor", "fee_per_point_minor", "fee_percent",
    "fee_minimum_minor", "breakage_share_percent", "vat_percent", "cycle",
)  # fmt: skip


class Fee(NamedTuple):
    """What a party owes in fees of a day and a cycle."""

    day: date
    cycle: str
    payer_id: UUID
    currency: str
    amount_minor: int


@dataclass(frozen=True)
class Supposed:
    """`terms` of all agreements as SUPPOSED takes them, and the `fees` that earlier days come to under them."""

    terms: str
    fees: Sequence[Fee] = ()

    def fees_of(self, cycle: str, first: date, before: date) -> Iterable[tuple[UUID, str, int]]:
        """Payer, currency and amount of each fee of a cycle from `first` until the day before `before`."""
        return (fee[2:] for fee in self.fees if fee.cycle == cycle and first <= fee.day < before)


def said(agreements: Iterable[Agreement]) -> str:
    """The terms that price points and fees, of each agreement, as SUPPOSED takes them."""
    return json.dumps(
        [
            {"agreement_id": str(one.agreement_id)}
            | {name: agreement_terms.show(getattr(one, name)) for name in PRICING}
            for one in agreements
        ]
    )
