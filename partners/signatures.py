"""That a partner's agreement was signed: by whom, when, and which document. Without it nobody goes live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Invalid, NotFound
from partners import accounts, texts


class SignedInFuture(Invalid):
    code = "signed_in_future"
    title = "Signature date in the future"
    description = "The date of a signature cannot be in the future."
    remedy = "Send the day on which the agreement was signed, at the latest today in the programme's time zone."


class SignatureNotFound(NotFound):
    code = "signature_not_found"
    title = "Signature not found"
    description = "No signed agreement has this id."
    remedy = (
        "List the signed agreements with GET /v1/admin/partners/{partner_id}/signatures or `coalition partner "
        "signature list`."
    )


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
    act: Act,
    *,
    partner_id: UUID,
    document: str,
    document_hash: bytes,
    partner_signatory: str,
    coalition_signatory: str,
    signed_on: date,
) -> Signature:
    """Write down a signature; it can't be changed, only followed by another.

    Raises PartnerNotFound, PartnerGone, MalformedText, SignedInFuture.
    """
    accounts.present(session, partner_id)
    if signed_on > programme.get(session).day(act.now):
        raise SignedInFuture("the date of a signature cannot be in the future")
    signature = Signature(
        ids.new(),
        partner_id,
        texts.text(document, what="document", longest=200),
        document_hash,
        texts.text(partner_signatory, what="partner_signatory"),
        texts.text(coalition_signatory, what="coalition_signatory"),
        signed_on,
        act.now,
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
    audit.append(session, act, "agreement.signed", signature, document_hash=document_hash.hex())
    return signature


_SELECT = """
    SELECT signature_id, partner_id, document, document_hash, partner_signatory, coalition_signatory, signed_on,
           recorded_at
    FROM partners.agreement_signature
"""


def get(session: Session, signature_id: UUID) -> Signature:
    """One signed document; raises SignatureNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE signature_id = :id"), {"id": signature_id}).first()
    if row is None:
        raise SignatureNotFound("no signed agreement has this id")
    return Signature(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Signature]:
    """What a partner signed, oldest first."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND signature_id > :after ORDER BY signature_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Signature(*row) for row in rows]
