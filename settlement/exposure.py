"""Exposure: what an issuer owes for its points that nothing covers, and when it comes near its limit.

    exposure = points outstanding + owed and not paid + owed since the last settled day − deposit

- Points outstanding count where they are funded on burn, at the redemption price of the agreement they were issued
  under: each of them may be burned elsewhere tomorrow. Funded on earn they don't: they were charged when issued.
- Owed and not paid are its obligations of every kind in runs that are not settled, and what was paid in its place since
  it is in default. What others owe it is not set off: whoever stops paying is not sure to be paid. What it disputes
  itself it may owe after all, and counts until the dispute is resolved.
- Owed since is what days that are not settled yet, the open one included, will charge it for points: redemption
  prices on burn, issue prices on earn.

The limit, deposit and currency are those of its agreement in force. The limit is reached at 80 per cent (a warning) and
exceeded at 100. Points that are unfunded count as nothing until they are funded (settlement.funding).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy import text

from coalition import programme, unfunded
from kit import outbox
from kit.audit import Act
from kit.db import Session, try_lock
from partners import earn_stops
from settlement import agreements, netting, nightly, outstanding, policies
from settlement.agreement_terms import ON_BURN, ON_EARN
from settlement.agreements import PriceBook
from settlement.outstanding import LOCK
from settlement.statements import Party
from settlement.tables import CURRENCY, MONEY, NUMBER, Bars, Column, Table

WARNING, EXCEEDED = LEVELS = (80, 100)  # per cent of the limit
EVENTS = {WARNING: "settlement.exposure_warning", EXCEEDED: "settlement.exposure_exceeded"}
LOOK_EVERY = timedelta(minutes=1)
Key = tuple[UUID, str]  # a partner and a currency


@dataclass(frozen=True)
class Exposure:
    """A partner's exposure in one currency, in minor units.

    `limit_minor` is None where it has none: in its agreement, or in another currency than that of the one in force.
    """

    partner_id: UUID
    currency: str
    outstanding_points: int
    outstanding_minor: int
    unpaid_minor: int
    accrued_minor: int
    deposit_minor: int
    limit_minor: int | None
    unfunded_points: int = 0

    @property
    def exposure_minor(self) -> int:
        """What is not covered; below 0: so much of the deposit is left."""
        return self.outstanding_minor + self.unpaid_minor + self.accrued_minor - self.deposit_minor

    @property
    def percent(self) -> int | None:
        """Of the limit, rounded down; a limit of 0 is exceeded by any exposure. None: there is no limit."""
        if self.limit_minor is None:
            return None
        if self.exposure_minor <= 0:
            return 0
        return self.exposure_minor * 100 // self.limit_minor if self.limit_minor else EXCEEDED

    @property
    def level(self) -> int:
        """The highest of LEVELS that is reached, or 0."""
        return max((level for level in LEVELS if (self.percent or 0) >= level), default=0)


def is_exceeded(exposure_minor: Fraction | int, limit_minor: int | None) -> bool:
    """Whether it is at 100 per cent of its limit, or more."""
    return limit_minor is not None and 0 < exposure_minor >= limit_minor


def read(session: Session) -> list[Exposure]:
    """The exposure of every partner that has some, a deposit, a limit or points that wait, by partner and currency."""
    made = agreements.everything(session)
    book, open_day = PriceBook(made), programme.get(session).open_day
    points, value = _outstanding(session, book)
    unpaid, accrued = _unpaid(session), _accrued(session, book, open_day)
    last = {one.partner_id: one for one in sorted(made, key=lambda one: one.since) if one.since <= open_day}
    in_force = {one.partner_id: one for one in last.values() if one.until is None or open_day < one.until}
    keys = points.keys() | unpaid.keys() | accrued.keys()
    keys |= {(one.partner_id, one.currency) for one in in_force.values()
             if one.deposit_minor or one.exposure_limit_minor is not None}  # fmt: skip
    fund = programme.get(session).programme_id
    unfunded_points = {
        (partner_id, last[partner_id].currency): points
        for partner_id, points in (unfunded.waiting(session) if unfunded.are_any(session) else {}).items()
        if partner_id in last
    }
    keys |= unfunded_points.keys()
    found = []
    for partner_id, currency in sorted(keys):
        if partner_id == fund:
            continue
        key, own = (partner_id, currency), in_force.get(partner_id)
        is_current = own is not None and own.currency == currency
        found.append(
            Exposure(
                partner_id, currency, points.get(key, 0), _whole(value, key), unpaid.get(key, 0),
                _whole(accrued, key), own.deposit_minor if own and is_current else 0,
                own.exposure_limit_minor if own and is_current else None,
                unfunded_points.get(key, 0),
            )
        )  # fmt: skip
    return found


def _whole(found: Mapping[Key, Fraction], key: Key) -> int:
    return netting.rounded(found.get(key, Fraction(0)))


def _outstanding(session: Session, book: PriceBook) -> tuple[dict[Key, int], dict[Key, Fraction]]:
    points, value = defaultdict[Key, int](int), defaultdict[Key, Fraction](Fraction)
    for lot, many in outstanding.now(session).items():
        agreement = book.look_up(lot.issuer_id, lot.issued_on)
        if agreement is not None and agreement.funding == ON_BURN:
            points[lot.issuer_id, agreement.currency] += many
            value[lot.issuer_id, agreement.currency] += many * agreement.redemption_price_minor
    return points, value


def _unpaid(session: Session) -> dict[Key, int]:
    rows = session.execute(
        text("""
            WITH r AS (
                SELECT run_id, cycle, first_day, last_day FROM settlement.run
                WHERE state NOT IN ('settled', 'abandoned')
            ),
            owed (payer_id, currency, amount_minor) AS (
                SELECT o.payer_id, o.currency, o.amount_minor FROM r
                JOIN settlement.obligation o ON o.cycle = r.cycle AND o.day BETWEEN r.first_day AND r.last_day
                UNION ALL
                SELECT p.payer_id, p.currency, -c.amount_minor FROM r JOIN settlement.run_payment p USING (run_id)
                JOIN settlement.payment_change c USING (payment_id)
                UNION ALL
                -- What others paid in its place it owes all the same.
                SELECT p.payer_id, p.currency, least(v.amount_minor, greatest(
                    v.amount_minor - p.amount_minor + coalesce((
                        SELECT sum(c.amount_minor) FROM settlement.payment_change c
                        WHERE c.payment_id = p.payment_id), 0), 0))
                FROM (SELECT payment_id, sum(amount_minor) AS amount_minor FROM settlement.cover GROUP BY 1) v
                JOIN settlement.run_payment p USING (payment_id) JOIN settlement.run x USING (run_id)
                WHERE x.state <> 'abandoned'
                UNION ALL
                -- What left the net because it disputes it; once that is resolved, what comes back with a day to come.
                SELECT d.payer_id, d.currency, coalesce(s.back_minor, d.amount_minor)
                FROM settlement.dispute d LEFT JOIN settlement.dispute_resolution s USING (dispute_id)
                WHERE d.raised_by_id = d.payer_id AND d.amount_minor > 0
                  AND EXISTS (SELECT FROM settlement.settled_day a WHERE a.day = d.day)
                  AND NOT EXISTS (SELECT FROM settlement.settled_day b WHERE b.day = s.day)
            )
            SELECT payer_id, currency, sum(amount_minor)::bigint FROM owed GROUP BY 1, 2
        """)
    )
    return {(payer_id, currency): amount for payer_id, currency, amount in rows}


def _accrued(session: Session, book: PriceBook, open_day: date) -> dict[Key, Fraction]:
    """What the days that are not settled yet will charge for points."""
    found = defaultdict[Key, Fraction](Fraction)
    for day in (*nightly.unsettled_days(session), open_day):
        for one in outstanding.flows(session, day):
            agreement = book.look_up(one.issuer_id, one.issued_on)
            if agreement is None:
                continue
            if one.kind == "redemption" and agreement.funding == ON_BURN and one.partner_id != one.issuer_id:
                price = agreement.redemption_price_minor
            elif one.kind == "issue" and agreement.funding == ON_EARN:
                price = agreement.issue_price_minor
            else:
                continue
            found[one.issuer_id, agreement.currency] += one.points * price
    return found


_WATCHED = """
    SELECT EXISTS (SELECT FROM settlement.agreement WHERE exposure_limit_minor IS NOT NULL)
        OR EXISTS (SELECT FROM settlement.exposure_level)
"""


def watch(session: Session, act: Act) -> list[Exposure] | None:
    """Look at the levels, at most once a minute, and tell each partner that reached one; returns those told of.

    What fell below a level is told of again when it reaches it again. Earns beyond the limit are refused or unfunded
    from now on if that is the policy. A second watch at the same time does nothing. None: it did not look.
    """
    now = act.now
    if not session.scalar(text(_WATCHED)) and not earn_stops.are_any(session) and not unfunded.are_any(session):
        return None
    looked_at = session.scalar(text("SELECT looked_at FROM settlement.outstanding_until"))
    was_just_now = looked_at is not None and looked_at <= now < looked_at + LOOK_EVERY
    if was_just_now or not try_lock(session, f"{LOCK}.watch"):
        return None
    outstanding.keep(session)
    session.execute(text("UPDATE settlement.outstanding_until SET looked_at = :now"), {"now": now})
    rows = session.execute(text("SELECT partner_id, percent FROM settlement.exposure_level"))
    before: dict[UUID, int] = {row.partner_id: row.percent for row in rows}
    there = {one.partner_id: one for one in read(session) if one.limit_minor is not None}
    told = []
    for partner_id in sorted(before.keys() | there.keys()):
        level = there[partner_id].level if partner_id in there else 0
        if level != before.get(partner_id, 0):
            _keep_level(session, partner_id, level, now)
        if level > before.get(partner_id, 0):
            _tell(session, there[partner_id], level, now)
            told.append(there[partner_id])
    beyond_limit = policies.get(session).beyond_limit
    over = {one.partner_id for one in there.values() if one.level == EXCEEDED}
    earn_stops.put(session, act, over if beyond_limit == policies.REFUSE else ())
    unfunded.put(session, act, over if beyond_limit == policies.PENDING else ())
    return told


def look_again(session: Session) -> None:
    """Let the next watch look, however soon it comes."""
    session.execute(text("UPDATE settlement.outstanding_until SET looked_at = NULL"))


def _keep_level(session: Session, partner_id: UUID, level: int, now: datetime) -> None:
    if level == 0:
        session.execute(text("DELETE FROM settlement.exposure_level WHERE partner_id = :id"), {"id": partner_id})
        return
    session.execute(
        text("""
            INSERT INTO settlement.exposure_level (partner_id, percent, since) VALUES (:id, :level, :now)
            ON CONFLICT (partner_id) DO UPDATE SET percent = :level, since = :now
        """),
        {"id": partner_id, "level": level, "now": now},
    )


def _tell(session: Session, one: Exposure, level: int, now: datetime) -> None:
    outbox.append(
        session,
        outbox.Event(
            type=EVENTS[level],
            subject_id=one.partner_id,
            partner_id=one.partner_id,
            occurred_at=programme.get(session).time(now),
            data={
                "partner_id": one.partner_id,
                "currency": one.currency,
                "exposure_minor": one.exposure_minor,
                "exposure_limit_minor": one.limit_minor,
            },
        ),
    )


COLUMNS = (
    Column("partner", "issuer"), CURRENCY, Column("outstanding_points", "points", NUMBER),
    Column("outstanding_minor", "their value", MONEY), Column("unpaid_minor", "not paid", MONEY),
    Column("accrued_minor", "since", MONEY), Column("deposit_minor", "deposit", MONEY),
    Column("exposure_minor", "exposure", MONEY), Column("limit_minor", "limit", MONEY),
    Column("percent", "per cent", NUMBER), Column("unfunded_points", "unfunded", NUMBER),
)  # fmt: skip

_PICTURE = Bars(
    "partner", tuple(f"{name}_minor" for name in ("outstanding", "unpaid", "accrued", "deposit", "exposure", "limit"))
)


def table(found: Sequence[Exposure], parties: Mapping[UUID, Party]) -> Table:
    """The exposures for people and programs."""
    rows = [
        (
            parties[one.partner_id].code, one.currency, one.outstanding_points, one.outstanding_minor, one.unpaid_minor,
            one.accrued_minor, one.deposit_minor, one.exposure_minor, one.limit_minor, one.percent,
            one.unfunded_points,
        )
        for one in found
    ]  # fmt: skip
    return Table("Exposure of issuers now", COLUMNS, rows, picture=_PICTURE)
