"""What a member can prove itself with: the programme's PIN, rotating code and addresses, and our passkeys."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from coalition import attempts, mail_addresses
from kit.db import Session


@dataclass(frozen=True)
class Proofs:
    """`at_tills`: by PIN or rotating code; `on_pages`: by signing in, with a confirmed address or a passkey."""

    at_tills: bool
    on_pages: bool

    @property
    def are_there(self) -> bool:
        """Whether the member has a proof of its own, so that nobody need vouch for it."""
        return self.at_tills or self.on_pages


def of_member(session: Session, member_id: UUID) -> Proofs:
    """What the member has by now; lasting only while the member is locked (`members.lock`)."""
    has_passkey = session.scalar(
        text("SELECT EXISTS (SELECT FROM partners.passkey WHERE subject_id = :id AND kind = 'member')"),
        {"id": member_id},
    )
    return Proofs(
        at_tills=attempts.has_secrets(session, member_id),
        on_pages=bool(has_passkey) or mail_addresses.has_confirmed(session, member_id=member_id),
    )
