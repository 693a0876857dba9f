"""Every way the ledger says no: the codes its functions return, and what each means to a person."""

from __future__ import annotations

from typing import Any

from coalition.members import MemberNotFound
from kit import ids
from kit.errors import CoalitionError, Conflict, Invalid, NotFound


class InsufficientPoints(Conflict):
    """The wallet holds fewer points than were to be burned; `available` says how many it holds."""

    code = "insufficient_points"
    title = "Not enough points"


class NoEarningRate(Conflict):
    """An amount was to be turned into points, but the partner has no rate for its currency on that day."""

    code = "no_earning_rate"
    title = "No earning rate"


class EffectiveInFuture(Invalid):
    """The purchase's time lies more than five minutes ahead of the coalition's clock."""

    code = "effective_in_future"
    title = "Time in the future"


class ReferenceReused(Conflict):
    """This reference was posted before with another content; `transaction_id` names what stands under it."""

    code = "reference_reused"
    title = "Reference reused"


class ReferenceOfAnotherMember(Conflict):
    """This receipt was posted for another member."""

    code = "reference_of_another_member"
    title = "Receipt of another member"


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key came before with another request."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class NotReversible(Conflict):
    """Only an earn or a burn can be reversed, a reversal can not."""

    code = "not_reversible"
    title = "Not reversible"


class MoreThanReversible(Conflict):
    """Reversals would exceed the original; `reversible` says what is left of it."""

    code = "more_than_reversible"
    title = "More than is left to reverse"


class AmountNotComparable(Conflict):
    """A reversal by amount needs an earn that was made by amount, in the same currency."""

    code = "amount_not_comparable"
    title = "Amount not comparable"


class ConcurrentRequest(Conflict):
    """The same thing is being posted at this very moment; ask again and you will get its outcome."""

    code = "concurrent_request"
    title = "Concurrent request"
    retryable = True


class ReversedUnknown(NotFound):
    """The transaction to reverse is unknown, or another partner's."""

    code = "original_not_found"
    title = "Original transaction not found"


def refusal_of(code: str, detail: dict[str, Any]) -> CoalitionError:
    """The error for a refusal `code` as the ledger's functions return it, with its facts."""
    kind, sentence = _REFUSALS[code]
    shown = ids.show_fields(detail)
    return kind(sentence.format(**shown), **shown)


_REFUSALS: dict[str, tuple[type[CoalitionError], str]] = {
    "member_not_found": (MemberNotFound, "no such member"),
    "insufficient_points": (InsufficientPoints, "{requested} points asked for, {available} available"),
    "no_earning_rate": (NoEarningRate, "no earning rate in {currency} on {day}"),
    "effective_in_future": (EffectiveInFuture, "effective_at lies ahead of the coalition's clock"),
    "reference_reused": (ReferenceReused, "this reference stands for {transaction_id}, with another content"),
    "reference_of_another_member": (ReferenceOfAnotherMember, "this receipt was posted for another member"),
    "idempotency_key_reused": (IdempotencyKeyReused, "this Idempotency-Key came before with another request"),
    "transaction_not_found": (ReversedUnknown, "no transaction of yours has this id"),
    "not_reversible": (NotReversible, "the transaction is a {kind}; only an earn or a burn can be reversed"),
    "more_than_reversible": (MoreThanReversible, "more than is left of the original"),
    "amount_not_comparable": (AmountNotComparable, "the original was not made by an amount in this currency"),
}
