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


class AgreementToChangeMissing(Invalid):
    """No agreement to change."""


class AlreadyDelivered(Conflict):
    """Already delivered."""


class AlreadyVerified(Conflict):
    """Already verified."""


class AmbiguousStart(Invalid):
    """Ambiguous start."""


class AmountNotComparable(Conflict):
    """Amount not comparable."""


class AuthenticationRefused(Invalid):
    """Authentication refused."""


class AwardNotPermitted(Forbidden):
    """Award not permitted by its issuer."""


class BatchFinished(Conflict):
    """Batch finished."""


class BatchNotFound(NotFound):
    """Batch not found."""


class BatchesUnordered(Invalid):
    """Batches need strict ordering."""


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


class ClockDoubtful(Unavailable):
    """Clock in doubt."""


class ClockRefused(Conflict):
    """Test clock refused."""


class ClockTooFar(Invalid):
    """Test clock too far ahead."""


class ConcurrentRequest(Conflict):
    """Concurrent request."""


class ConsumerExists(Conflict):
    """Consumer exists."""


class ConsumerNotFound(NotFound):
    """Consumer not found."""


class ContactNotFound(NotFound):
    """Contact not found."""


class ContradictoryTerms(Invalid):
    """Terms contradict each other."""


class CursorBehind(Conflict):
    """Cursor behind the committed position."""


class CursorExpired(Conflict):
    """Events no longer kept."""


class CursorOfAnotherConsumer(Invalid):
    """Cursor of another consumer."""


class CursorOfAnotherPartner(Invalid):
    """Cursor of another partner."""


class DatabaseUnavailable(Unavailable):
    """Database unavailable."""


class DayIsOver(Conflict):
    """Business day is over."""


class DayNotSettled(NotFound):
    """Day not settled."""


class DeliveryCancelled(Conflict):
    """Delivery cancelled."""


class DeliveryNotFound(NotFound):
    """Delivery not found."""


class DigestNotFound(NotFound):
    """Digest not found."""


class DisputeAnswered(Conflict):
    """Dispute is answered."""


class DisputeKeyReused(Invalid):
    """Idempotency key reused for another dispute."""


class DisputeNotFound(NotFound):
    """Dispute not found."""


class DisputeResolved(Conflict):
    """Dispute is resolved."""


class DisputeTooLate(Conflict):
    """Too late to dispute."""


class EffectiveInFuture(Invalid):
    """Time in the future."""


class EffectiveTooOld(Invalid):
    """Purchase too old."""


class EndpointDisabled(Conflict):
    """Endpoint disabled."""


class EndpointNotEnabled(Conflict):
    """Endpoint not enabled."""


class EndpointNotFound(NotFound):
    """Endpoint not found."""


class EndpointUrlRefused(Invalid):
    """Endpoint URL refused."""


class EventNotFound(NotFound):
    """Event not found."""


class ExclusivityConflict(Conflict):
    """Exclusivity conflict."""


class ExpiresOutOfRange(Invalid):
    """Expiry out of range."""


class ExposureExceeded(Forbidden):
    """Exposure limit exceeded."""


class FileKeyReused(Invalid):
    """Idempotency key reused for another file."""


class FilterRefused(Invalid):
    """Filter refused."""


class HeadersRefused(Invalid):
    """Headers refused."""


class HoldFinished(Conflict):
    """Hold finished."""


class HoldLapsed(Conflict):
    """Hold lapsed."""


class HoldNotFound(NotFound):
    """Hold not found."""


class HoldOutOfRange(Invalid):
    """Hold time out of range."""


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
    """Leaving times out of order."""


class LineDisputed(Conflict):
    """Disputed before."""


class LineNotFound(NotFound):
    """Line not found."""


class LocationClosed(Conflict):
    """Location closed."""


class LocationCodeTaken(Conflict):
    """Location code taken."""


class LocationNotFound(NotFound):
    """Location not found."""


class LocationRefused(Invalid):
    """Location refused."""


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


class MalformedPeriod(Invalid):
    """Malformed period."""


class MalformedPhone(Invalid):
    """Malformed phone number."""


class MalformedPrice(Invalid):
    """Malformed price."""


class MalformedRate(Invalid):
    """Malformed earning rate."""


class MalformedRequest(Malformed):
    """Malformed request."""


class MalformedTerm(Invalid):
    """Malformed term."""


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


class MetadataRefused(Invalid):
    """Metadata refused."""


class MoneyBooked(Conflict):
    """Money is booked."""


class MoreThanHeld(Conflict):
    """More points than held."""


class MoreThanReversible(Conflict):
    """More than is left to reverse."""


class MovementsDiffer(Conflict):
    """Movements differ from the seals."""


class NoDays(Invalid):
    """Placement without days."""


class NoEarningRate(Conflict):
    """No earning rate."""


class NotDisputable(Conflict):
    """Nothing to dispute."""


class NotReversible(Conflict):
    """Not reversible."""


class NotVerifiable(Conflict):
    """Not verifiable."""


class ObligationNotFound(NotFound):
    """Obligation not found."""


class OnboardingIncomplete(Conflict):
    """Onboarding incomplete."""


class OrderingInUse(Conflict):
    """Ordering in use."""


class OriginalNotFound(NotFound):
    """Original transaction not found."""


class OwnDispute(Conflict):
    """Your own dispute."""


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


class PersonMissing(Forbidden):
    """A person has to decide."""


class PlacementNotFound(NotFound):
    """Placement not found."""


class PointsSpent(Conflict):
    """Points already spent."""


class PreconditionFailed(Stale):
    """Changed by someone else."""


class PreconditionRequired(Stale):
    """If-Match missing."""


class PriceMissing(Invalid):
    """Price missing."""


class RateLimited(TooManyRequests):
    """Too many requests."""


class RateNotFound(NotFound):
    """Earning rate not found."""


class ReferenceOfAnotherMember(Conflict):
    """Receipt of another member."""


class ReferenceReused(Conflict):
    """Reference reused."""


class ReplayEmpty(Invalid):
    """Replay covers no time."""


class ReplayEnded(Conflict):
    """Replay ended."""


class ReplayNotFound(NotFound):
    """Replay not found."""


class ReplayTooLarge(Invalid):
    """Replay too large."""


class ReplayTooOld(Conflict):
    """Replay too old."""


class ReportTooLong(Invalid):
    """Report too long."""


class ReportTooSlow(Unavailable):
    """Report too slow."""


class RequestNotFound(NotFound):
    """Request not found."""


class RoleMissing(Forbidden):
    """Partner lacks the role."""


class RunNotFound(NotFound):
    """Settlement run not found."""


class RunState(Conflict):
    """Not in this state."""


class SamePerson(Forbidden):
    """Approved by the same person."""


class SandboxOnly(NotFound):
    """Only in the sandbox."""


class SecretRefused(Invalid):
    """Secret refused."""


class SecretsLocked(Forbidden):
    """PIN and code locked."""


class SeveralMembers(Conflict):
    """Several members."""


class SheetTooLong(Invalid):
    """Too long for a sheet."""


class SignatureNotFound(NotFound):
    """Signature not found."""


class SignedInFuture(Invalid):
    """Signature date in the future."""


class SpanRefused(Invalid):
    """Span refused."""


class StaffEmailTaken(Conflict):
    """E-mail address taken."""


class StaffNotFound(NotFound):
    """Staff not found."""


class StatementDiffers(Conflict):
    """Statement differs."""


class StatementNotFound(NotFound):
    """Statement not found."""


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


class TimeInFuture(Invalid):
    """Time in the future."""


class TooManyBuckets(Invalid):
    """Too many buckets."""


class TooManyConsumers(Conflict):
    """Too many consumers."""


class TooManyEndpoints(Conflict):
    """Too many endpoints."""


class TooManyFiles(Conflict):
    """Too many files."""


class TooManyIdentifiers(Conflict):
    """Too many identifiers."""


class TooManyPdfs(Unavailable):
    """Too many PDFs."""


class TooManyReplays(Conflict):
    """Too many replays."""


class TransactionNotFound(NotFound):
    """Transaction not found."""


class TransitionRefused(Conflict):
    """Not possible in this state."""


class Unauthenticated(Unauthorized):
    """Unauthenticated."""


class UnknownCountry(Invalid):
    """Unknown country."""


class UnknownCurrency(Invalid):
    """Unknown currency."""


class UnknownSandboxFault(Invalid):
    """No such sandbox fault."""


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
    """Terms already begin on that day."""


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
    "agreement_to_change_missing": AgreementToChangeMissing,
    "already_delivered": AlreadyDelivered,
    "already_verified": AlreadyVerified,
    "ambiguous_start": AmbiguousStart,
    "amount_not_comparable": AmountNotComparable,
    "authentication_refused": AuthenticationRefused,
    "award_not_permitted": AwardNotPermitted,
    "batch_finished": BatchFinished,
    "batch_not_found": BatchNotFound,
    "batches_unordered": BatchesUnordered,
    "body_too_large": BodyTooLarge,
    "brand_not_found": BrandNotFound,
    "brand_taken": BrandTaken,
    "card_in_use": CardInUse,
    "category_not_found": CategoryNotFound,
    "category_taken": CategoryTaken,
    "claim_required": ClaimRequired,
    "client_not_found": ClientNotFound,
    "clock_backwards": ClockBackwards,
    "clock_doubtful": ClockDoubtful,
    "clock_refused": ClockRefused,
    "clock_too_far": ClockTooFar,
    "concurrent_request": ConcurrentRequest,
    "consumer_exists": ConsumerExists,
    "consumer_not_found": ConsumerNotFound,
    "contact_not_found": ContactNotFound,
    "contradictory_terms": ContradictoryTerms,
    "cursor_behind": CursorBehind,
    "cursor_expired": CursorExpired,
    "cursor_of_another_consumer": CursorOfAnotherConsumer,
    "cursor_of_another_partner": CursorOfAnotherPartner,
    "database_unavailable": DatabaseUnavailable,
    "day_is_over": DayIsOver,
    "day_not_settled": DayNotSettled,
    "delivery_cancelled": DeliveryCancelled,
    "delivery_not_found": DeliveryNotFound,
    "digest_not_found": DigestNotFound,
    "dispute_answered": DisputeAnswered,
    "dispute_key_reused": DisputeKeyReused,
    "dispute_not_found": DisputeNotFound,
    "dispute_resolved": DisputeResolved,
    "dispute_too_late": DisputeTooLate,
    "effective_in_future": EffectiveInFuture,
    "effective_too_old": EffectiveTooOld,
    "endpoint_disabled": EndpointDisabled,
    "endpoint_not_enabled": EndpointNotEnabled,
    "endpoint_not_found": EndpointNotFound,
    "endpoint_url_refused": EndpointUrlRefused,
    "event_not_found": EventNotFound,
    "exclusivity_conflict": ExclusivityConflict,
    "expires_out_of_range": ExpiresOutOfRange,
    "exposure_exceeded": ExposureExceeded,
    "file_key_reused": FileKeyReused,
    "filter_refused": FilterRefused,
    "headers_refused": HeadersRefused,
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
    "line_disputed": LineDisputed,
    "line_not_found": LineNotFound,
    "location_closed": LocationClosed,
    "location_code_taken": LocationCodeTaken,
    "location_not_found": LocationNotFound,
    "location_refused": LocationRefused,
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
    "malformed_period": MalformedPeriod,
    "malformed_phone": MalformedPhone,
    "malformed_price": MalformedPrice,
    "malformed_rate": MalformedRate,
    "malformed_request": MalformedRequest,
    "malformed_term": MalformedTerm,
    "malformed_text": MalformedText,
    "member_blocked": MemberBlocked,
    "member_merged": MemberMerged,
    "member_not_found": MemberNotFound,
    "member_proof_required": MemberProofRequired,
    "metadata_refused": MetadataRefused,
    "money_booked": MoneyBooked,
    "more_than_held": MoreThanHeld,
    "more_than_reversible": MoreThanReversible,
    "movements_differ": MovementsDiffer,
    "no_days": NoDays,
    "no_earning_rate": NoEarningRate,
    "not_disputable": NotDisputable,
    "not_reversible": NotReversible,
    "not_verifiable": NotVerifiable,
    "obligation_not_found": ObligationNotFound,
    "onboarding_incomplete": OnboardingIncomplete,
    "ordering_in_use": OrderingInUse,
    "original_not_found": OriginalNotFound,
    "own_dispute": OwnDispute,
    "partner_code_taken": PartnerCodeTaken,
    "partner_gone": PartnerGone,
    "partner_leaving": PartnerLeaving,
    "partner_missing": PartnerMissing,
    "partner_not_active": PartnerNotActive,
    "partner_not_found": PartnerNotFound,
    "partner_suspended": PartnerSuspended,
    "person_missing": PersonMissing,
    "placement_not_found": PlacementNotFound,
    "points_spent": PointsSpent,
    "precondition_failed": PreconditionFailed,
    "precondition_required": PreconditionRequired,
    "price_missing": PriceMissing,
    "rate_limited": RateLimited,
    "rate_not_found": RateNotFound,
    "reference_of_another_member": ReferenceOfAnotherMember,
    "reference_reused": ReferenceReused,
    "replay_empty": ReplayEmpty,
    "replay_ended": ReplayEnded,
    "replay_not_found": ReplayNotFound,
    "replay_too_large": ReplayTooLarge,
    "replay_too_old": ReplayTooOld,
    "report_too_long": ReportTooLong,
    "report_too_slow": ReportTooSlow,
    "request_not_found": RequestNotFound,
    "role_missing": RoleMissing,
    "run_not_found": RunNotFound,
    "run_state": RunState,
    "same_person": SamePerson,
    "sandbox_only": SandboxOnly,
    "secret_refused": SecretRefused,
    "secrets_locked": SecretsLocked,
    "several_members": SeveralMembers,
    "sheet_too_long": SheetTooLong,
    "signature_not_found": SignatureNotFound,
    "signed_in_future": SignedInFuture,
    "span_refused": SpanRefused,
    "staff_email_taken": StaffEmailTaken,
    "staff_not_found": StaffNotFound,
    "statement_differs": StatementDiffers,
    "statement_not_found": StatementNotFound,
    "step_up_required": StepUpRequired,
    "terms_missing": TermsMissing,
    "till_code_taken": TillCodeTaken,
    "till_not_found": TillNotFound,
    "till_retired": TillRetired,
    "time_in_future": TimeInFuture,
    "too_many_buckets": TooManyBuckets,
    "too_many_consumers": TooManyConsumers,
    "too_many_endpoints": TooManyEndpoints,
    "too_many_files": TooManyFiles,
    "too_many_identifiers": TooManyIdentifiers,
    "too_many_pdfs": TooManyPdfs,
    "too_many_replays": TooManyReplays,
    "transaction_not_found": TransactionNotFound,
    "transition_refused": TransitionRefused,
    "unauthenticated": Unauthenticated,
    "unknown_country": UnknownCountry,
    "unknown_currency": UnknownCurrency,
    "unknown_sandbox_fault": UnknownSandboxFault,
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
