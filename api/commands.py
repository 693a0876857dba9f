"""What a partner may ask of the ledger: of each kind its fields, the scope and role it takes, and its command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma

from api.schemas import (
    BurnSchema,
    CaptureSchema,
    ClawbackSchema,
    EarnSchema,
    HoldSchema,
    ReturnSchema,
    ReversalSchema,
    VoidSchema,
)
from coalition import ledger
from coalition.ledger import Command
from coalition.refusals import refusal_of
from identity.clients import Principal
from kit import ids
from kit.errors import Forbidden
from kit.http.problems import InsufficientScope
from partners.states import Role


class PartnerSuspended(Forbidden):
    code = "partner_suspended"
    title = "Partner suspended"
    description = (
        "The partner is suspended. It cannot start earns, burns or holds. It can still read, post returns and end "
        "holds."
    )
    remedy = (
        "Stop starting earns, burns and holds, and ask the coalition why the partner is suspended. Send the same "
        "request again when it is active."
    )


class PartnerLeaving(Forbidden):
    code = "partner_leaving"
    title = "Partner leaving"
    description = "The partner is leaving the coalition, and its time for postings of this kind is over."
    remedy = (
        "Stop sending postings of this kind; retrying does not help. Ask the coalition if the dates of leaving are "
        "wrong."
    )


class RoleMissing(Forbidden):
    code = "role_missing"
    title = "Partner lacks the role"
    description = (
        "The request needs a role that the partner does not have: an issuer issues points, a redeemer lets members "
        "spend them."
    )
    remedy = "Leave out postings of this kind, or ask the coalition to give your partner the role that `detail` names."


@dataclass(frozen=True)
class Operation:
    """One kind of posting; `target` is the field (in a route: the path) that names the hold or the transaction.

    `command` makes it of a body and whom or what it is about: the member, or the first of its `targets`.
    """

    schema: ma.Schema
    scope: str
    command: Callable[[dict[str, Any], UUID], Command]
    role: Role | None = None
    target: tuple[str, str] | None = None

    def check_scopes(self, principal: Principal, body: dict[str, Any]) -> None:
        """Raise InsufficientScope unless the token is good for this kind, and for awards where `body` names them."""
        for scope in (self.scope, "awards:write") if "awards" in body else (self.scope,):
            if scope not in principal.scopes:
                raise InsufficientScope(f"this needs the scope {scope}", required_scope=scope)

    def check_partner(self, principal: Principal, *, now: datetime) -> None:
        """Raise unless the partner may post this now.

        RoleMissing, PartnerSuspended, PartnerLeaving, ExposureExceeded.
        """
        if self.role and not {"issuer": principal.is_issuer, "redeemer": principal.is_redeemer}[self.role]:
            article = "an" if self.role == "issuer" else "a"
            raise RoleMissing(f"your partner account is not {article} {self.role}", role=self.role)
        if principal.standing.stops(self.role, now=now):
            if principal.standing.status == "leaving":
                raise PartnerLeaving(
                    "your partner is leaving the coalition, and its time for postings of this kind is over",
                    role=self.role,
                )
            raise PartnerSuspended(f"your partner account is not active ({principal.standing.status})")
        if self.role == "issuer" and principal.is_over_limit:
            raise refusal_of("exposure_exceeded", {"issuer_id": f"{principal.partner_id}"})

    def targets(self, body: dict[str, Any]) -> list[UUID]:
        """The hold or the transactions that `body` is about; none where it names a member instead."""
        if self.target:
            return [body[self.target[0]]]
        return [part["transaction_id"] for part in body.get("transactions", ())]

    def command_of(self, principal: Principal, body: dict[str, Any], about: UUID) -> Command:
        """The command that `body` asks for, about a member or the first of its targets.

        Made where a till stands that asks for it. Raises LocationRefused, MalformedId.
        """
        command = self.command(body, about)
        if isinstance(command, ledger.Reversal | ledger.Return | ledger.Clawback):
            command = replace(command, may_owe=principal.standing.makes_debts)
        if "location" in body or principal.location_id is not None:
            command = replace(command, **_location(principal, body.get("location")))
        return command


def _measure(body: dict[str, Any]) -> dict[str, Any]:
    """The points, or the amount and currency, of a request."""
    amount = body.get("amount")
    return {
        "points": body.get("points"),
        "amount_minor": amount and amount["minor"],
        "currency": amount and amount["currency"],
    }


def _common(body: dict[str, Any]) -> dict[str, Any]:
    return {"reference": body["reference"], "effective_at": body.get("effective_at")}


def _location(principal: Principal, said: str | None) -> dict[str, Any]:
    """The location that is said, or that of the till; what a till says has to be its own."""
    if said is None or not said.startswith(f"{ids.LOCATION}_"):
        return {"location_id": principal.location_id, "location_code": said}
    location_id = ids.parse(ids.LOCATION, said)
    if principal.location_id not in (None, location_id):
        raise refusal_of("location_refused", {})
    return {"location_id": location_id}


def _earn(body: dict[str, Any], member_id: UUID) -> Command:
    awards = tuple(ledger.Award(**award) for award in body.get("awards", ()))
    return ledger.Earn(
        member_id=member_id, due_at=body.get("vests_at"), awards=awards, **_measure(body), **_common(body)
    )


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
    return ledger.Reversal(original_id=transaction_id, **_measure(body), **_common(body))


def _return(body: dict[str, Any], _: UUID) -> Command:
    parts = [ledger.Part(original_id=part["transaction_id"], **_measure(part)) for part in body["transactions"]]
    return ledger.Return(parts=tuple(parts), **_common(body))


_HOLD = ("hold_id", ids.HOLD)
OPERATIONS = {
    "earn": Operation(EarnSchema(), "earn:write", _earn, role="issuer"),
    "burn": Operation(BurnSchema(), "burn:write", _burn, role="redeemer"),
    "hold": Operation(HoldSchema(), "holds:write", _hold, role="redeemer"),
    "capture": Operation(CaptureSchema(), "holds:write", _capture, target=_HOLD),
    "void": Operation(VoidSchema(), "holds:write", _void, target=_HOLD),
    "reversal": Operation(ReversalSchema(), "reversals:write", _reverse, target=("transaction_id", ids.TRANSACTION)),
    "return": Operation(ReturnSchema(), "reversals:write", _return),
    "clawback": Operation(ClawbackSchema(), "reversals:write", _claw_back),
}
