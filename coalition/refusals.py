"""Every way the ledger says no: the codes its functions return, and what each means to a person."""

from __future__ import annotations

from typing import Any

from coalition.members import MemberMerged, MemberNotFound
from kit import ids
from kit.errors import CoalitionError, Conflict, Forbidden, Invalid, NotFound


class InsufficientPoints(Conflict):
    code = "insufficient_points"
    title = "Not enough points"
    description = "The wallet has fewer points than you asked for. `available` is how many it has."
    remedy = "Ask for at most `available` points, or read the balance and let the member choose."
    facts = ("available", "requested")


class StepUpRequired(Forbidden):
    code = "step_up_required"
    title = "Proof of the member needed"
    description = (
        "To spend more than `limit` points at once, or more than `limit_per_day` on one business day at all partners "
        "together, the member has to give one of `accepts`: the wallet's code, the PIN, or a consent given to you "
        "earlier. A limit that is null does not apply."
    )
    remedy = (
        "Send the request again under the same key with the wallet's `code` or the member's `pin`, or ask for fewer "
        "points."
    )
    facts = ("accepts", "limit", "limit_per_day", "requested")


class ClaimRequired(Forbidden):
    code = "claim_required"
    title = "Member not claimed yet"
    description = (
        "You enrolled this member, no other partner has seen proof of the member yet, and some of the points come from "
        "other partners. The PIN, code and consents count for you once the member has shown a PIN or code to another "
        "partner or to the coalition. Until then the member can spend with you what a card alone allows: `limit` "
        "points at once and `limit_per_day` points a day."
    )
    remedy = "Ask for fewer points, or ask the member to show a PIN or code to another partner first."
    facts = ("limit", "limit_per_day", "requested")


class NoEarningRate(Conflict):
    code = "no_earning_rate"
    title = "No earning rate"
    description = (
        "The partner has no earning rate for this currency on that day, so we cannot turn the amount into points."
    )
    remedy = "Send points instead of an amount, or ask the coalition to set your rate for this currency."
    facts = ("currency", "day")


class EffectiveInFuture(Invalid):
    code = "effective_in_future"
    title = "Time in the future"
    description = "The time of the purchase is more than five minutes ahead of the coalition's clock."
    remedy = "Correct the till's clock, or leave `effective_at` out."


class ReferenceReused(Conflict):
    code = "reference_reused"
    title = "Reference reused"
    description = (
        "You posted this reference before, with different content. `transaction_id` is the transaction you posted."
    )
    remedy = "Use a new reference for each new receipt. Read `transaction_id` to see what you posted under this one."
    facts = ("transaction_id",)


class ReferenceOfAnotherMember(Conflict):
    code = "reference_of_another_member"
    title = "Receipt of another member"
    description = "You posted this receipt for another member."
    remedy = "Name the member of the posted receipt, or use a new reference for another receipt."


class MemberBlocked(Conflict):
    code = "member_blocked"
    title = "Member blocked"
    description = "The member is blocked. You can still post returns and end holds, and nothing else."
    remedy = "Ask the member to contact the coalition. Do not retry."


class EffectiveTooOld(Invalid):
    code = "effective_too_old"
    title = "Purchase too old"
    description = "The purchase is so old that its points would have expired already."
    remedy = "Correct `effective_at` if it is wrong. If it is right, ask the coalition for an adjustment instead."


class VestsOutOfRange(Invalid):
    code = "vests_out_of_range"
    title = "Vesting time out of range"
    description = "Points vest in the future and before they expire."
    remedy = (
        "Send a later `vests_at`, at least a day before `expires_on`, or leave `vests_at` out so that the points can "
        "be spent at once."
    )
    facts = ("expires_on",)


class ExpiresOutOfRange(Invalid):
    code = "expires_out_of_range"
    title = "Expiry out of range"
    description = (
        "An award's points expire on a day from `from` to `to`. If you leave the day out, the programme's rule applies."
    )
    remedy = "Send an `expires_on` from `from` to `to`, or leave it out."
    facts = ("from", "to")


class AwardNotPermitted(Forbidden):
    code = "award_not_permitted"
    title = "Award not permitted by its issuer"
    description = (
        "The award's issuer does not permit you to award this many of its points. `most_per_award` is the most it "
        "permits; 0 means none."
    )
    remedy = "Ask the issuer's admin to permit your awards, or award your own points."
    facts = ("issuer_id", "most_per_award", "requested")


class LocationRefused(Invalid):
    code = "location_refused"
    title = "Location refused"
    description = (
        "None of your open locations has this id or code. A token of a till is good for the till's own location only."
    )
    remedy = (
        "Send the id or the code of one of your open locations, or leave `location` out. From a till, leave it out: we "
        "know where the till stands."
    )


class ExposureExceeded(Forbidden):
    code = "exposure_exceeded"
    title = "Exposure limit exceeded"
    description = (
        "What the partner `issuer_id` owes for its points and did not fund yet exceeds its limit. Nobody can issue "
        "points of this partner. Everything else still works."
    )
    remedy = (
        "Stop issuing points of this partner. The partner pays what is due, or asks the coalition for a higher limit "
        "or deposit. Send the same request again a few minutes later."
    )
    facts = ("issuer_id",)


class HoldOutOfRange(Invalid):
    code = "hold_out_of_range"
    title = "Hold time out of range"
    description = "A hold ends in the future, within 31 days."
    remedy = (
        "Send an `expires_at` that is later than now and at most 31 days ahead. For a longer time, open a new hold "
        "when this one ends."
    )


class HoldNotFound(NotFound):
    code = "hold_not_found"
    title = "Hold not found"
    description = "You have no hold with this id."
    remedy = "Use the `hold_id` from the answer that opened the hold."


class HoldFinished(Conflict):
    code = "hold_finished"
    title = "Hold finished"
    description = "The hold was already captured or voided, or it lapsed. `hold_status` says which."
    remedy = "Read the hold to see what happened to it. There is nothing left to capture or void."
    facts = ("hold_status",)


class HoldLapsed(Conflict):
    code = "hold_lapsed"
    title = "Hold lapsed"
    description = "The hold's time is over. Its points are available to the member again."
    remedy = "Open a new hold, or burn the points."
    facts = ("expires_at",)


class HoldRunning(Conflict):
    code = "hold_running"
    title = "Hold still running"
    description = "The hold's time is not over yet."
    remedy = "Wait until `expires_at`, when the hold lapses by itself, or capture or void it to end it now."
    facts = ("expires_at",)


class MoreThanHeld(Conflict):
    code = "more_than_held"
    title = "More points than held"
    description = "You can capture at most the points that the hold set aside. `held` is how many they are."
    remedy = "Capture at most `held` points and burn the rest."
    facts = ("held", "requested")


class PointsSpent(Conflict):
    code = "points_spent"
    title = "Points already spent"
    description = (
        "The return would take back points that the member has already spent, and this programme does not allow that. "
        "`coverable` is how many are left."
    )
    remedy = (
        "Take back at most `coverable` points, and ask the coalition about the rest. It sets what a return may do "
        "about spent points with `coalition programme --return-policy`."
    )
    facts = ("coverable", "requested")


class SameMember(Invalid):
    code = "same_member"
    title = "Same member"
    description = "You cannot merge a member into itself."
    remedy = "Name two different members: first the one that goes, then the one that stays."


class HoldsOpen(Conflict):
    code = "holds_open"
    title = "Holds open"
    description = "The member has points on hold."
    remedy = "Capture or void the holds first."
    facts = ("held",)


class NothingDue(Conflict):
    code = "nothing_due"
    title = "Nothing due"
    description = "No points are due to vest or to expire."
    remedy = "Do nothing: points vest and expire by themselves when they are due."


class IdempotencyKeyReused(Invalid):
    code = "idempotency_key_reused"
    title = "Idempotency key reused"
    description = "You sent this Idempotency-Key before, with a different request."
    remedy = "Use a new key for each new request. To retry a request, send it unchanged with the same key."


class NotReversible(Conflict):
    code = "not_reversible"
    title = "Not reversible"
    description = "You can reverse an earn, a burn or a capture. You cannot reverse a reversal."
    remedy = "Reverse the original transaction, not its reversal."
    facts = ("kind",)


class MoreThanReversible(Conflict):
    code = "more_than_reversible"
    title = "More than is left to reverse"
    description = "The reversals would exceed the original transaction. `reversible` is what is left of it."
    remedy = "Reverse at most `reversible` points."
    facts = ("reversible",)


class SeveralMembers(Conflict):
    code = "several_members"
    title = "Several members"
    description = "The transactions belong to more than one member. A return covers one purchase of one member."
    remedy = "Send one return for each member."


class AmountNotComparable(Conflict):
    code = "amount_not_comparable"
    title = "Amount not comparable"
    description = "You can reverse by amount only an earn that was made by amount, in the same currency."
    remedy = "Reverse by points instead of by amount."


class ConcurrentRequest(Conflict):
    code = "concurrent_request"
    title = "Concurrent request"
    description = "Another request is posting the same thing right now."
    remedy = (
        "Wait for the number of seconds in Retry-After and send the same request again. You get the outcome of the "
        "first request."
    )
    retryable = True


class OriginalNotFound(NotFound):
    code = "original_not_found"
    title = "Original transaction not found"
    description = "You have no transaction with this id to reverse."
    remedy = (
        "Look your transaction up by the reference you posted it under. You can reverse only your own transactions."
    )


def refusal_of(code: str, detail: dict[str, Any]) -> CoalitionError:
    """The error for a refusal `code` as the ledger's functions return it, with its facts."""
    kind = _KINDS[code]
    shown = ids.show_fields(detail)
    return kind(_SENTENCES[kind].format(**shown), **shown)


def kinds() -> frozenset[type[CoalitionError]]:
    """Every refusal there is."""
    return frozenset(_SENTENCES)


def sentence_of(kind: type[CoalitionError]) -> str:
    """The sentence a refusal of `kind` is told with, with places for its facts; empty where it is no refusal."""
    return _SENTENCES.get(kind, "")


# The ledger's functions return the codes that the API answers with. What each says, with places for its facts:
_SENTENCES: dict[type[CoalitionError], str] = {
    MemberNotFound: "there is no such member",
    InsufficientPoints: "you asked for {requested} points and the wallet has {available}",
    StepUpRequired: "a member cannot spend {requested} points without proof, at once or today",
    ClaimRequired: (
        "{requested} points come from other partners too, so the member first has to show a PIN or code to another "
        "partner"
    ),
    NoEarningRate: "there is no earning rate in {currency} on {day}",
    EffectiveInFuture: "effective_at is ahead of the coalition's clock",
    ReferenceReused: "you posted {transaction_id} under this reference, with different content",
    ReferenceOfAnotherMember: "you posted this receipt for another member",
    IdempotencyKeyReused: "you sent this Idempotency-Key before, with a different request",
    OriginalNotFound: "you have no transaction with this id",
    NotReversible: "the transaction is a {kind}; you can reverse an earn, a burn or a capture",
    MoreThanReversible: "this is more than is left of the original",
    MemberBlocked: "the member is blocked",
    MemberMerged: "the member was merged into {member_id}",
    EffectiveTooOld: "effective_at is so long ago that its points would have expired",
    VestsOutOfRange: "points vest in the future and before they expire on {expires_on}",
    ExpiresOutOfRange: "an award's points expire on a day from {from} to {to}",
    AwardNotPermitted: (
        "{issuer_id} permits you to award up to {most_per_award} of its points at once, and you asked for {requested}"
    ),
    LocationRefused: "you have no open location with this id or code, or it is not where the till stands",
    ExposureExceeded: "what {issuer_id} owes and did not fund yet exceeds its limit",
    HoldOutOfRange: "a hold ends in the future, within 31 days",
    HoldNotFound: "you have no hold with this id",
    HoldFinished: "the hold is already {hold_status}",
    HoldLapsed: "the hold ended at {expires_at}",
    HoldRunning: "the hold runs until {expires_at}",
    MoreThanHeld: "you asked for {requested} points and the hold has {held}",
    PointsSpent: "the return takes back {requested} points, and only {coverable} are left",
    SameMember: "a member cannot be merged into itself",
    HoldsOpen: "{held} points are on hold",
    NothingDue: "no points are due to vest or to expire",
    SeveralMembers: "the transactions belong to more than one member",
    AmountNotComparable: "the original was not made by an amount in this currency",
}
_KINDS = {kind.code: kind for kind in _SENTENCES}
