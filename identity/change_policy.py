"""Who may change what a member is found by and proves itself with: docs/decisions/0015 argues the rule.

The partner that enrolled a member vouches for it until it has a proof of its own, or another partner posts for it. From
then on, and for every other partner from the start, a change takes the member's PIN or code; and what the member signs
in with is changed by signing in, once it can. A proof made while its partner vouched is good for that partner's
points, and for others' once it was shown elsewhere (`partners.post` asks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from coalition import members, rotating_codes
from identity import credential_checks, member_credentials
from identity.member_credentials import Credentials
from kit.db import Database, Session
from kit.errors import Forbidden
from kit.secrets import Keyring

AT_TILLS, ON_PAGES = ("code", "pin"), ("sign_in",)


class MemberProofRequired(Forbidden):
    code = "member_proof_required"
    title = "Proof of the member needed"
    description = (
        "This change needs proof of the member. `accepts` lists what counts: the wallet's code, the PIN, or the "
        "member's sign-in."
    )
    remedy = (
        "If `accepts` names them, send the request again with the wallet's `code` or the member's `pin`. Otherwise ask "
        "the member to make the change on our page /credentials."
    )
    facts = ("accepts",)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A partner that asks for a change; `is_proved` by a PIN or by the code of `step`, which `require` uses up."""

    member_id: UUID
    partner_id: UUID
    is_proved: bool
    step: int | None


def look(
    database: Database, body: Mapping[str, Any], *, member_id: UUID, partner_id: UUID, keyring: Keyring, now: datetime
) -> Asking:
    """Look at the PIN or code in `body`, if any, each try counted and committed, whatever becomes of the change.

    Raises MemberNotFound, WrongPin, WrongCode, SecretsLocked.
    """
    step, is_proved = None, credential_checks.is_given(body)
    if is_proved:
        with database.reading() as session:
            members.by_id(session, member_id)
            code = credential_checks.shown_code(session, body, member_id)
        step = credential_checks.check(
            database,
            member_id=member_id,
            partner_id=partner_id,
            code=code,
            pin=body.get("pin"),
            spending=True,  # one scan is enough to find the member and to change this
            keyring=keyring,
            now=now,
        )
    return Asking(member_id=member_id, partner_id=partner_id, is_proved=is_proved, step=step)


def require(session: Session, asking: Asking, *, of_sign_in: bool = False) -> None:
    """Let a change go on in this transaction, which keeps the member locked to its end; a code is used up in it.

    `of_sign_in`: it decides with which address the member signs in. Raises MemberNotFound, WrongCode,
    MemberProofRequired.
    """
    enrolled_by = members.lock(session, asking.member_id)
    known = member_credentials.of_member(session, asking.member_id)
    if not asking.is_proved:
        # What others post for the member is theirs to lose: from then on its partner's word is not enough.
        if (
            known.are_there
            or enrolled_by != asking.partner_id
            or members.used_by_others(session, asking.member_id, partner_id=asking.partner_id)
        ):
            raise MemberProofRequired(
                "only the partner that enrolled the member can change this without proof of the member, "
                "and only until the member has a proof or another partner posts for the member",
                accepts=[*AT_TILLS, *ON_PAGES],
            )
    elif of_sign_in:
        _leave_to_sign_in(known)
    if asking.step is not None:
        rotating_codes.redeem(
            session, member_id=asking.member_id, step=asking.step, partner_id=asking.partner_id, spending=True
        )


def leave_to_sign_in(session: Session, member_id: UUID) -> None:
    """Let a partner finish what it might begin only while the member, locked from here on, can't sign in.

    Raises MemberNotFound, MemberProofRequired.
    """
    members.lock(session, member_id)
    _leave_to_sign_in(member_credentials.of_member(session, member_id))


def _leave_to_sign_in(known: Credentials) -> None:
    if known.on_pages:
        raise MemberProofRequired(
            "a member who can sign in has to change this on our page /credentials", accepts=list(ON_PAGES)
        )
