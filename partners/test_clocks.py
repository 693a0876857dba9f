"""Test clocks: in a sandbox each partner has a clock of its own, which it can put forward.

What a partner does happens at its own time: its postings, its holds' ends, the expiry of the points it issued. What
protects somebody stays at the true time: tokens, codes, locks, limits, signatures. So does the business day, for the
books of all partners close together.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme, scheduled_postings
from kit.db import Database, Session
from kit.errors import Conflict, Invalid

FURTHEST = timedelta(days=3 * 366)


class ClockBackwards(Conflict):
    code = "clock_backwards"
    title = "Test clock moves only forward"
    description = "A test clock moves forward only. `clock_now` is its present time."
    remedy = "Choose a time after `clock_now`, or make a new sandbox partner, whose clock shows the true time."
    facts = ("clock_now",)


class ClockTooFar(Invalid):
    code = "clock_too_far"
    title = "Test clock too far ahead"
    description = "A test clock can be at most three years ahead of the true time."
    remedy = "Choose a time up to the day that `detail` names."


def ahead(session: Session, partner_id: UUID) -> timedelta:
    """How far ahead of the true time the partner lives; nothing, unless it has put its clock forward."""
    found = session.scalar(
        text("SELECT ahead FROM partners.test_clock WHERE partner_id = :partner_id"), {"partner_id": partner_id}
    )
    return found or timedelta(0)


def put_forward(session: Session, *, partner_id: UUID, to: datetime, now: datetime) -> timedelta:
    """Let it be `to` for the partner, who hears of points that come near their expiry; returns how far ahead that is.

    `now` is the true time. `catch_up` does what has fallen due. Raises ClockBackwards, ClockTooFar, ClockRefused.
    """
    if programme.get(session).is_demo:
        raise programme.ClockRefused("this coalition runs on the clock of a replay")
    stands = now + _locked(session, partner_id)
    if to < stands:
        raise ClockBackwards(f"your clock shows {stands.isoformat()}", clock_now=stands.isoformat())
    if to > now + FURTHEST:
        raise ClockTooFar(f"today a test clock can go up to {(now + FURTHEST).date()}")
    if to > now:
        session.execute(
            text("""
                INSERT INTO partners.test_clock (partner_id, ahead, set_at) VALUES (:partner_id, :ahead, :now)
                ON CONFLICT (partner_id) DO UPDATE SET ahead = excluded.ahead, set_at = excluded.set_at
            """),
            {"partner_id": partner_id, "ahead": to - now, "now": now},
        )
    day = programme.get(session).day
    scheduled_postings.warn_issuer(session, partner_id=partner_id, since=day(stands), until=day(to), now=to)
    return to - now


def _locked(session: Session, partner_id: UUID) -> timedelta:
    # Of two who put it forward at once the second sees where the first has put it.
    session.execute(
        text("SELECT FROM partners.partner WHERE partner_id = :partner_id FOR NO KEY UPDATE"),
        {"partner_id": partner_id},
    )
    return ahead(session, partner_id)


def catch_up(database: Database, *, partner_id: UUID, now: datetime) -> int:
    """Do what has fallen due by the partner's clock: its holds lapse, points it issued vest and expire.

    `now` is the true time. Returns how many postings.
    """
    with database.transaction() as session:
        at = now + ahead(session, partner_id)
        today = programme.get(session).day(at)
    return (
        scheduled_postings.lapse_holds(database, now=at, partner_id=partner_id)
        + scheduled_postings.vest(database, now=at, partner_id=partner_id)
        + scheduled_postings.expire(database, day=today - timedelta(days=1), now=at, partner_id=partner_id)
    )


def catch_up_all(database: Database, *, now: datetime) -> int:
    """The same for every partner whose clock goes ahead; returns how many postings."""
    with database.transaction() as session:
        found = session.scalars(text("SELECT partner_id FROM partners.test_clock ORDER BY partner_id")).all()
    return sum(catch_up(database, partner_id=partner_id, now=now) for partner_id in found)
