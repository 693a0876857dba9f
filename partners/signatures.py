"""That a partner's agreement was signed: by whom, when, and which document. Without it nobody goes live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids
from kit.db import Session
from kit.errors import Invalid
from partners import accounts, texts


class SignedInFuture(Invalid):
    """An agreement can't have been signed after today."""

    code = "signed_in_future"
    title = "Signed in the future"


@dataclass(frozen=True)
class Signature:
    """One signed document: where it lies, its SHA-256, and who signed for the partner and for the coalition."""

    signature_id: UUID
    partner_id: UUID
    document: str
    document_hash: bytes
    partner_signatory: str
    coalition_signatory: str
    signed_on: date
    recorded_at: datetime


def record(
    session: Session,
    *,
    partner_id: UUID,
    document: str,
    document_hash: bytes,
    partner_signatory: str,
    coalition_signatory: str,
    signed_on: date,
    now: datetime,
) -> Signature:
    """Write down a signature; it can't be changed, only followed by another.

    Raises PartnerNotFound, PartnerGone, MalformedText, SignedInFuture.
    """
    accounts.present(session, partner_id)
    if signed_on > programme.get(session).day(now):
        raise SignedInFuture("an agreement can't have been signed after today")
    signature = Signature(
        ids.new(),
        partner_id,
        texts.text(document, what="document", longest=200),
        document_hash,
        texts.text(partner_signatory, what="partner_signatory"),
        texts.text(coalition_signatory, what="coalition_signatory"),
        signed_on,
        now,
    )
    session.execute(
        text("""
            INSERT INTO partners.agreement_signature (signature_id, partner_id, document, document_hash,
                partner_signatory, coalition_signatory, signed_on, recorded_at)
            VALUES (:signature_id, :partner_id, :document, :document_hash, :partner_signatory, :coalition_signatory,
                    :signed_on, :recorded_at)
        """),
        vars(signature),
    )
    return signature


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Signature]:
    """What a partner signed, oldest first."""
    rows = session.execute(
        text("""
            SELECT signature_id, partner_id, document, document_hash, partner_signatory, coalition_signatory,
                   signed_on, recorded_at
            FROM partners.agreement_signature WHERE partner_id = :partner_id AND signature_id > :after
            ORDER BY signature_id LIMIT :limit
        """),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Signature(*row) for row in rows]
