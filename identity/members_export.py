"""All we hold about a member, handed out; and all of it that says who it is, erased."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from coalition import data_export, erasure
from coalition.erasure import Erased
from identity import consents
from identity.sign_in import purge
from kit import audit, ids
from kit.audit import Act
from kit.db import Session


def everything(session: Session, act: Act, *, member_id: UUID) -> dict[str, Any]:
    """Identifiers in clear, the wallet and all behind it, events, consents, sign-ins; raises MemberNotFound."""
    held = {
        **data_export.of_member(session, member_id=member_id, keyring=act.keyring),
        "consents": consents.of_member(session, member_id=member_id),
        **purge.held(session, kind="member", subject_id=member_id),
    }
    audit.append(session, act, "member.exported", ids.show_our_own(member_id))
    return held


def erase(session: Session, act: Act, *, member_id: UUID, forfeit: bool) -> Erased:
    """Erase the member, its consents and sign-ins too; raises MemberNotFound, HoldsOpen, WalletNotEmpty."""
    consents.end_all(session, member_id=member_id, because="the member was erased", now=act.now)
    purge.forget_person(session, kind="member", subject_id=member_id)
    return erasure.erase(session, act, member_id=member_id, forfeit=forfeit)
