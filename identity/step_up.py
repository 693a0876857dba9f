"""Step-up: to spend more than the programme lets a static identifier spend takes a PIN, a code, or a consent.

A request that was answered before is answered again without any proof, so a lost response never costs a second code;
and a code is used up in the very transaction of what it is shown for, so it is never lost to a crash between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from coalition import ledger, members, rotating_codes
from coalition.ledger import Burn, Command, Door, Hold, Outcome, Request
from coalition.rotating_codes import ShownCode, WrongCode
from identity import credential_checks
from kit.db import Database, Session
from kit.secrets import Keyring

# Every posting of a partner goes through one of these: what the member spends without proof is bounded in the very
# transaction that spends it, whether it is posted by itself, in a batch or by a file.
DOOR = Door("partners.post", "partners.post_return")
DOOR_OF_PROVED = Door("partners.post_proved", "partners.post_return")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a member showed, to be checked before the command it was shown for is posted."""

    member_id: UUID
    partner_id: UUID
    spending: bool
    now: datetime
    code: ShownCode | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)


def without_proofs(body: Any) -> Any:
    """What of a request's body makes it this request and no other: a retry may bring a fresh code or another PIN.

    Whose wallet was scanned stays in.
    """
    if not isinstance(body, dict) or not credential_checks.is_given(body):
        return body
    said = {name: value for name, value in body.items() if name not in credential_checks.FIELDS}
    whose, dot, _ = str(body.get("code", "")).rpartition(".")
    return {**said, "code": whose} if dot else said


def shown(
    session: Session, request: Request, command: Command, body: Mapping[str, Any], *, now: datetime
) -> Proof | None:
    """What has to be checked first; None where nothing was shown, or the request was answered before.

    A proof that is given is checked, needed or not, and at the true time `now`. Raises WrongCode, MemberNotFound,
    MemberMerged.
    """
    if not credential_checks.is_given(body) or ledger.is_answered(session, request, command):
        return None
    member_id: UUID = vars(command)["member_id"]
    members.by_id(session, member_id)
    return Proof(
        member_id=member_id,
        partner_id=request.partner_id,
        spending=isinstance(command, Burn | Hold),
        now=now,
        code=credential_checks.shown_code(session, body, member_id),
        pin=body.get("pin"),
    )


def check(database: Database, proof: Proof, request: Request, command: Command, keyring: Keyring) -> int | None:
    """Check what can be wrong, every try counted and committed, whatever becomes of the posting.

    Returns the code's step, for `post`; None where the same request was posted with it meanwhile. Raises WrongPin,
    WrongCode, SecretsLocked.
    """
    try:
        return credential_checks.check(
            database,
            member_id=proof.member_id,
            partner_id=proof.partner_id,
            code=proof.code,
            pin=proof.pin,
            spending=proof.spending,
            keyring=keyring,
            now=proof.now,
        )
    except WrongCode:
        with database.reading() as session:
            if not ledger.is_answered(session, request, command):
                raise
        return None


def post(session: Session, proof: Proof, step: int | None, request: Request, command: Command) -> Outcome:
    """Post the command that `proof` was checked for, and use up its code with it, in one transaction.

    Raises WrongCode, unless the same request was posted meanwhile: then that is the answer.
    """
    door = DOOR_OF_PROVED
    if step is None and proof.pin is None:
        door = DOOR  # its code was used up for the same request meanwhile
    elif step is not None:
        try:
            rotating_codes.redeem(
                session, member_id=proof.member_id, step=step, partner_id=proof.partner_id, spending=proof.spending
            )
        except WrongCode:
            if not ledger.is_answered(session, request, command):
                raise
    return ledger.post(session, request, command, through=door)


def post_unproved(session: Session, request: Request, command: Command) -> Outcome:
    """Post a command that came without any proof; the outcome may be the refusal StepUpRequired."""
    return ledger.post(session, request, command, through=DOOR)
