"""A partner's life: onboarding until its papers are in order, active, suspended, leaving, left.

Every step is written down with its reason, and told to the partner.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids, outbox
from kit.db import Session
from kit.errors import Conflict, Invalid
from kit.outbox import Event
from partners import accounts, clients, issuing, presences, staff, texts
from partners.accounts import Partner, StateChange
from partners.states import TRANSITIONS

LONGEST_NOTICE = timedelta(days=5 * 366)
BY_TIME = "the coalition's clock"


class TransitionRefused(Conflict):
    """A partner can't do that from its state, `partner_status`; `possible` says from which it could."""

    code = "transition_refused"
    title = "Not from this state"


class OnboardingIncomplete(Conflict):
    """The partner isn't ready to be active; `missing` lists what it lacks.

    Of: legal_entity, brand, presence, contact, signed_agreement, and, if it issues points, rate, agreement.
    """

    code = "onboarding_incomplete"
    title = "Onboarding incomplete"


class LeavingOutOfOrder(Invalid):
    """A partner stops earning first, then burning, then it leaves; nothing in the past, nor in more than five years."""

    code = "leaving_out_of_order"
    title = "Times of leaving out of order"


@dataclass(frozen=True)
class Step:
    """Why a partner's state is changed, by whom, and when."""

    reason: str
    made_by: str
    now: datetime


@dataclass(frozen=True)
class Leaving:
    """Until when a partner that leaves may issue points and take them, and when its tokens end.

    Between the last two it can still take goods back.
    """

    earns_until: datetime
    burns_until: datetime
    leaves_at: datetime


PAPERS = ("legal_entity", "brand", "presence", "contact", "signed_agreement")
_COMPLETE = text("""
    SELECT p.legal_name IS NOT NULL AS legal_entity,
           EXISTS (SELECT FROM partners.brand b WHERE b.partner_id = p.partner_id AND b.ended_at IS NULL) AS brand,
           EXISTS (SELECT FROM partners.presence s WHERE s.partner_id = p.partner_id AND s.withdrawn_at IS NULL
                   AND (upper_inf(s.valid) OR upper(s.valid) > :today)) AS presence,
           EXISTS (SELECT FROM partners.contact c WHERE c.partner_id = p.partner_id AND c.ended_at IS NULL) AS contact,
           EXISTS (SELECT FROM partners.agreement_signature a
                   WHERE a.partner_id = p.partner_id) AS signed_agreement,
           p.is_issuer
    FROM partners.partner p WHERE p.partner_id = :partner_id
""")


def missing(session: Session, *, partner_id: UUID, now: datetime) -> list[str]:
    """What a partner lacks to be active; it always has a role, which its account demands."""
    found = dict(
        session.execute(_COMPLETE, {"partner_id": partner_id, "today": programme.get(session).day(now)})
        .mappings()
        .one()
    )
    terms = issuing.missing(session, partner_id) if found.pop("is_issuer") else []
    return [name for name, there in found.items() if not there] + terms


def activate(session: Session, *, partner_id: UUID, step: Step) -> Partner:
    """End the onboarding: from now on it may have live clients and post.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, OnboardingIncomplete, MalformedText.
    """
    before = _about_to(session, "activate", partner_id)
    if lacks := missing(session, partner_id=partner_id, now=step.now):
        raise OnboardingIncomplete(f"{before.name} lacks: {', '.join(lacks)}", missing=lacks)
    return _do(session, "activate", before, step)


def vouch(session: Session, *, partner_id: UUID, step: Step) -> Partner:
    """End the onboarding on somebody's word and without papers, for a trial; terms it needs all the same.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, TermsMissing, MalformedText.
    """
    before = _about_to(session, "activate", partner_id)
    if before.is_issuer:
        issuing.require(session, partner_id)
    return _do(session, "activate", before, step, tell=False)  # it has no program yet that could hear of it


def suspend(session: Session, *, partner_id: UUID, step: Step) -> Partner:
    """Stop earning and spending at once; reads, returns and the end of holds go on, and so do webhooks.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, MalformedText.
    """
    return _do(session, "suspend", _about_to(session, "suspend", partner_id), step)


def resume(session: Session, *, partner_id: UUID, step: Step) -> Partner:
    """Make a suspended or leaving partner active again. Raises as `suspend`."""
    return _do(session, "resume", _about_to(session, "resume", partner_id), step)


def leave(session: Session, *, partner_id: UUID, times: Leaving, step: Step) -> Partner:
    """Let a partner leave step by step. One that is suspended stays without earning and spending.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, LeavingOutOfOrder, MalformedText.
    """
    before = _about_to(session, "leave", partner_id)
    in_order = step.now <= times.earns_until <= times.burns_until <= times.leaves_at <= step.now + LONGEST_NOTICE
    if not in_order:
        raise LeavingOutOfOrder("earns end first, then burns, then it leaves: each from now on, within five years")
    if before.status == "suspended":
        times = Leaving(step.now, step.now, times.leaves_at)
    return _do(session, "leave", before, step, times)


def abandon(session: Session, *, partner_id: UUID, step: Step) -> Partner:
    """End an onboarding that comes to nothing; what the partner had reserved is free. Raises as `suspend`."""
    presences.take_turn(session)
    gone = _do(session, "abandon", _about_to(session, "abandon", partner_id), step)
    _clear(session, partner_id, step.now)
    return gone


def finish_leaving(session: Session, *, now: datetime) -> int:
    """Let go every partner whose time is over; returns how many.

    Its tokens have ended by themselves at that very time; here its clients, presences and staff end too.
    """
    presences.take_turn(session)
    due = session.execute(
        text("""
            SELECT partner_id, leaves_at FROM partners.partner WHERE status = 'leaving' AND leaves_at <= :now
            ORDER BY partner_id FOR NO KEY UPDATE SKIP LOCKED
        """),
        {"now": now},
    ).all()
    for row in due:
        step = Step("its time is over", BY_TIME, now)
        _do(session, "finish", _about_to(session, "finish", row.partner_id), step)
        _clear(session, row.partner_id, now)
    return len(due)


def _about_to(session: Session, verb: str, partner_id: UUID) -> Partner:
    partner = accounts.present(session, partner_id)
    sources = TRANSITIONS[verb].sources
    if partner.status not in sources:
        raise TransitionRefused(
            f"{partner.name} is {partner.status}; {verb} is for partners that are {' or '.join(sources)}",
            partner_status=partner.status,
            possible=list(sources),
        )
    return partner


def _do(
    session: Session, verb: str, before: Partner, step: Step, times: Leaving | None = None, *, tell: bool = True
) -> Partner:
    target = TRANSITIONS[verb].target
    reason = texts.text(step.reason, what="reason", longest=accounts.LONGEST_REASON)
    made_by = texts.text(step.made_by, what="by")
    session.execute(
        text("""
            UPDATE partners.partner SET status = CAST(:status AS partners.partner_status),
                earns_until = CASE WHEN :status = 'left' THEN earns_until ELSE :earns END,
                burns_until = CASE WHEN :status = 'left' THEN burns_until ELSE :burns END,
                leaves_at = CASE WHEN :status = 'left' THEN leaves_at ELSE :leaves END
            WHERE partner_id = :partner_id
        """),
        {
            "status": target,
            "earns": times and times.earns_until,
            "burns": times and times.burns_until,
            "leaves": times and times.leaves_at,
            "partner_id": before.partner_id,
        },
    )
    change = StateChange(ids.new(), before.partner_id, before.status, target, reason, made_by, step.now)
    accounts.record(session, change)
    if tell:
        _tell(session, change)
    return accounts.by_id(session, before.partner_id)


def _tell(session: Session, change: StateChange) -> None:
    outbox.append(
        session,
        Event(
            type="partner.status_changed",
            subject_id=change.partner_id,
            partner_id=change.partner_id,
            occurred_at=change.at,
            data={
                "partner_id": change.partner_id,
                "previous_status": change.from_status,
                "partner_status": change.to_status,
                "reason": change.reason,
            },
        ),
    )


def _clear(session: Session, partner_id: UUID, now: datetime) -> None:
    clients.revoke_all(session, partner_id=partner_id, now=now)
    presences.end_all(session, partner_id=partner_id, on=programme.get(session).day(now), now=now)
    staff.end_all(session, partner_id=partner_id, now=now)
