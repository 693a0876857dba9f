"""What a partner may ask of the ledger: of each kind its fields, the scope and role it takes, and its command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma

from coalition import ledger
from coalition.ledger import Command
from kit import ids
from kit.errors import Forbidden
from partners.clients import Principal
from partners.http.schemas import (
    BurnSchema,
    CaptureSchema,
    ClawbackSchema,
    EarnSchema,
    HoldSchema,
    ReversalSchema,
    VoidSchema,
)
from partners.states import Role


class PartnerSuspended(Forbidden):
    """The partner is suspended: no earn, burn or hold can begin; reads, returns and the end of holds go on."""

    code = "partner_suspended"
    title = "Partner suspended"


class PartnerLeaving(Forbidden):
    """The partner leaves the coalition, and the time for postings of this kind is over."""

    code = "partner_leaving"
    title = "Partner leaving"


class RoleMissing(Forbidden):
    """The partner doesn't issue points (and asked to), or doesn't redeem them (and asked to)."""

    code = "role_missing"
    title = "Partner lacks the role"


@dataclass(frozen=True)
class Operation:
    """One kind of posting; `target` is the field (in a route: the path) that names the hold or the transaction."""

    schema: ma.Schema
    scope: str
    command: Callable[[dict[str, Any], UUID], Command]
    role: Role | None = None
    target: tuple[str, str] | None = None

    def check_partner(self, principal: Principal, *, now: datetime) -> None:
        """Raise RoleMissing, PartnerSuspended or PartnerLeaving unless the partner may post this now."""
        if self.role and not {"issuer": principal.is_issuer, "redeemer": principal.is_redeemer}[self.role]:
            article = "an" if self.role == "issuer" else "a"
            raise RoleMissing(f"your partner account is not {article} {self.role}", role=self.role)
        if principal.standing.stops(self.role, now=now):
            if principal.standing.status == "leaving":
                raise PartnerLeaving("your partner leaves the coalition and begins no more of this", role=self.role)
            raise PartnerSuspended(f"your partner account is not active ({principal.standing.status})")

    def command_of(self, principal: Principal, body: dict[str, Any], about: UUID) -> Command:
        """The command that `body` asks for, about a member or the target `about`."""
        command = self.command(body, about)
        if isinstance(command, ledger.Reversal | ledger.Clawback):
            return replace(command, may_owe=principal.standing.makes_debts)
        return command


def measure(body: dict[str, Any]) -> dict[str, Any]:
    """The points, or the amount and currency, of a request."""
    amount = body.get("amount")
    return {
        "points": body.get("points"),
        "amount_minor": amount and amount["minor"],
        "currency": amount and amount["currency"],
    }


def _common(body: dict[str, Any]) -> dict[str, Any]:
    return {"reference": body["reference"], "effective_at": body.get("effective_at")}


def _earn(body: dict[str, Any], member_id: UUID) -> Command:
    return ledger.Earn(member_id=member_id, due_at=body.get("vests_at"), **measure(body), **_common(body))


def _burn(body: dict[str, Any], member_id: UUID) -> Command:
    return ledger.Burn(member_id=member_id, points=body["points"], **_common(body))


def _hold(body: dict[str, Any], member_id: UUID) -> Command:
    return ledger.Hold(member_id=member_id, points=body["points"], due_at=body["expires_at"], **_common(body))


def _claw_back(body: dict[str, Any], member_id: UUID) -> Command:
    amount = body["amount"]
    return ledger.Clawback(
        member_id=member_id, amount_minor=amount["minor"], currency=amount["currency"], **_common(body)
    )


def _capture(body: dict[str, Any], hold_id: UUID) -> Command:
    return ledger.Capture(original_id=hold_id, points=body.get("points"), **_common(body))


def _void(body: dict[str, Any], hold_id: UUID) -> Command:
    return ledger.Void(original_id=hold_id, **_common(body))


def _reverse(body: dict[str, Any], transaction_id: UUID) -> Command:
    return ledger.Reversal(original_id=transaction_id, **measure(body), **_common(body))


_HOLD = ("hold_id", ids.HOLD)
OPERATIONS = {
    "earn": Operation(EarnSchema(), "earn:write", _earn, role="issuer"),
    "burn": Operation(BurnSchema(), "burn:write", _burn, role="redeemer"),
    "hold": Operation(HoldSchema(), "holds:write", _hold, role="redeemer"),
    "capture": Operation(CaptureSchema(), "holds:write", _capture, target=_HOLD),
    "void": Operation(VoidSchema(), "holds:write", _void, target=_HOLD),
    "reversal": Operation(ReversalSchema(), "reversals:write", _reverse, target=("transaction_id", ids.TRANSACTION)),
    "clawback": Operation(ClawbackSchema(), "reversals:write", _claw_back),
}
