"""A class for every code a refusal can have. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    Stale,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)


class AgreementNotFound(NotFound):
    """Agreement not found."""


class AlreadyDelivered(Conflict):
    """Already delivered."""


class AlreadyVerified(Conflict):
    """Already verified."""


class AmountNotComparable(Conflict):
    """Amount not comparable."""


class BatchFinished(Conflict):
    """Batch finished."""


class BatchNotFound(NotFound):
    """Batch not found."""


class BodyTooLarge(Malformed):
    """Body too large."""


class BrandNotFound(NotFound):
    """Brand not found."""


class BrandTaken(Conflict):
    """Brand taken."""


class CardInUse(Conflict):
    """Card in use."""


class CategoryNotFound(NotFound):
    """Category not found."""


class CategoryTaken(Conflict):
    """Category taken."""


class ClaimRequired(Forbidden):
    """Member not claimed yet."""


class ClientNotFound(NotFound):
    """Client not found."""


class ClockBackwards(Conflict):
    """Test clock moves only forward."""


class ClockRefused(Conflict):
    """Test clock refused."""


class ClockTooFar(Invalid):
    """Test clock too far ahead."""


class ConcurrentRequest(Conflict):
    """Concurrent request."""


class ContactNotFound(NotFound):
    """Contact not found."""


class DatabaseUnavailable(Unavailable):
    """Database unavailable."""


class DayIsOver(Conflict):
    """Business day is over."""


class DeliveryNotFound(NotFound):
    """Delivery not found."""


class EffectiveInFuture(Invalid):
    """Time in the future."""


class EffectiveTooOld(Invalid):
    """Time too far back."""


class EndpointDisabled(Conflict):
    """Endpoint disabled."""


class EndpointNotFound(NotFound):
    """Endpoint not found."""


class EndpointUrlRefused(Invalid):
    """Endpoint URL refused."""


class ExclusivityConflict(Conflict):
    """Exclusivity conflict."""


class FileKeyReused(Invalid):
    """Key came with another file."""


class HoldFinished(Conflict):
    """Hold finished."""


class HoldLapsed(Conflict):
    """Hold lapsed."""


class HoldNotFound(NotFound):
    """Hold not found."""


class HoldOutOfRange(Invalid):
    """Hold too long or over already."""


class IdempotencyKeyMissing(Malformed):
    """Idempotency-Key missing."""


class IdempotencyKeyReused(Invalid):
    """Idempotency key reused."""


class IdentifierInUse(Conflict):
    """Identifier in use."""


class IdentifierMissing(Invalid):
    """Identifier missing."""


class IdentifierNotFound(NotFound):
    """Identifier not found."""


class IncompleteBody(Malformed):
    """Incomplete body."""


class InsufficientPoints(Conflict):
    """Not enough points."""


class InsufficientScope(Forbidden):
    """Insufficient scope."""


class InternalError(Unavailable):
    """Internal error."""


class InvalidCursor(Invalid):
    """Invalid cursor."""


class InvalidRequest(Invalid):
    """Invalid request."""


class LastIdentifier(Conflict):
    """Last identifier."""


class LeavingOutOfOrder(Invalid):
    """Times of leaving out of order."""


class LocationClosed(Conflict):
    """Location closed."""


class LocationCodeTaken(Conflict):
    """Location code taken."""


class LocationNotFound(NotFound):
    """Location not found."""


class MailUnavailable(Unavailable):
    """Mail unavailable."""


class MalformedCard(Invalid):
    """Malformed card number."""


class MalformedCategory(Invalid):
    """Malformed category."""


class MalformedClient(Invalid):
    """Malformed client."""


class MalformedCode(Invalid):
    """Malformed code."""


class MalformedEmail(Invalid):
    """Malformed e-mail address."""


class MalformedExternalId(Invalid):
    """Malformed external id."""


class MalformedFile(Invalid):
    """Malformed file."""


class MalformedId(Invalid):
    """Malformed id."""


class MalformedPartner(Invalid):
    """Malformed partner."""


class MalformedPhone(Invalid):
    """Malformed phone number."""


class MalformedPrice(Invalid):
    """Malformed price."""


class MalformedRate(Invalid):
    """Malformed earning rate."""


class MalformedRequest(Malformed):
    """Malformed request."""


class MalformedText(Invalid):
    """Malformed text."""


class MemberBlocked(Conflict):
    """Member blocked."""


class MemberMerged(Conflict):
    """Member merged."""


class MemberNotFound(NotFound):
    """Member not found."""


class MemberProofRequired(Forbidden):
    """Proof of the member needed."""


class MoreThanHeld(Conflict):
    """More than is held."""


class MoreThanReversible(Conflict):
    """More than is left to reverse."""


class NoDays(Invalid):
    """No days."""


class NoEarningRate(Conflict):
    """No earning rate."""


class NotReversible(Conflict):
    """Not reversible."""


class NotVerifiable(Conflict):
    """Not verifiable."""


class OnboardingIncomplete(Conflict):
    """Onboarding incomplete."""


class OriginalNotFound(NotFound):
    """Original transaction not found."""


class PartnerCodeTaken(Conflict):
    """Partner code taken."""


class PartnerGone(Conflict):
    """Partner has left."""


class PartnerLeaving(Forbidden):
    """Partner leaving."""


class PartnerMissing(Invalid):
    """Partner missing."""


class PartnerNotActive(Conflict):
    """Partner not active."""


class PartnerNotFound(NotFound):
    """Partner not found."""


class PartnerSuspended(Forbidden):
    """Partner suspended."""


class PointsSpent(Conflict):
    """Points spent already."""


class PreconditionFailed(Stale):
    """Changed in between."""


class PreconditionRequired(Stale):
    """If-Match missing."""


class PresenceNotFound(NotFound):
    """Presence not found."""


class RateLimited(TooManyRequests):
    """Too many requests."""


class RateNotFound(NotFound):
    """Earning rate not found."""


class ReferenceOfAnotherMember(Conflict):
    """Receipt of another member."""


class ReferenceReused(Conflict):
    """Reference reused."""


class RequestNotFound(NotFound):
    """Request not found."""


class RoleMissing(Forbidden):
    """Partner lacks the role."""


class SandboxOnly(NotFound):
    """In the sandbox only."""


class SecretsLocked(Forbidden):
    """PIN and code locked."""


class SeveralMembers(Conflict):
    """Several members."""


class SignedInFuture(Invalid):
    """Signed in the future."""


class StaffEmailTaken(Conflict):
    """Address taken."""


class StaffNotFound(NotFound):
    """Staff not found."""


class StepUpRequired(Forbidden):
    """Proof of the member needed."""


class TermsMissing(Conflict):
    """Terms missing."""


class TillCodeTaken(Conflict):
    """Till code taken."""


class TillNotFound(NotFound):
    """Till not found."""


class TillRetired(Conflict):
    """Till retired."""


class TooManyEndpoints(Conflict):
    """Too many endpoints."""


class TooManyFiles(Conflict):
    """Too many files."""


class TooManyIdentifiers(Conflict):
    """Too many identifiers."""


class TransactionNotFound(NotFound):
    """Transaction not found."""


class TransitionRefused(Conflict):
    """Not from this state."""


class Unauthenticated(Unauthorized):
    """Unauthenticated."""


class UnknownCountry(Invalid):
    """Unknown country."""


class UnknownMagicReference(Invalid):
    """No such magic reference."""


class UnknownScope(Invalid):
    """Unknown scope."""


class UnknownTerritory(Invalid):
    """Unknown territory."""


class UnknownVersion(Malformed):
    """Unknown version."""


class UnsupportedMediaType(Malformed):
    """Unsupported media type."""


class VerificationTooSoon(Conflict):
    """Code sent just now."""


class VersionTaken(Conflict):
    """Terms begin on that day already."""


class VestsOutOfRange(Invalid):
    """Vesting time out of range."""


class WrongCode(Forbidden):
    """Wrong code."""


class WrongPin(Forbidden):
    """Wrong PIN."""


class WrongVerificationCode(Forbidden):
    """Wrong verification code."""


OF_CODE: dict[str, type[Problem]] = {
    "agreement_not_found": AgreementNotFound,
    "already_delivered": AlreadyDelivered,
    "already_verified": AlreadyVerified,
    "amount_not_comparable": AmountNotComparable,
    "batch_finished": BatchFinished,
    "batch_not_found": BatchNotFound,
    "body_too_large": BodyTooLarge,
    "brand_not_found": BrandNotFound,
    "brand_taken": BrandTaken,
    "card_in_use": CardInUse,
    "category_not_found": CategoryNotFound,
    "category_taken": CategoryTaken,
    "claim_required": ClaimRequired,
    "client_not_found": ClientNotFound,
    "clock_backwards": ClockBackwards,
    "clock_refused": ClockRefused,
    "clock_too_far": ClockTooFar,
    "concurrent_request": ConcurrentRequest,
    "contact_not_found": ContactNotFound,
    "database_unavailable": DatabaseUnavailable,
    "day_is_over": DayIsOver,
    "delivery_not_found": DeliveryNotFound,
    "effective_in_future": EffectiveInFuture,
    "effective_too_old": EffectiveTooOld,
    "endpoint_disabled": EndpointDisabled,
    "endpoint_not_found": EndpointNotFound,
    "endpoint_url_refused": EndpointUrlRefused,
    "exclusivity_conflict": ExclusivityConflict,
    "file_key_reused": FileKeyReused,
    "hold_finished": HoldFinished,
    "hold_lapsed": HoldLapsed,
    "hold_not_found": HoldNotFound,
    "hold_out_of_range": HoldOutOfRange,
    "idempotency_key_missing": IdempotencyKeyMissing,
    "idempotency_key_reused": IdempotencyKeyReused,
    "identifier_in_use": IdentifierInUse,
    "identifier_missing": IdentifierMissing,
    "identifier_not_found": IdentifierNotFound,
    "incomplete_body": IncompleteBody,
    "insufficient_points": InsufficientPoints,
    "insufficient_scope": InsufficientScope,
    "internal_error": InternalError,
    "invalid_cursor": InvalidCursor,
    "invalid_request": InvalidRequest,
    "last_identifier": LastIdentifier,
    "leaving_out_of_order": LeavingOutOfOrder,
    "location_closed": LocationClosed,
    "location_code_taken": LocationCodeTaken,
    "location_not_found": LocationNotFound,
    "mail_unavailable": MailUnavailable,
    "malformed_card": MalformedCard,
    "malformed_category": MalformedCategory,
    "malformed_client": MalformedClient,
    "malformed_code": MalformedCode,
    "malformed_email": MalformedEmail,
    "malformed_external_id": MalformedExternalId,
    "malformed_file": MalformedFile,
    "malformed_id": MalformedId,
    "malformed_partner": MalformedPartner,
    "malformed_phone": MalformedPhone,
    "malformed_price": MalformedPrice,
    "malformed_rate": MalformedRate,
    "malformed_request": MalformedRequest,
    "malformed_text": MalformedText,
    "member_blocked": MemberBlocked,
    "member_merged": MemberMerged,
    "member_not_found": MemberNotFound,
    "member_proof_required": MemberProofRequired,
    "more_than_held": MoreThanHeld,
    "more_than_reversible": MoreThanReversible,
    "no_days": NoDays,
    "no_earning_rate": NoEarningRate,
    "not_reversible": NotReversible,
    "not_verifiable": NotVerifiable,
    "onboarding_incomplete": OnboardingIncomplete,
    "original_not_found": OriginalNotFound,
    "partner_code_taken": PartnerCodeTaken,
    "partner_gone": PartnerGone,
    "partner_leaving": PartnerLeaving,
    "partner_missing": PartnerMissing,
    "partner_not_active": PartnerNotActive,
    "partner_not_found": PartnerNotFound,
    "partner_suspended": PartnerSuspended,
    "points_spent": PointsSpent,
    "precondition_failed": PreconditionFailed,
    "precondition_required": PreconditionRequired,
    "presence_not_found": PresenceNotFound,
    "rate_limited": RateLimited,
    "rate_not_found": RateNotFound,
    "reference_of_another_member": ReferenceOfAnotherMember,
    "reference_reused": ReferenceReused,
    "request_not_found": RequestNotFound,
    "role_missing": RoleMissing,
    "sandbox_only": SandboxOnly,
    "secrets_locked": SecretsLocked,
    "several_members": SeveralMembers,
    "signed_in_future": SignedInFuture,
    "staff_email_taken": StaffEmailTaken,
    "staff_not_found": StaffNotFound,
    "step_up_required": StepUpRequired,
    "terms_missing": TermsMissing,
    "till_code_taken": TillCodeTaken,
    "till_not_found": TillNotFound,
    "till_retired": TillRetired,
    "too_many_endpoints": TooManyEndpoints,
    "too_many_files": TooManyFiles,
    "too_many_identifiers": TooManyIdentifiers,
    "transaction_not_found": TransactionNotFound,
    "transition_refused": TransitionRefused,
    "unauthenticated": Unauthenticated,
    "unknown_country": UnknownCountry,
    "unknown_magic_reference": UnknownMagicReference,
    "unknown_scope": UnknownScope,
    "unknown_territory": UnknownTerritory,
    "unknown_version": UnknownVersion,
    "unsupported_media_type": UnsupportedMediaType,
    "verification_too_soon": VerificationTooSoon,
    "version_taken": VersionTaken,
    "vests_out_of_range": VestsOutOfRange,
    "wrong_code": WrongCode,
    "wrong_pin": WrongPin,
    "wrong_verification_code": WrongVerificationCode,
}
