"""Every way the ledger says no: the codes its functions return, and what each means to a person."""

from __future__ import annotations

from typing import Any

from coalition.members import MemberMerged, MemberNotFound
from kit import ids
from kit.errors import CoalitionError, Conflict, Forbidden, Invalid, NotFound


class InsufficientPoints(Conflict):
    """The wallet holds fewer points than were to be burned; `available` says how many it holds."""

    code = "insufficient_points"
    title = "Not enough points"
    remedy = "Ask for at most `available` points, or read the balance and let the member choose."


class StepUpRequired(Forbidden):
    """More points at once than `limit`, or on one day than `limit_per_day`, are spent only with one of `accepts`.

    Those are the wallet's code, the PIN, or a consent the member gave you before. The day is the business day, and
    counts what the member spent at all partners. A limit that is null there isn't.
    """

    code = "step_up_required"
    title = "Proof of the member needed"
    remedy = "Send it again under the same key with the wallet's `code` or the member's `pin`, or ask for fewer points."


class ClaimRequired(Forbidden):
    """You enrolled the member, nobody else has seen a proof of it, and its points are of other partners too.

    Its PIN, code and consents count at you once it showed its PIN or code at another partner, or at the coalition's
    desk. Until then it spends at you what a card alone may: `limit` at once, `limit_per_day` on one day.
    """

    code = "claim_required"
    title = "Member not claimed yet"
    remedy = "Ask for fewer points, or let the member show its PIN or code at another partner first."


class NoEarningRate(Conflict):
    """An amount was to be turned into points, but the partner has no rate for its currency on that day."""

    code = "no_earning_rate"
    title = "No earning rate"
    remedy = "Send points instead of an amount, or ask the coalition to set your rate for this currency."


class EffectiveInFuture(Invalid):
    """The purchase's time lies more than five minutes ahead of the coalition's clock."""

    code = "effective_in_future"
    title = "Time in the future"
    remedy = "Set the till's clock right, or leave effective_at out."


class ReferenceReused(Conflict):
    """This reference was posted before with another content; `transaction_id` names what stands under it."""

    code = "reference_reused"
    title = "Reference reused"
    remedy = "Use a new reference for a new receipt; read `transaction_id` to see what stands under this one."


class ReferenceOfAnotherMember(Conflict):
    """This receipt was posted for another member."""

    code = "reference_of_another_member"
    title = "Receipt of another member"
    remedy = "Use the member of the receipt that was posted, or a new reference for another receipt."


class MemberBlocked(Conflict):
    """The member is blocked: returns and the end of holds still work, nothing else does."""

    code = "member_blocked"
    title = "Member blocked"
    remedy = "Tell the member to ask the coalition; don't try again by yourself."


class EffectiveTooOld(Invalid):
    """The purchase lies so far back that points of that day would have expired."""

    code = "effective_too_old"
    title = "Time too far back"


class VestsOutOfRange(Invalid):
    """Points can be pending until a time that lies ahead, and before their expiry."""

    code = "vests_out_of_range"
    title = "Vesting time out of range"


class HoldOutOfRange(Invalid):
    """A hold ends at a time ahead, within 31 days."""

    code = "hold_out_of_range"
    title = "Hold too long or over already"


class HoldNotFound(NotFound):
    """No hold of yours has this id."""

    code = "hold_not_found"
    title = "Hold not found"
    remedy = "Use the hold_id of the answer that opened the hold."


class HoldFinished(Conflict):
    """The hold was captured, voided or lapsed already; `hold_status` says which."""

    code = "hold_finished"
    title = "Hold finished"
    remedy = "Read the hold to see what became of it; there is nothing left to take or to give back."


class HoldLapsed(Conflict):
    """The hold's time is over; its points are the member's again."""

    code = "hold_lapsed"
    title = "Hold lapsed"
    remedy = "Make a new hold, or burn the points."


class HoldRunning(Conflict):
    """The hold's time is not over yet."""

    code = "hold_running"
    title = "Hold still running"


class MoreThanHeld(Conflict):
    """A capture takes at most what the hold set aside; `held` says how much that is."""

    code = "more_than_held"
    title = "More than is held"
    remedy = "Capture at most `held` points and burn the rest."


class PointsSpent(Conflict):
    """The return takes back points that are spent, which this programme refuses; `coverable` says what is left."""

    code = "points_spent"
    title = "Points spent already"


class SameMember(Invalid):
    """A member can't be merged into itself."""

    code = "same_member"
    title = "Same member"


class HoldsOpen(Conflict):
    """The member has points on hold; capture or void the holds first."""

    code = "holds_open"
    title = "Holds open"
    remedy = "Capture or void the holds first."


class NothingDue(Conflict):
    """There is nothing to vest or to expire (any more)."""

    code = "nothing_due"
    title = "Nothing due"


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key came before with another request."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"
    remedy = "Use a new key for a new request, and repeat a request under its key unchanged."


class NotReversible(Conflict):
    """Only an earn, a burn or a capture can be reversed, a reversal can not."""

    code = "not_reversible"
    title = "Not reversible"
    remedy = "Reverse the transaction that was made first, not its reversal."


class MoreThanReversible(Conflict):
    """Reversals would exceed the original; `reversible` says what is left of it."""

    code = "more_than_reversible"
    title = "More than is left to reverse"
    remedy = "Reverse at most `reversible` points."


class SeveralMembers(Conflict):
    """The transactions belong to more than one member; a return is of one purchase of one member."""

    code = "several_members"
    title = "Several members"
    remedy = "Send one return for each member."


class AmountNotComparable(Conflict):
    """A reversal by amount needs an earn that was made by amount, in the same currency."""

    code = "amount_not_comparable"
    title = "Amount not comparable"
    remedy = "Reverse by points instead of by an amount."


class ConcurrentRequest(Conflict):
    """The same thing is being posted at this very moment; ask again and you will get its outcome."""

    code = "concurrent_request"
    title = "Concurrent request"
    remedy = "Wait for the seconds in Retry-After and send the same request again: you get the outcome of the first."
    retryable = True


class ReversedUnknown(NotFound):
    """The transaction to reverse is unknown, or another partner's."""

    code = "original_not_found"
    title = "Original transaction not found"
    remedy = "Look your transaction up by the reference it was posted under; it has to be one of your own."


def refusal_of(code: str, detail: dict[str, Any]) -> CoalitionError:
    """The error for a refusal `code` as the ledger's functions return it, with its facts."""
    kind, sentence = _REFUSALS[code]
    shown = ids.show_fields(detail)
    return kind(sentence.format(**shown), **shown)


def kinds() -> frozenset[type[CoalitionError]]:
    """Every refusal there is."""
    return frozenset(kind for kind, _ in _REFUSALS.values())


def sentence_of(kind: type[CoalitionError]) -> str:
    """The sentence a refusal of `kind` is told with, with places for its facts; empty where it is no refusal."""
    return next((sentence for known, sentence in _REFUSALS.values() if known is kind), "")


_REFUSALS: dict[str, tuple[type[CoalitionError], str]] = {
    "member_not_found": (MemberNotFound, "no such member"),
    "insufficient_points": (InsufficientPoints, "{requested} points asked for, {available} available"),
    "step_up_required": (
        StepUpRequired,
        "{requested} points are more than a member spends without proof, at once or today",
    ),
    "claim_required": (
        ClaimRequired,
        "{requested} points of other partners too: the member shows its PIN or code at another partner first",
    ),
    "no_earning_rate": (NoEarningRate, "no earning rate in {currency} on {day}"),
    "effective_in_future": (EffectiveInFuture, "effective_at lies ahead of the coalition's clock"),
    "reference_reused": (ReferenceReused, "this reference stands for {transaction_id}, with another content"),
    "reference_of_another_member": (ReferenceOfAnotherMember, "this receipt was posted for another member"),
    "idempotency_key_reused": (IdempotencyKeyReused, "this Idempotency-Key came before with another request"),
    "transaction_not_found": (ReversedUnknown, "no transaction of yours has this id"),
    "not_reversible": (NotReversible, "the transaction is a {kind}; only an earn, a burn or a capture can be reversed"),
    "more_than_reversible": (MoreThanReversible, "more than is left of the original"),
    "member_blocked": (MemberBlocked, "the member is blocked"),
    "member_merged": (MemberMerged, "the member was merged into {member_id}"),
    "effective_too_old": (EffectiveTooOld, "effective_at lies so far back that its points would have expired"),
    "vests_out_of_range": (VestsOutOfRange, "points vest ahead of now and before they expire on {expires_on}"),
    "hold_out_of_range": (HoldOutOfRange, "a hold ends ahead of now, within 31 days"),
    "hold_not_found": (HoldNotFound, "no hold of yours has this id"),
    "hold_finished": (HoldFinished, "the hold is {hold_status} already"),
    "hold_lapsed": (HoldLapsed, "the hold ended at {expires_at}"),
    "hold_running": (HoldRunning, "the hold runs until {expires_at}"),
    "more_than_held": (MoreThanHeld, "{requested} points asked for, {held} held"),
    "points_spent": (PointsSpent, "{requested} points to take back, {coverable} of them not spent yet"),
    "same_member": (SameMember, "a member can't be merged into itself"),
    "holds_open": (HoldsOpen, "{held} points are on hold"),
    "nothing_to_vest": (NothingDue, "nothing of this lot is due to vest"),
    "nothing_to_expire": (NothingDue, "nothing of the member's is due to expire"),
    "several_members": (SeveralMembers, "the transactions belong to more than one member"),
    "amount_not_comparable": (AmountNotComparable, "the original was not made by an amount in this currency"),
}
