"""Disputes: a party disputes a line of what was settled, which leaves the net until it is resolved.

No closed day, run or statement changes. Disputing a line makes a money entry (settlement.entries, kind `dispute`) over
the line the other way, and resolving it another one over what of the line is owed after all: nothing if the dispute is
upheld, all of it if it is rejected. Each is settled with the business day that is open then, wherever the line's own
run stands, so the days before give the same bytes as ever, and every run adds up to zero as ever. A dispute is not
priced again: fees and tax on what was disputed stay, and are lines that can be disputed themselves.

A line is disputed once, for good; what is wrong with a resolution is put right by an entry of the admin's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, programme
from coalition.approvals import same_person
from kit import audit, ids, outbox, texts
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Forbidden, Invalid, NotFound
from settlement import cycles, drill_down, entries, obligations, policies, statements
from settlement.dispute_records import Dispute, get
from settlement.drill_down import ObligationNotFound
from settlement.obligations import Kept

KIND = entries.DISPUTE
OUTCOMES = ("upheld", "rejected", "part")
REJECTED, PART = OUTCOMES[1:]
LOCK = "settlement.disputes"  # one at a time: a line and a key count once
LONGEST_COMMENT = audit.LONGEST_REASON
RAISED_EVENT, RESOLVED_EVENT = "settlement.dispute_raised", "settlement.dispute_resolved"


class LineNotFound(NotFound):
    code = "line_not_found"
    title = "Line not found"
    description = (
        "The obligation has no such line. Redemptions, issues and breakage are disputed line by line; an obligation of "
        "another kind has no lines, and is disputed as a whole."
    )
    remedy = (
        "List the lines with GET /v1/obligations/{obligation_id}/lines and send `n` as `line`. Leave `line` out if "
        "there are none."
    )


class NotDisputable(Conflict):
    code = "not_disputable"
    title = "Nothing to dispute"
    description = "The line comes to no money, or is what an earlier dispute took out of the net or brought back."
    remedy = "Dispute the line that the money is in. `coalition settlement entry add` puts right what was resolved."


class LineDisputed(Conflict):
    code = "line_disputed"
    title = "Disputed before"
    description = "The line was disputed before, by you or by the other party. A line is disputed once."
    remedy = "List your disputes with GET /v1/disputes. If the outcome is wrong, ask the coalition."


class DisputeTooLate(Conflict):
    code = "dispute_too_late"
    title = "Too late to dispute"
    description = "A line can be disputed for some days after the end of its cycle. The last of them was `until`."
    remedy = "Ask the coalition to enter what is owed. `coalition settlement policy --dispute-days` sets how many days."
    facts = ("until",)


class DisputeKeyReused(Invalid):
    code = "dispute_key_reused"
    title = "Idempotency key reused for another dispute"
    description = "You sent this Idempotency-Key before, with a different dispute."
    remedy = "Send a new Idempotency-Key with each new dispute. To retry one, send it unchanged with the same key."


class DisputeResolved(Conflict):
    code = "dispute_resolved"
    title = "Dispute is resolved"
    description = "The dispute was resolved before. It is resolved once, and nothing is added to it afterwards."
    remedy = "Look at its outcome. `coalition settlement entry add` puts right what came of it."


class DisputeAnswered(Conflict):
    code = "dispute_answered"
    title = "Dispute is answered"
    description = "You answered the dispute before, with another comment. It is answered once."
    remedy = "Tell the coalition what is missing in your answer."


class OwnDispute(Conflict):
    code = "own_dispute"
    title = "Your own dispute"
    description = "You raised the dispute. The other party answers it."
    remedy = "Wait for the other party's answer, or for the coalition's decision."


class ResolutionRefused(Invalid):
    code = "resolution_refused"
    title = "Resolution refused"
    description = (
        "A dispute is upheld, rejected or upheld in part. Only in part it has an amount: what of the line is owed "
        "after all, not 0, of the line's sign and less than the line."
    )
    remedy = "Correct what `detail` names."


class DisputeNeedsApproval(Forbidden):
    code = "dispute_needs_approval"
    title = "Second person needed"
    description = "By the settlement policy two people decide what moves money, and so what comes of a dispute."
    remedy = "Repeat the command with --approved-by and the name of a second person."


@dataclass(frozen=True)
class Request:
    """A partner's request to dispute a line, which it may send again: its key, and the hash of what it says."""

    key: str
    request_hash: bytes


def add(
    session: Session,
    act: Act,
    *,
    party_id: UUID,
    obligation_id: UUID,
    line: int | None,
    request: Request | None = None,
) -> Dispute:
    """Let a party dispute a line, for a reason: it leaves the net with the open day. Sent again, it is the same.

    Raises ObligationNotFound, also for one of others, LineNotFound, NotDisputable, LineDisputed, DisputeTooLate,
    DisputeKeyReused, ReasonMissing, MalformedText.
    """
    reason = audit.require_reason(act)
    wait_for_lock(session, LOCK)
    if request is not None and (again := _sent_before(session, party_id, request)) is not None:
        return again
    owed = drill_down.obligation(session, obligation_id)
    if party_id not in (owed.payer_id, owed.payee_id):
        raise ObligationNotFound("there is no such obligation")
    amount = _amount(session, owed, line)
    day = business_days.hold_open(session)
    until = last_day(session, owed)
    if day > until:
        raise DisputeTooLate(f"the line could be disputed until {until}", until=until)
    dispute_id = ids.new()
    entry = entries.write_down(
        session, reason=reason, by=act.decider, now=act.now,
        kind=KIND, payer_id=owed.payer_id, payee_id=owed.payee_id, currency=owed.currency,
        amount_minor=-amount, reference=f"{ids.show(ids.DISPUTE, dispute_id)} raised",
    )  # fmt: skip
    session.execute(
        text("""
            INSERT INTO settlement.dispute (dispute_id, obligation_id, n, payer_id, payee_id, currency, amount_minor,
                                            raised_by_id, reason, raised_by, raised_at, day, entry_id, idempotency_key,
                                            request_hash)
            VALUES (:dispute_id, :obligation_id, :n, :payer_id, :payee_id, :currency, :amount, :party_id, :reason, :by,
                    :now, :day, :entry_id, :key, :hash)
        """),
        {
            **vars(owed), "dispute_id": dispute_id, "n": line, "amount": amount, "party_id": party_id,
            "reason": reason, "by": act.decider, "now": act.now, "day": entry.day, "entry_id": entry.entry_id,
            "key": request.key if request else None, "hash": request.request_hash if request else None,
        },
    )  # fmt: skip
    made = get(session, dispute_id)
    _tell(session, made, RAISED_EVENT, now=act.now)
    audit.append(session, act, RAISED_EVENT, made, obligation_id=ids.show(ids.OBLIGATION, obligation_id), line=line)
    return made


def last_day(session: Session, owed: Kept) -> date:
    """The last business day on which the lines of an obligation can be disputed.

    It counts from the end of the cycle, for only then a statement says what was settled on its first day.
    """
    return cycles.span(owed.cycle, owed.day).last + timedelta(days=policies.get(session).dispute_days)


def answer(session: Session, act: Act, *, dispute_id: UUID, party_id: UUID, comment: str) -> Dispute:
    """Keep what the other party says to an open dispute; the same comment again changes nothing.

    Raises DisputeNotFound, also for one of others, OwnDispute, DisputeAnswered, DisputeResolved, MalformedText.
    """
    comment = texts.text(comment, what="comment", longest=LONGEST_COMMENT)
    wait_for_lock(session, LOCK)
    found = get(session, dispute_id, party_id=party_id)
    if found.raised_by_id == party_id:
        raise OwnDispute("the other party answers it")
    if found.comment == comment:
        return found
    if found.comment is not None:
        raise DisputeAnswered("the dispute has an answer")
    _require_open(found)
    session.execute(
        text("""
            INSERT INTO settlement.dispute_answer (dispute_id, comment, answered_by, answered_at)
            VALUES (:id, :comment, :by, :now)
        """),
        {"id": dispute_id, "comment": comment, "by": act.decider, "now": act.now},
    )
    made = get(session, dispute_id)
    audit.append(session, act, "settlement.dispute_answered", made)
    return made


def resolve(session: Session, act: Act, *, dispute_id: UUID, outcome: str, amount_minor: int | None = None) -> Dispute:
    """Decide an open dispute, for a reason: what of the line is owed after all comes back with the open day.

    `amount_minor` is that if the outcome is PART. Raises DisputeNotFound, DisputeResolved, ResolutionRefused,
    DisputeNeedsApproval, ReasonMissing.
    """
    reason = audit.require_reason(act)
    wait_for_lock(session, LOCK)
    found = get(session, dispute_id)
    _require_open(found)
    back = _back(found, outcome, amount_minor)
    needs_two = policies.get(session).approvals > 1
    if needs_two and (act.approved_by is None or same_person(act.approved_by, act.decider)):
        raise DisputeNeedsApproval("what comes of a dispute needs the approval of somebody else")
    day, entry_id = business_days.hold_open(session), None
    if back:
        entry_id = entries.write_down(
            session, reason=reason, by=act.decider, now=act.now,
            kind=KIND, payer_id=found.payer_id, payee_id=found.payee_id, currency=found.currency,
            amount_minor=back, reference=f"{ids.show(ids.DISPUTE, dispute_id)} resolved",
        ).entry_id  # fmt: skip
    session.execute(
        text("""
            INSERT INTO settlement.dispute_resolution (dispute_id, outcome, back_minor, reason, resolved_by,
                                                       approved_by, resolved_at, day, entry_id)
            VALUES (:id, :outcome, :back, :reason, :by, :approved_by, :now, :day, :entry_id)
        """),
        {
            "id": dispute_id, "outcome": outcome, "back": back, "reason": reason, "by": act.decider,
            "approved_by": act.approved_by, "now": act.now, "day": day, "entry_id": entry_id,
        },
    )  # fmt: skip
    made = get(session, dispute_id)
    _tell(session, made, RESOLVED_EVENT, now=act.now)
    audit.append(session, act, RESOLVED_EVENT, made, outcome=outcome, back_minor=back)
    return made


def _sent_before(session: Session, party_id: UUID, request: Request) -> Dispute | None:
    row = session.execute(
        text("""
            SELECT dispute_id, request_hash FROM settlement.dispute
            WHERE raised_by_id = :party_id AND idempotency_key = :key
        """),
        {"party_id": party_id, "key": request.key},
    ).first()
    if row is None:
        return None
    if bytes(row.request_hash) != request.request_hash:
        raise DisputeKeyReused("you sent this Idempotency-Key before, with a different dispute")
    return get(session, row.dispute_id)


def _amount(session: Session, owed: Kept, line: int | None) -> int:
    """What a line comes to that may be disputed."""
    has_lines = owed.kind in obligations.WITH_LINES and owed.lines_digest is not None
    if has_lines != (line is not None):
        raise LineNotFound("say which line" if has_lines else "the obligation has no lines")
    amount = owed.amount_minor
    if line is not None:
        found = drill_down.lines(session, owed.obligation_id, after=line - 1, limit=1)
        if not found or found[0].n != line:
            raise LineNotFound(f"there is no line {line}")
        amount = found[0].amount_minor
    if owed.kind == KIND:
        raise NotDisputable("it is itself what disputes came to")
    if amount == 0:
        raise NotDisputable("it comes to no money")
    disputed = text("""
        SELECT EXISTS (SELECT FROM settlement.dispute WHERE obligation_id = :id AND n IS NOT DISTINCT FROM :n)
    """)
    if session.scalar(disputed, {"id": owed.obligation_id, "n": line}):
        raise LineDisputed("the line was disputed before")
    return amount


def _require_open(found: Dispute) -> None:
    if found.outcome is not None:
        raise DisputeResolved(f"the dispute was resolved: {found.outcome}")


def _back(found: Dispute, outcome: str, amount_minor: int | None) -> int:
    """What of the line is owed after all."""
    if outcome not in OUTCOMES:
        raise ResolutionRefused(f"the outcome is one of {', '.join(OUTCOMES)}")
    if (outcome == PART) != (amount_minor is not None):
        raise ResolutionRefused("in part it has an amount, and else it has none")
    if amount_minor is None:
        return found.amount_minor if outcome == REJECTED else 0
    low, high = sorted((0, found.amount_minor))
    if not low < amount_minor < high:
        raise ResolutionRefused(f"the amount is between {low} and {high}, and neither of them")
    return amount_minor


def _tell(session: Session, found: Dispute, what: str, *, now: datetime) -> None:
    """Tell both parties, but for the coalition, `what` became of a dispute: an event's type."""
    current, known = programme.get(session), statements.parties(session)
    codes = {party_id: party.code for party_id, party in known.items()}
    for partner_id in found.parties:
        if partner_id != current.programme_id:
            data = {"partner_id": partner_id, **_told(found, codes)}
            event = outbox.Event(
                type=what, subject_id=partner_id, partner_id=partner_id, occurred_at=current.time(now), data=data
            )
            outbox.append(session, event)


def _told(found: Dispute, codes: Mapping[UUID, str]) -> dict[str, Any]:
    data = {
        "dispute_id": found.dispute_id,
        "raised_by": codes[found.raised_by_id],
        "payer": codes[found.payer_id],
        "payee": codes[found.payee_id],
        "currency": found.currency,
        "disputed_minor": found.amount_minor,
        "settled_on": found.settled_on,
    }
    return data if found.outcome is None else {**data, "outcome": found.outcome, "back_minor": found.back_minor}
