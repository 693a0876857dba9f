"""Faults of the sandbox at the API: planned from a posting's reference, and applied to the posting or its answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, request

from coalition import refusals
from coalition.ledger import Request
from kit import clock, errors
from kit.db import DatabaseUnavailable
from kit.errors import CoalitionError, Invalid
from kit.http import exchange
from kit.http.problems import InsufficientScope, InternalError, Unauthenticated
from kit.http.rate_limits import RateLimited
from kit.http.requests import is_dry_run
from kit.http.services import services
from partners import sandbox_faults
from partners.sandbox_faults import OF_WEBHOOKS, PREFIX, SLOW_S, fault_in

# What every request may meet, whatever it asks for.
ANYWHERE: tuple[type[CoalitionError], ...] = (
    DatabaseUnavailable,
    InsufficientScope,
    InternalError,
    RateLimited,
    Unauthenticated,
)
# Facts a refusal could have, by their names; one that is forced has those that it speaks of.
_FACTS: dict[str, Any] = {
    "accepts": ["code", "pin", "consent"],
    "available": 40,
    "coverable": 40,
    "currency": "GBP",
    "day": "2026-03-02",
    "expires_at": "2026-03-02T12:15:00+00:00",
    "expires_on": "2028-03-02",
    "from": "2026-03-04",
    "held": 40,
    "hold_status": "voided",
    "kind": "reversal",
    "issuer_id": "prt_01h45ytscbebyvny4gc8cr8ma2",
    "limit": 1_000,
    "limit_per_day": 2_000,
    "member_id": "mbr_01h45ytscbebyvny4gc8cr8ma2",
    "most_per_award": 40,
    "policy": "writes",
    "requested": 60,
    "required_scope": "earn:write",
    "retry_after_s": 1,
    "reversible": 40,
    "role": "issuer",
    "to": "2036-03-02",
    "transaction_id": "txn_01h45ytscbebyvny4gc8cr8ma2",
}


class UnknownFault(Invalid):
    code = "unknown_sandbox_fault"
    title = "No such sandbox fault"
    description = (
        "The reference begins with `sandbox:` and names something that cannot happen to a posting of this kind."
    )
    remedy = "GET /v1/sandbox-faults lists every sandbox fault and the routes it works on."


@dataclass(frozen=True)
class Planned:
    """What a reference asks for: a refusal of `kind`, or the fault `name`."""

    name: str
    kind: type[CoalitionError] | None

    @property
    def comes_once(self) -> bool:
        """Whether the same request, sent again under its key, goes through."""
        return self.kind is None or self.kind.retryable

    def refusal(self) -> CoalitionError:
        """The refusal, with such facts as it has in earnest."""
        if self.kind is None:
            raise LookupError(f"{self.name} is a fault, no refusal")
        return forced(self.kind)


def read(reference: str, *, among: Collection[type[CoalitionError]]) -> Planned | None:
    """What `reference` asks for, where a posting can meet what is `among` them; None if nothing.

    Raises UnknownFault.
    """
    if not reference.startswith(PREFIX):
        return None
    if (fault := fault_in(reference)) is not None:
        return Planned(fault, None)
    name = reference.removeprefix(PREFIX).partition(":")[0]
    kind = errors.catalogue().get(name)
    if kind is None or not (kind in among or kind in ANYWHERE):
        raise UnknownFault(f"{name or 'nothing'} can't happen to a posting of this kind")
    return Planned(name, kind)


def check_item(reference: str) -> None:
    """Raise what `reference` asks for where it stands in a batch; only a posting of its own can meet a fault.

    Raises UnknownFault.
    """
    found = read(reference, among=refusals.kinds())
    if found is None or found.name in OF_WEBHOOKS:
        return
    if found.kind is None:
        raise UnknownFault(f"{found.name} happens to a posting of its own, not in a batch")
    raise found.refusal()


def forced(kind: type[CoalitionError]) -> CoalitionError:
    """An error of `kind` as the sandbox makes it: it says that it is forced, and has the facts its kind speaks of."""
    facts = {name: _FACTS[name] for name in kind.facts}
    said = refusals.sentence_of(kind).format(**facts) or kind.description
    return kind(f"{said} (forced by the reference)", **facts)


def plan(reference: str, asked: Request) -> Planned | None:
    """The fault to `apply` once the posting is made; a refusal the reference asks for is raised here and now.

    Nothing, at live. Raises UnknownFault.
    """
    svc = services()
    if not svc.settings.is_sandbox:
        return None
    found = read(reference, among=problems_of(request.endpoint))
    if found is None or (found.comes_once and not _is_first(asked)):
        return None
    if found.kind is not None:
        raise found.refusal()
    return None if is_dry_run() else found


def apply(fault: Planned | None, response: Response) -> Response:
    """The answer as it leaves: late, or not at all, where `fault` wants it so."""
    if fault is not None and fault.name == "slow":
        exchange.of(request.environ).answer_after_s = SLOW_S
    if fault is not None and fault.name == "commit_then_drop":
        return _cut_off(response)
    return response


def _cut_off(response: Response) -> Response:
    """An answer that promises more than comes: the server has nothing left to do but to close the connection."""
    cut = Response(iter(()), status=response.status_code, mimetype="application/octet-stream")
    cut.headers["Content-Length"] = response.headers["Content-Length"]
    return cut


def _is_first(asked: Request) -> bool:
    if asked.key is None or is_dry_run():
        return True
    with services().recording() as session:
        return sandbox_faults.is_first(session, partner_id=asked.partner_id, key=asked.key, now=clock.now())


def problems_of(endpoint: str | None) -> tuple[type[Any], ...]:
    """What a route can fail with."""
    return getattr(current_app.view_functions.get(endpoint or ""), "problems", ())
