"""What a member can prove itself with: the programme's PIN, rotating code and addresses, and our passkeys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from coalition import mail_addresses, members, throttle
from kit.db import Session
from kit.errors import Conflict


class LastSignIn(Conflict):
    code = "last_sign_in"
    title = "Your last way to sign in"
    description = "This is the member's only way to sign in, so you cannot remove it."
    remedy = "Confirm another address or add a passkey first."


@dataclass(frozen=True)
class Credentials:
    """`at_tills`: by PIN or rotating code; `on_pages`: by signing in, with a confirmed address or a passkey."""

    at_tills: bool
    on_pages: bool

    @property
    def are_there(self) -> bool:
        """Whether the member has a proof of its own, so that nobody need vouch for it."""
        return self.at_tills or self.on_pages


def of_member(session: Session, member_id: UUID) -> Credentials:
    """What the member has by now; lasting only while the member is locked (`members.lock`)."""
    has_passkey = session.scalar(
        text("SELECT EXISTS (SELECT FROM partners.passkey WHERE subject_id = :id AND kind = 'member')"),
        {"id": member_id},
    )
    return Credentials(
        at_tills=throttle.has_secrets(session, member_id),
        on_pages=bool(has_passkey) or mail_addresses.has_confirmed(session, member_id=member_id),
    )


@contextmanager
def keeping_sign_in(session: Session, member_id: UUID) -> Iterator[None]:
    """Lock the member, and let what is taken away inside not be the last it signs in with.

    Whoever once had a proof of its own must not be vouched for again. Raises MemberNotFound, LastSignIn.
    """
    members.lock(session, member_id)
    signs_in = of_member(session, member_id).on_pages
    yield
    if signs_in and not of_member(session, member_id).on_pages:
        raise LastSignIn("this is your only way to sign in; confirm another address or add a passkey first")
