"""A partner's life: onboarding until its papers are in order, active, suspended, leaving, left.

Every step is written down with its reason and who decided it, and told to the partner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit, ids, outbox
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid
from kit.outbox import Event
from partners import accounts, issuing, placements, staff
from partners.accounts import Partner, StateChange
from partners.states import TRANSITIONS

LONGEST_NOTICE = timedelta(days=5 * 366)


class TransitionRefused(Conflict):
    code = "transition_refused"
    title = "Not possible in this state"
    description = "The partner's status, `partner_status`, does not allow this. `possible` lists the statuses that do."
    remedy = "Read the partner with GET /v1/admin/partners/{partner_id}, and bring it to a status in `possible` first."
    facts = ("partner_status", "possible")


class OnboardingIncomplete(Conflict):
    code = "onboarding_incomplete"
    title = "Onboarding incomplete"
    description = (
        "The partner is not ready to be active. `missing` lists what it lacks: legal_entity, brand, placement, "
        "contact, signed_agreement and, if it issues points, rate and agreement."
    )
    remedy = (
        "Add everything in `missing`, check with GET /v1/admin/partners/{partner_id}/readiness, and activate again."
    )
    facts = ("missing",)


class LeavingOutOfOrder(Invalid):
    code = "leaving_out_of_order"
    title = "Leaving times out of order"
    description = (
        "A leaving partner first stops earning, then stops burning, then leaves. None of these times is in the past or "
        "more than five years ahead."
    )
    remedy = (
        "Send `earns_until`, `burns_until` and `leaves_at` in this order of time, each from now to five years ahead. "
        "They may be equal."
    )


@dataclass(frozen=True)
class Leaving:
    """Until when a partner that leaves may issue points and take them, and when its tokens end.

    Between the last two it can still take goods back.
    """

    earns_until: datetime
    burns_until: datetime
    leaves_at: datetime


# What the audit calls the steps.
ACTIONS = {
    "activate": "partner.activated",
    "suspend": "partner.suspended",
    "resume": "partner.resumed",
    "leave": "partner.leaving",
    "abandon": "partner.abandoned",
    "finish": "partner.left",
}
PAPERS = ("legal_entity", "brand", "placement", "contact", "signed_agreement")
_COMPLETE = text("""
    SELECT p.legal_name IS NOT NULL AS legal_entity,
           EXISTS (SELECT FROM partners.brand b WHERE b.partner_id = p.partner_id AND b.ended_at IS NULL) AS brand,
           EXISTS (SELECT FROM partners.placement s WHERE s.partner_id = p.partner_id AND s.withdrawn_at IS NULL
                   AND (upper_inf(s.valid) OR upper(s.valid) > :today)) AS placement,
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


def activate(session: Session, act: Act, *, partner_id: UUID) -> Partner:
    """End the onboarding: from now on it may have live clients and post.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, OnboardingIncomplete, ReasonMissing.
    """
    before = _about_to(session, "activate", partner_id)
    issuing.hold(session)
    if lacks := missing(session, partner_id=partner_id, now=act.now):
        raise OnboardingIncomplete(f"{before.name} lacks: {', '.join(lacks)}", missing=lacks)
    return _do(session, act, "activate", before)


def vouch(session: Session, act: Act, *, partner_id: UUID) -> Partner:
    """End the onboarding on somebody's word and without papers, for a trial; terms it needs all the same.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, TermsMissing.
    """
    before = _about_to(session, "activate", partner_id)
    if before.is_issuer:
        issuing.require(session, partner_id)
    act = act if act.reason else replace(act, reason=f"vouched for by {act.decider}")
    return _do(session, act, "activate", before, vouched=True)


def suspend(session: Session, act: Act, *, partner_id: UUID) -> Partner:
    """Stop earning and spending at once; reads, returns and the end of holds go on, and so do webhooks.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, ReasonMissing.
    """
    return _do(session, act, "suspend", _about_to(session, "suspend", partner_id))


def resume(session: Session, act: Act, *, partner_id: UUID) -> Partner:
    """Make a suspended or leaving partner active again. Raises as `suspend`, and TermsMissing of an issuer."""
    before = _about_to(session, "resume", partner_id)
    if before.is_issuer:
        issuing.require(session, partner_id)
    return _do(session, act, "resume", before)


def leave(session: Session, act: Act, *, partner_id: UUID, times: Leaving) -> Partner:
    """Let a partner leave step by step. One that is suspended stays without earning and spending.

    Raises PartnerNotFound, PartnerGone, TransitionRefused, LeavingOutOfOrder, ReasonMissing.
    """
    before = _about_to(session, "leave", partner_id)
    in_order = act.now <= times.earns_until <= times.burns_until <= times.leaves_at <= act.now + LONGEST_NOTICE
    if not in_order:
        raise LeavingOutOfOrder(
            "the partner first stops earning, then stops burning, then leaves, each between now and five years from now"
        )
    if before.status == "suspended":
        times = Leaving(act.now, act.now, times.leaves_at)
    return _do(session, act, "leave", before, times)


def abandon(session: Session, act: Act, *, partner_id: UUID) -> Partner:
    """End an onboarding that comes to nothing; what the partner had reserved is free. Raises as `suspend`."""
    placements.take_turn(session)
    before = _about_to(session, "abandon", partner_id)
    _clear(session, partner_id, act.now)
    return _do(session, act, "abandon", before)


def finish_leaving(session: Session, act: Act) -> int:
    """Let go every partner whose time is over, as the clock does; returns how many.

    Its tokens have ended by themselves at that very time, and with its state its clients; here its placements end too.
    """
    placements.take_turn(session)
    due = session.execute(
        text("""
            SELECT partner_id, leaves_at FROM partners.partner WHERE status = 'leaving' AND leaves_at <= :now
            ORDER BY partner_id FOR NO KEY UPDATE SKIP LOCKED
        """),
        {"now": act.now},
    ).all()
    leaving = [_about_to(session, "finish", row.partner_id) for row in due]
    for before in leaving:
        _clear(session, before.partner_id, act.now)
    for before in leaving:
        _do(session, replace(act, reason="its time is over"), "finish", before)
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
    session: Session, act: Act, verb: str, before: Partner, times: Leaving | None = None, *, vouched: bool = False
) -> Partner:
    target = TRANSITIONS[verb].target
    reason = audit.require_reason(act)
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
    change = StateChange(ids.new(), before.partner_id, before.status, target, reason, act.decider, act.now)
    accounts.record(session, change)
    if not vouched:  # it has no program yet that could hear of it
        _tell(session, change)
    done = accounts.by_id(session, before.partner_id)
    audit.append(session, act, "partner.vouched_for" if vouched else ACTIONS[verb], done, status=done.status)
    return done


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
    placements.end_all(session, partner_id=partner_id, on=programme.get(session).day(now), now=now)
    staff.end_all(session, partner_id=partner_id, now=now)
