"""All we hold about a member, handed out; and all of it that says who it is, erased."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from coalition import erasure, holdings
from coalition.erasure import Erased
from kit.db import Session
from kit.secrets import Keyring
from partners import consents
from partners.sign_in import upkeep


def everything(session: Session, member_id: UUID, keyring: Keyring) -> dict[str, Any]:
    """Identifiers in clear, the wallet and all behind it, events, consents, sign-ins; raises MemberNotFound."""
    return {
        **holdings.of_member(session, member_id=member_id, keyring=keyring),
        "consents": consents.of_member(session, member_id=member_id),
        **upkeep.held(session, kind="member", subject_id=member_id),
    }


def erase(session: Session, *, member_id: UUID, forfeit: bool, now: datetime) -> Erased:
    """Erase the member, its consents and sign-ins too; raises MemberNotFound, HoldsOpen, WalletNotEmpty."""
    consents.forget(session, member_id=member_id, now=now)
    upkeep.forget_person(session, kind="member", subject_id=member_id)
    return erasure.erase(session, member_id=member_id, forfeit=forfeit, now=now)
