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

from coalition import ledger, programme, rotating_codes
from coalition.ledger import Burn, Command, Hold, Outcome, Request
from coalition.rotating_codes import ShownCode, WrongCode
from kit.db import Database, Session
from kit.errors import Forbidden
from kit.secrets import Keyring
from partners import consents, evidence

ACCEPTED = ("code", "pin", "consent")


class StepUpRequired(Forbidden):
    """More points than `limit` are spent only with one of what `accepts` names: wallet's code, PIN or a consent."""

    code = "step_up_required"
    title = "Proof of the member needed"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What has to hold before a command may be posted; without code and PIN only a consent can make it so."""

    member_id: UUID
    partner_id: UUID
    points: int
    spending: bool
    limit: int | None
    now: datetime
    code: ShownCode | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)


def without_proofs(body: Any) -> Any:
    """What of a request's body makes it this request and no other: a retry may bring a fresh code or another PIN.

    Whose wallet was scanned stays in.
    """
    if not isinstance(body, dict) or not evidence.is_given(body):
        return body
    said = {name: value for name, value in body.items() if name not in evidence.FIELDS}
    whose, dot, _ = str(body.get("code", "")).rpartition(".")
    return {**said, "code": whose} if dot else said


def wanted(
    session: Session, request: Request, command: Command, body: Mapping[str, Any], *, now: datetime
) -> Proof | None:
    """What has to be proved first; None where nothing has, or the request was answered before.

    A proof that is given is checked, needed or not, and at the true time `now`. Raises WrongCode.
    """
    spending = isinstance(command, Burn | Hold)
    given = evidence.is_given(body)
    limit = programme.pin_free_points(session) if spending else None
    points = command.points if isinstance(command, Burn | Hold) else 0
    if not given and (limit is None or points <= limit):
        return None
    if ledger.is_answered(session, request, command):
        return None
    member_id: UUID = vars(command)["member_id"]
    return Proof(
        member_id=member_id,
        partner_id=request.partner_id,
        points=points,
        spending=spending,
        limit=limit,
        now=now,
        code=evidence.shown_code(session, body, member_id),
        pin=body.get("pin"),
    )


def check(database: Database, proof: Proof, request: Request, command: Command, keyring: Keyring) -> int | None:
    """Check what can be wrong, every try counted and committed, whatever becomes of the posting.

    Returns the code's step, for `post`; None where the same request was posted with it meanwhile. Raises WrongPin,
    WrongCode, SecretsLocked.
    """
    try:
        return evidence.check(
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
        with database.transaction() as session:
            if not ledger.is_answered(session, request, command):
                raise
        return None


def post(session: Session, proof: Proof, step: int | None, request: Request, command: Command) -> Outcome:
    """Post the command that `proof` was checked for, and use up its code with it, in one transaction.

    Raises WrongCode, StepUpRequired, unless the same request was posted meanwhile: then that is the answer.
    """
    try:
        _use(session, proof, step)
    except (WrongCode, StepUpRequired):
        if not ledger.is_answered(session, request, command):
            raise
    return ledger.post(session, request, command)


def require_consent(session: Session, request: Request, command: Command, *, now: datetime) -> None:
    """Raise StepUpRequired where the command, which comes without any proof, needs one that isn't there."""
    proof = wanted(session, request, command, {}, now=now)
    if proof is not None:
        _use(session, proof, None)


def _use(session: Session, proof: Proof, step: int | None) -> None:
    if step is not None:
        rotating_codes.redeem(
            session, member_id=proof.member_id, step=step, partner_id=proof.partner_id, spending=proof.spending
        )
    elif proof.pin is None and not consents.covers(
        session, member_id=proof.member_id, partner_id=proof.partner_id, points=proof.points, now=proof.now
    ):
        raise StepUpRequired(
            f"more than {proof.limit} points are spent with the wallet's code, a PIN or a consent",
            limit=proof.limit, accepts=list(ACCEPTED),
        )  # fmt: skip
