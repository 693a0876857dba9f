"""The shapes of the API's requests and responses."""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma

from coalition import identifiers, ledger, rotating_codes, wallets
from kit import ids
from kit.http.choices import Choice, ChoosingSchema
from kit.http.fields import OPTIONAL, Id, Instant, WholeNumber, currency, reference
from partners import whom

KINDS = tuple(identifiers.KIND_OF_FIELD)
LARGEST_POSTING = 1_000_000_000  # points or minor units of one posting


def member() -> Id:
    """A member, as the partner that asks knows them."""
    return Id(ids.MEMBER, metadata={"description": "Your id of the member; other partners have others of the same"})


class AmountSchema(ma.Schema):
    """Money in whole minor units, e.g. 12.34 GBP is `{"minor": 1234, "currency": "GBP"}`."""

    minor = WholeNumber(least=0, most=LARGEST_POSTING, required=True)
    currency = currency(required=True)


class IdentifierSchema(ChoosingSchema):
    """What a member is found by."""

    card = ma.fields.String(validate=ma.validate.Length(1, 32), metadata={"description": "12 to 19 digits, Luhn-valid"})
    phone = ma.fields.String(validate=ma.validate.Length(1, 32), metadata={"description": "+ and country code (E.164)"})
    email = ma.fields.String(validate=ma.validate.Length(1, identifiers.LONGEST))
    external_id = ma.fields.String(validate=ma.validate.Length(1, 64), metadata={"description": "your own id of them"})


class EnrolSchema(IdentifierSchema):
    """A new member; at least one identifier."""

    choices = (Choice(KINDS, f"give {', '.join(KINDS)}, one or more of them", may_be_many=True),)


def _naming(names: tuple[str, ...]) -> Choice:
    # What is scanned says whose it is, behind a dot; the eight digits alone don't.
    message = f"name the member by one of {', '.join(names)}, or a code as scanned"
    return Choice(names, message, or_else=("code", r"\."))


def wallet_code() -> ma.fields.String:
    """What a member's wallet shows."""
    return ma.fields.String(
        validate=ma.validate.Regexp(f"^{rotating_codes.PATTERN}\\Z"),
        metadata={"description": "the wallet's rotating code, as scanned; typed off, its eight digits"},
    )


class LookupSchema(IdentifierSchema):
    """Which member: by one identifier, or by what the wallet shows."""

    code = wallet_code()

    choices: ClassVar[tuple[Choice, ...]] = (_naming(KINDS),)


class MemberKeySchema(LookupSchema):
    """Which member: by id, by one identifier, or by what the wallet shows."""

    member_id = member()
    choices: ClassVar[tuple[Choice, ...]] = (_naming(whom.NAMES),)


def pin() -> ma.fields.String:
    """A member's PIN, as it is typed in."""
    return ma.fields.String(
        validate=ma.validate.Regexp(r"^[0-9]{4,12}\Z"), metadata={"description": "as the member types it"}
    )


class EvidenceSchema(ma.Schema):
    """What the member shows for it, where that is needed: the wallet's code or the PIN."""

    code = wallet_code()
    pin = pin()
    may_be_left_out = True


class OneIdentifierSchema(IdentifierSchema):
    """One identifier, and what the member shows for it, where that is needed: the wallet's code or the PIN."""

    code = wallet_code()
    pin = pin()

    choices = (Choice(KINDS, f"give {', '.join(KINDS)}, one of them"),)


class PostingSchema(MemberKeySchema):
    """What every posting says."""

    reference = reference(required=True, metadata={"description": "Your receipt's number, posted once for ever"})
    effective_at = Instant(metadata={"description": "When the purchase was made; now, if left out"})


class EarnSchema(PostingSchema):
    """Issue points: so many, or what an amount earns at your rate."""

    points = WholeNumber(least=1, most=LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)
    vests_at = Instant(metadata={"description": "Pending until then, e.g. until the return period is over"})

    choices = (*PostingSchema.choices, Choice(("points", "amount"), "give points or amount, one of the two"))


class SpendingSchema(PostingSchema):
    """Spend points; above the programme's limit with the wallet's code or the member's PIN."""

    pin = pin()


class HoldSchema(SpendingSchema):
    """Set points aside for a purchase in progress."""

    points = WholeNumber(least=1, most=LARGEST_POSTING, required=True)
    expires_at = Instant(required=True, metadata={"description": "When they return by themselves, within 31 days"})


class CaptureSchema(ma.Schema):
    """Take so many of the points held, or (left out) all; the rest returns."""

    reference = reference(required=True, metadata={"description": "Your receipt's number, posted once for ever"})
    points = WholeNumber(least=1, most=LARGEST_POSTING)
    effective_at = Instant()


class VoidSchema(ma.Schema):
    """Give the points held back."""

    reference = reference(required=True, metadata={"description": "Your number for it, posted once for ever"})
    effective_at = Instant()


class BurnSchema(SpendingSchema):
    """Spend points."""

    points = WholeNumber(least=1, most=LARGEST_POSTING, required=True)


class ReversalSchema(ChoosingSchema):
    """Reverse so many points, or what an amount of the purchase earned, or (neither given) all that is left."""

    reference = reference(required=True, metadata={"description": "The number of your return"})
    points = WholeNumber(least=1, most=LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)
    effective_at = Instant()

    choices = (
        Choice(("points", "amount"), "give points or amount, or neither for all that is left", may_be_left_out=True),
    )


class ClawbackSchema(PostingSchema):
    """A return whose purchase is not known: take back what its amount earns."""

    amount = ma.fields.Nested(AmountSchema, required=True)


class MemberSchema(ma.Schema):
    """A member as partners see one."""

    member_id = member()
    enrolled_at = ma.fields.AwareDateTime()
    card_masked = ma.fields.String(allow_none=True, metadata={"description": "null: the member has no card"})


class KeptIdentifierSchema(ma.Schema):
    """One of a member's identifiers, masked."""

    identifier_id = Id(ids.IDENTIFIER)
    kind = ma.fields.String(validate=ma.validate.OneOf(identifiers.KINDS))
    masked = ma.fields.String()
    verified_at = ma.fields.AwareDateTime(allow_none=True)
    created_at = ma.fields.AwareDateTime(allow_none=True)


class KeptIdentifierListSchema(ma.Schema):
    """All of a member's identifiers that are yours to see."""

    data = ma.fields.List(ma.fields.Nested(KeptIdentifierSchema))
    next_cursor = ma.fields.String(allow_none=True)


class VerificationCodeSchema(ma.Schema):
    """The code the member was sent."""

    code = ma.fields.String(required=True, validate=ma.validate.Regexp(r"^[0-9]{6}\Z"))


class ExpiringSchema(ma.Schema):
    """Points that can be spent up to the day before `expires_on`."""

    expires_on = ma.fields.Date()
    points = ma.fields.Integer()


_NOW_ONLY = {OPTIONAL: True}


class BalanceSchema(ma.Schema):
    """What the wallet holds, and when it expires; of a past time only what it held."""

    member_id = member()
    available = ma.fields.Integer(metadata={"description": "can be spent now"})
    held = ma.fields.Integer(metadata={"description": "set aside for purchases in progress"})
    pending = ma.fields.Integer(metadata={"description": "earned, not to be spent yet"})
    owed = ma.fields.Integer(metadata={"description": "taken out of what is earned next"})
    issued_by_partner = ma.fields.Integer(metadata={"description": "of what is available, issued by you", **_NOW_ONLY})
    issued_by_others = ma.fields.Integer(metadata={"description": "of it, issued by other partners", **_NOW_ONLY})
    expiring = ma.fields.List(ma.fields.Nested(ExpiringSchema), metadata=_NOW_ONLY)


def show_balance(balance: wallets.Balance) -> dict[str, Any]:
    """What BalanceSchema dumps, in a tenth of its time: tills ask for little else."""
    return {
        "member_id": ids.show(ids.MEMBER, balance.member_id),
        "available": balance.available,
        "held": balance.held,
        "pending": balance.pending,
        "owed": balance.owed,
        "issued_by_partner": balance.issued_by_partner,
        "issued_by_others": balance.issued_by_others,
        "expiring": [{"expires_on": each.expires_on.isoformat(), "points": each.points} for each in balance.expiring],
    }


class TransactionSchema(ma.Schema):
    """One entry of a member's history."""

    transaction_id = Id(ids.TRANSACTION)
    kind = ma.fields.String(validate=ma.validate.OneOf(ledger.KINDS))
    member_id = member()
    partner_id = Id(ids.PARTNER)
    points = ma.fields.Integer(metadata={"description": "moved; the kind gives the direction"})
    repaid = ma.fields.Integer(metadata={"description": "of an earn: what went to debts at once"})
    uncovered = ma.fields.Integer(metadata={"description": "of a return: spent already, written off or owed"})
    available_after = ma.fields.Integer()
    held_after = ma.fields.Integer()
    pending_after = ma.fields.Integer()
    owed_after = ma.fields.Integer()
    hold_id = Id(ids.HOLD, allow_none=True, metadata={"description": "the hold that is opened or ended"})
    due_at = ma.fields.AwareDateTime(
        allow_none=True, metadata={"description": "when the hold lapses, or the points can be spent"}
    )
    reference = ma.fields.String()
    reverses_transaction_id = Id(ids.TRANSACTION, allow_none=True)
    amount_minor = ma.fields.Integer(allow_none=True)
    currency = ma.fields.String(allow_none=True)
    points_per_unit = ma.fields.Decimal(
        as_string=True, allow_none=True, metadata={"type": "string", "description": "a decimal, as text"}
    )
    minor_per_unit = ma.fields.Integer(allow_none=True)
    expires_on = ma.fields.Date(allow_none=True)
    effective_at = ma.fields.AwareDateTime()
    booked_at = ma.fields.AwareDateTime()
    business_date = ma.fields.Date()
    original_business_date = ma.fields.Date()
    member_seq = ma.fields.Integer()


def show_transaction(transaction: ledger.Transaction) -> dict[str, Any]:
    """What TransactionSchema dumps, in a tenth of its time: batches show a thousand."""
    t = transaction
    return {
        "transaction_id": ids.show(ids.TRANSACTION, t.transaction_id),
        "kind": t.kind,
        "member_id": ids.show(ids.MEMBER, t.member_id),
        "partner_id": ids.show(ids.PARTNER, t.partner_id),
        "points": t.points,
        "repaid": t.repaid,
        "uncovered": t.uncovered,
        "available_after": t.available_after,
        "held_after": t.held_after,
        "pending_after": t.pending_after,
        "owed_after": t.owed_after,
        "hold_id": t.hold_id and ids.show(ids.HOLD, t.hold_id),
        "due_at": t.due_at and t.due_at.isoformat(),
        "reference": t.reference,
        "reverses_transaction_id": t.reverses_transaction_id and ids.show(ids.TRANSACTION, t.reverses_transaction_id),
        "amount_minor": t.amount_minor,
        "currency": t.currency,
        "points_per_unit": None if t.points_per_unit is None else str(t.points_per_unit),
        "minor_per_unit": t.minor_per_unit,
        "expires_on": t.expires_on and t.expires_on.isoformat(),
        "effective_at": t.effective_at.isoformat(),
        "booked_at": t.booked_at.isoformat(),
        "business_date": t.business_date.isoformat(),
        "original_business_date": t.original_business_date.isoformat(),
        "member_seq": t.member_seq,
    }


class HoldShownSchema(ma.Schema):
    """A hold; its id is that of the transaction that opened it, with a prefix of its own."""

    hold_id = Id(ids.HOLD)
    member_id = member()
    points = ma.fields.Integer()
    captured = ma.fields.Integer()
    status = ma.fields.String(validate=ma.validate.OneOf(["open", "captured", "voided", "lapsed"]))
    expires_at = ma.fields.AwareDateTime()


class PastBalanceQuery(ma.Schema):
    """At which time."""

    at = Instant(metadata={"description": "What the wallet held then; now, if left out"})


class MyTransactionSchema(TransactionSchema):
    """One entry of the member's own history, at whichever partner."""

    brand = ma.fields.String(metadata={"description": "what the member knows the partner by", "example": "Greengrocer"})


class MyTransactionPageSchema(ma.Schema):
    """A page of the member's own history."""

    data = ma.fields.List(ma.fields.Nested(MyTransactionSchema))
    next_cursor = ma.fields.String(allow_none=True)


class TransactionPageSchema(ma.Schema):
    """A page of transactions."""

    data = ma.fields.List(ma.fields.Nested(TransactionSchema))
    next_cursor = ma.fields.String(allow_none=True)
