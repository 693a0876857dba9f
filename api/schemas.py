"""The shapes of the API's requests and responses."""

from __future__ import annotations

from typing import Any, ClassVar

import marshmallow as ma

from api.award_schemas import AwardSchema, AwardShownSchema, show_award
from api.fields import location, location_shown, reference
from coalition import identifiers, ledger, rotating_codes, wallets
from identity import member_lookup
from kit import ids
from kit.http.choices import Choice, ChoosingSchema
from kit.http.fields import OPTIONAL, Id, Instant, WholeNumber, currency

KINDS = tuple(identifiers.KIND_OF_FIELD)


def member() -> Id:
    """A member, as the partner that asks knows them."""
    return Id(ids.MEMBER, metadata={"description": "Your own id of the member. Other partners have others."})


class AmountSchema(ma.Schema):
    schema_description = 'Money in whole minor units. 12.34 GBP is `{"minor": 1234, "currency": "GBP"}`.'

    minor = WholeNumber(least=0, most=ledger.LARGEST_POSTING, required=True)
    currency = currency(required=True)


class IdentifierSchema(ChoosingSchema):
    """What a member is found by."""

    card = ma.fields.String(validate=ma.validate.Length(1, 32), metadata={"description": "12 to 19 digits, Luhn-valid"})
    phone = ma.fields.String(validate=ma.validate.Length(1, 32), metadata={"description": "+ and country code (E.164)"})
    email = ma.fields.String(validate=ma.validate.Length(1, identifiers.LONGEST))
    external_id = ma.fields.String(validate=ma.validate.Length(1, 64), metadata={"description": "An id of your choice"})


class EnrolSchema(IdentifierSchema):
    schema_description = "A new member with at least one identifier."

    choices = (Choice(KINDS, f"give {', '.join(KINDS)}, one or more of them", may_be_many=True),)


def _naming(names: tuple[str, ...]) -> Choice:
    # What is scanned says whose it is, behind a dot; the eight digits alone don't.
    message = f"name the member by one of {', '.join(names)}, or a code as scanned"
    return Choice(names, message, or_else=("code", r"\."))


def wallet_code() -> ma.fields.String:
    """What a member's wallet shows."""
    return ma.fields.String(
        validate=ma.validate.Regexp(f"^{rotating_codes.PATTERN}\\Z"),
        metadata={"description": "The wallet's rotating code as scanned, or its eight digits as typed"},
    )


class LookupSchema(IdentifierSchema):
    schema_description = "Which member: by one identifier, or by what the wallet shows."

    code = wallet_code()

    choices: ClassVar[tuple[Choice, ...]] = (_naming(KINDS),)


class MemberKeySchema(LookupSchema):
    """Which member: by id, by one identifier, or by what the wallet shows."""

    member_id = member()
    choices: ClassVar[tuple[Choice, ...]] = (_naming(member_lookup.NAMES),)


def pin() -> ma.fields.String:
    """A member's PIN, as it is typed in."""
    return ma.fields.String(
        validate=ma.validate.Regexp(r"^[0-9]{4,12}\Z"), metadata={"description": "The PIN, as the member types it"}
    )


class EvidenceSchema(ma.Schema):
    schema_description = "What the member shows for it, where that is needed: the wallet's code or the PIN."

    code = wallet_code()
    pin = pin()
    may_be_left_out = True


class OneIdentifierSchema(IdentifierSchema):
    schema_description = (
        "One identifier, and what the member shows for it, where that is needed: the wallet's code or the PIN."
    )

    code = wallet_code()
    pin = pin()

    choices = (Choice(KINDS, f"give {', '.join(KINDS)}, one of them"),)


class PostingSchema(MemberKeySchema):
    """What every posting says."""

    reference = reference(required=True, metadata={"description": "Your receipt's number. You post it only once."})
    effective_at = Instant(metadata={"description": "When the purchase was made. If you leave it out: now."})
    location = location()


class EarnSchema(PostingSchema):
    schema_description = (
        "Points to issue: a number of points, what an amount earns at your rate, or awards, which need the scope "
        "`awards:write`. If you send awards with an amount, the amount only decides how much a return of part of the "
        "purchase takes back."
    )

    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)
    awards = ma.fields.List(ma.fields.Nested(AwardSchema), validate=ma.validate.Length(1, ledger.MOST_AWARDS))
    vests_at = Instant(metadata={"description": "When the points vest, such as the end of the return period"})

    choices = (
        *PostingSchema.choices,
        Choice(("points", "amount", "awards"), "send points, amount or awards", may_be_many=True),
        Choice(("points", "amount"), "send points or amount, not both", may_be_left_out=True),
        Choice(("points", "awards"), "send points or awards, not both", may_be_left_out=True),
    )


class SpendingSchema(PostingSchema):
    """Spend points; above the programme's limit with the wallet's code or the member's PIN."""

    pin = pin()


class HoldSchema(SpendingSchema):
    schema_description = "Points to set aside for a purchase in progress."

    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING, required=True)
    expires_at = Instant(required=True, metadata={"description": "When the hold lapses, within 31 days"})


class CaptureSchema(ma.Schema):
    schema_description = "The points to capture, or all of them if left out. The rest returns to the wallet."

    reference = reference(required=True, metadata={"description": "Your receipt's number. You post it only once."})
    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING)
    effective_at = Instant()
    location = location(or_else="where the hold was")


class VoidSchema(ma.Schema):
    schema_description = "Void the hold."

    reference = reference(required=True, metadata={"description": "Your number for this. You post it only once."})
    effective_at = Instant()


class BurnSchema(SpendingSchema):
    schema_description = "Points to spend."

    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING, required=True)


class ReversalSchema(ChoosingSchema):
    schema_description = "What to reverse: points, or what an amount earned, or (with neither) all that is left."

    reference = reference(required=True, metadata={"description": "Your number for the return"})
    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)
    effective_at = Instant()
    location = location(or_else="where the purchase was")

    choices = (
        Choice(("points", "amount"), "send points or amount, or neither for all that is left", may_be_left_out=True),
    )


class ReturnedSchema(ChoosingSchema):
    schema_description = "A transaction of the purchase: all that is left, points, or what an amount of it earned."

    transaction_id = Id(ids.TRANSACTION, required=True)
    points = WholeNumber(least=1, most=ledger.LARGEST_POSTING)
    amount = ma.fields.Nested(AmountSchema)

    choices: ClassVar[tuple[Choice, ...]] = (
        Choice(("points", "amount"), "send points or amount, or neither for all that is left", may_be_left_out=True),
    )


class ReturnSchema(ma.Schema):
    schema_description = "The transactions of one purchase of one member. If you list one twice, we return it once."

    reference = reference(required=True, metadata={"description": "Your number for the return"})
    effective_at = Instant(metadata={"description": "When the goods came back. If you leave it out: now."})
    location = location(or_else="where the purchase was")
    transactions = ma.fields.List(
        ma.fields.Nested(ReturnedSchema), required=True, validate=ma.validate.Length(1, ledger.MOST_REVERSED)
    )


class ClawbackSchema(PostingSchema):
    schema_description = "A return of an unknown purchase: take back what its amount earns."

    amount = ma.fields.Nested(AmountSchema, required=True)


class MemberSchema(ma.Schema):
    schema_description = "A member, as partners see it."

    member_id = member()
    enrolled_at = ma.fields.AwareDateTime()
    card_masked = ma.fields.String(allow_none=True, metadata={"description": "null if the member has no card"})


class KeptIdentifierSchema(ma.Schema):
    schema_description = "One of a member's identifiers, masked."

    identifier_id = Id(ids.IDENTIFIER)
    kind = ma.fields.String(validate=ma.validate.OneOf(identifiers.KINDS))
    masked = ma.fields.String()
    verified_at = ma.fields.AwareDateTime(allow_none=True)
    created_at = ma.fields.AwareDateTime(allow_none=True)


class KeptIdentifierListSchema(ma.Schema):
    schema_description = "All of a member's identifiers that you can see."

    data = ma.fields.List(ma.fields.Nested(KeptIdentifierSchema))
    next_cursor = ma.fields.String(allow_none=True)


class ExpiringSchema(ma.Schema):
    schema_description = "Points that the member can spend until the day before `expires_on`."

    expires_on = ma.fields.Date()
    points = ma.fields.Integer()


_NOW_ONLY = {OPTIONAL: True}


class BalanceSchema(ma.Schema):
    schema_description = "What the wallet holds and when it expires. For a past time, only what it held."

    member_id = member()
    available = ma.fields.Integer(metadata={"description": "Points that can be spent now"})
    held = ma.fields.Integer(metadata={"description": "Points set aside for purchases in progress"})
    pending = ma.fields.Integer(metadata={"description": "Points earned that cannot be spent yet"})
    debt = ma.fields.Integer(metadata={"description": "Points that we take out of what the member earns next"})
    issued_by_partner = ma.fields.Integer(metadata={"description": "Available points that you issued", **_NOW_ONLY})
    issued_by_others = ma.fields.Integer(metadata={"description": "Available points that others issued", **_NOW_ONLY})
    expiring = ma.fields.List(ma.fields.Nested(ExpiringSchema), metadata=_NOW_ONLY)


def show_balance(balance: wallets.Balance) -> dict[str, Any]:
    """What BalanceSchema dumps, in a tenth of its time: tills ask for little else."""
    return {
        "member_id": ids.show(ids.MEMBER, balance.member_id),
        "available": balance.available,
        "held": balance.held,
        "pending": balance.pending,
        "debt": balance.debt,
        "issued_by_partner": balance.issued_by_partner,
        "issued_by_others": balance.issued_by_others,
        "expiring": [{"expires_on": each.expires_on.isoformat(), "points": each.points} for each in balance.expiring],
    }


class TransactionSchema(ma.Schema):
    schema_description = "One transaction of a member."

    transaction_id = Id(ids.TRANSACTION)
    kind = ma.fields.String(validate=ma.validate.OneOf(ledger.KINDS))
    member_id = member()
    partner_id = Id(ids.PARTNER)
    points = ma.fields.Integer(metadata={"description": "The points that moved. The kind gives the direction."})
    debt_repaid = ma.fields.Integer(metadata={"description": "For an earn: the points that paid debts at once"})
    shortfall = ma.fields.Integer(metadata={"description": "For a return: spent points, written off or made a debt"})
    available_after = ma.fields.Integer()
    held_after = ma.fields.Integer()
    pending_after = ma.fields.Integer()
    debt_after = ma.fields.Integer()
    hold_id = Id(ids.HOLD, allow_none=True, metadata={"description": "The hold that this opened or ended"})
    due_at = ma.fields.AwareDateTime(allow_none=True, metadata={"description": "When the hold lapses or points vest"})
    reference = ma.fields.String()
    reverses_transaction_id = Id(ids.TRANSACTION, allow_none=True)
    amount_minor = ma.fields.Integer(allow_none=True)
    currency = ma.fields.String(allow_none=True)
    points_per_unit = ma.fields.Decimal(
        as_string=True, allow_none=True, metadata={"type": "string", "description": "A decimal, as text"}
    )
    minor_per_unit = ma.fields.Integer(allow_none=True)
    expires_on = ma.fields.Date(allow_none=True)
    effective_at = ma.fields.AwareDateTime()
    booked_at = ma.fields.AwareDateTime()
    business_date = ma.fields.Date()
    original_business_date = ma.fields.Date()
    member_seq = ma.fields.Integer()
    location = location_shown()
    unfunded = ma.fields.Integer(
        metadata={"description": "For an earn: points pending until their issuer is below its exposure limit"}
    )
    awards = ma.fields.List(
        ma.fields.Nested(AwardShownSchema),
        metadata={"description": "The awards that the earn named, if any", OPTIONAL: True},
    )


def show_transaction(transaction: ledger.Transaction) -> dict[str, Any]:
    """What TransactionSchema dumps, in a tenth of its time: batches show a thousand."""
    t = transaction
    return {
        "transaction_id": ids.show(ids.TRANSACTION, t.transaction_id),
        "kind": t.kind,
        "member_id": ids.show(ids.MEMBER, t.member_id),
        "partner_id": ids.show(ids.PARTNER, t.partner_id),
        "points": t.points,
        "debt_repaid": t.debt_repaid,
        "shortfall": t.shortfall,
        "available_after": t.available_after,
        "held_after": t.held_after,
        "pending_after": t.pending_after,
        "debt_after": t.debt_after,
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
        "location": t.location_id and ids.show(ids.LOCATION, t.location_id),
        "unfunded": t.unfunded,
        "awards": [show_award(award) for award in t.awards],
    }


class ReturnShownSchema(ma.Schema):
    schema_description = "The outcome of a return: a reversal for each transaction in your order, and the wallet after."

    reference = ma.fields.String()
    available_after = ma.fields.Integer()
    debt_after = ma.fields.Integer()
    transactions = ma.fields.List(ma.fields.Nested(TransactionSchema))


def show_return(outcome: ledger.Outcome) -> dict[str, Any]:
    """What ReturnShownSchema dumps."""
    last = outcome.unwrap()
    return {
        "reference": last.reference,
        "available_after": last.available_after,
        "debt_after": last.debt_after,
        "transactions": [show_transaction(reversal) for reversal in outcome.reversals],
    }


class HoldShownSchema(ma.Schema):
    schema_description = "A hold. Its id is the id of the transaction that opened it, with its own prefix."

    hold_id = Id(ids.HOLD)
    member_id = member()
    points = ma.fields.Integer()
    captured = ma.fields.Integer()
    status = ma.fields.String(validate=ma.validate.OneOf(["open", "captured", "voided", "lapsed"]))
    expires_at = ma.fields.AwareDateTime()


class PastBalanceQuery(ma.Schema):
    """At which time."""

    at = Instant(metadata={"description": "Get what the wallet held at this time. If you leave it out: now."})


class MyTransactionSchema(TransactionSchema):
    schema_description = "One transaction of the member, at any partner."

    brand = ma.fields.String(metadata={"description": "The partner's name for members", "example": "Greengrocer"})


class MyTransactionPageSchema(ma.Schema):
    schema_description = "A page of the member's transactions."

    data = ma.fields.List(ma.fields.Nested(MyTransactionSchema))
    next_cursor = ma.fields.String(allow_none=True)


class TransactionPageSchema(ma.Schema):
    schema_description = "A page of transactions."

    data = ma.fields.List(ma.fields.Nested(TransactionSchema))
    next_cursor = ma.fields.String(allow_none=True)
