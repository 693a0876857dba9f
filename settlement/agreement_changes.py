"""A change of an agreement, shown before it is made: terms before and after, and what it would have come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Unpack
from uuid import UUID

from sqlalchemy import text

from kit import expected_version
from kit.audit import Act
from kit.db import Session
from settlement import agreements, netting
from settlement.agreement_terms import AgreementTerms
from settlement.agreements import Agreement

DAYS_COMPARED = 28


@dataclass(frozen=True)
class Effect:
    """The issuer's points redeemed elsewhere on the last settled days, at the price before and at the one after.

    `points` is less what was given back. Amounts are minor units, rounded once; `currency` is that of each. Without a
    settled day `first` and `last` are None.
    """

    days: int
    first: date | None
    last: date | None
    points: int
    amount_before_minor: int
    currency_before: str
    amount_after_minor: int
    currency_after: str

    @property
    def difference_minor(self) -> int | None:
        """How much more the issuer's points would have cost; None where the currency changes."""
        if self.currency_before != self.currency_after:
            return None
        return self.amount_after_minor - self.amount_before_minor


@dataclass(frozen=True)
class Change:
    """What `terms` would make of the agreement `before`: the agreement `after`, with its days; nothing is written yet.

    For a partner's first agreement `before` and `effect` are None.
    """

    before: Agreement | None
    after: Agreement
    effect: Effect | None
    terms: AgreementTerms


def plan(session: Session, *, partner_id: UUID, since: date, now: datetime, **terms: Unpack[AgreementTerms]) -> Change:
    """What agreeing on `terms` from `since` on would do; raises what `agreements.agree` does."""
    before, after = agreements.draft(session, partner_id=partner_id, since=since, now=now, terms=terms)
    return Change(before, after, None if before is None else _effect(session, before, after), terms)


def carry_out(session: Session, act: Act, change: Change) -> Agreement:
    """Make `change` as it was shown; raises Stale where it would do something else by now, and what `plan` does."""
    after = change.after
    again = plan(session, partner_id=after.partner_id, since=after.since, now=act.now, **change.terms)
    if (again.before, again.after.until, again.after.terms) != (change.before, after.until, after.terms):
        raise expected_version.changed()
    return agreements.agree(session, act, partner_id=after.partner_id, since=after.since, **change.terms)


def _effect(session: Session, before: Agreement, after: Agreement) -> Effect:
    row = session.execute(
        text("""
            WITH compared AS (SELECT day FROM settlement.settled_day ORDER BY day DESC LIMIT :days)
            SELECT (SELECT count(*) FROM compared) AS days, (SELECT min(day) FROM compared) AS first,
                   (SELECT max(day) FROM compared) AS last,
                   (SELECT CAST(coalesce(sum(o.points), 0) AS bigint)
                    FROM settlement.obligation o JOIN compared USING (day)
                    JOIN settlement.agreement a USING (agreement_id)
                    WHERE o.kind = 'redemption' AND a.partner_id = :partner_id) AS points
        """),
        {"days": DAYS_COMPARED, "partner_id": before.partner_id},
    ).one()
    return Effect(
        days=row.days,
        first=row.first,
        last=row.last,
        points=row.points,
        amount_before_minor=netting.rounded(row.points * before.redemption_price_minor),
        currency_before=before.currency,
        amount_after_minor=netting.rounded(row.points * after.redemption_price_minor),
        currency_after=after.currency,
    )
