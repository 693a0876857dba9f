"""Magic references: what a posting's reference makes happen in the sandbox. Values in, values out.

`sandbox:insufficient_points` is refused for that; `sandbox:commit_then_drop:17` is posted, and the answer lost. Behind
the name anything may follow, since a reference is posted once for ever.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from coalition import refusals
from kit import errors
from kit.db import DatabaseUnavailable
from kit.errors import CoalitionError, Invalid
from kit.http.problems import InsufficientScope, InternalError, Unauthenticated
from kit.http.rate_limits import RateLimited

PREFIX = "sandbox:"
SLOW_S = 10
# What every request may meet, whatever it asks for.
ANYWHERE: tuple[type[CoalitionError], ...] = (
    DatabaseUnavailable,
    InsufficientScope,
    InternalError,
    RateLimited,
    Unauthenticated,
)
# What is no refusal: the posting is made, and something else goes wrong.
FAULTS = {
    "commit_then_drop": "The posting is made, then the connection is cut without an answer.",
    "slow": f"The posting is made, and the answer comes after {SLOW_S} seconds.",
    "duplicate_webhook": "The posting is made, and its event is delivered twice.",
    "late_webhook": "The posting is made, and its event is delivered late, behind others that came after it.",
}
OF_WEBHOOKS = ("duplicate_webhook", "late_webhook")
# Facts a refusal could have, by their names; one that is forced has those that it speaks of.
_FACTS: dict[str, Any] = {
    "accepts": ["code", "pin", "consent"],
    "available": 40,
    "coverable": 40,
    "currency": "GBP",
    "day": "2026-03-02",
    "expires_at": "2026-03-02T12:15:00+00:00",
    "expires_on": "2028-03-02",
    "held": 40,
    "hold_status": "voided",
    "kind": "reversal",
    "limit": 1_000,
    "limit_per_day": 2_000,
    "member_id": "mbr_01h45ytscbebyvny4gc8cr8ma2",
    "policy": "writes",
    "requested": 60,
    "required_scope": "earn:write",
    "retry_after_s": 1,
    "reversible": 40,
    "role": "issuer",
    "transaction_id": "txn_01h45ytscbebyvny4gc8cr8ma2",
}


class UnknownMagic(Invalid):
    """A reference that begins with `sandbox:` names something that can't happen to a posting of this kind."""

    code = "unknown_magic_reference"
    title = "No such magic reference"
    remedy = "GET /v1/magic-references lists the ones there are, each with the routes it works on."


@dataclass(frozen=True)
class Magic:
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


def read(reference: str, *, among: Collection[type[CoalitionError]]) -> Magic | None:
    """What `reference` asks for, where a posting can meet what is `among` them; None if nothing.

    Raises UnknownMagic.
    """
    if not reference.startswith(PREFIX):
        return None
    if (fault := fault_in(reference)) is not None:
        return Magic(fault, None)
    name = reference.removeprefix(PREFIX).partition(":")[0]
    kind = errors.catalogue().get(name)
    if kind is None or not (kind in among or kind in ANYWHERE):
        raise UnknownMagic(f"{name or 'nothing'} can't happen to a posting of this kind")
    return Magic(name, kind)


def check_item(reference: str) -> None:
    """Raise what `reference` asks for where it stands in a batch; only a posting of its own can meet a fault.

    Raises UnknownMagic.
    """
    found = read(reference, among=refusals.kinds())
    if found is None or found.name in OF_WEBHOOKS:
        return
    if found.kind is None:
        raise UnknownMagic(f"{found.name} happens to a posting of its own, not in a batch")
    raise found.refusal()


def fault_in(reference: str) -> str | None:
    """The fault `reference` names, or None."""
    name = reference.removeprefix(PREFIX).partition(":")[0]
    return name if reference.startswith(PREFIX) and name in FAULTS else None


def forced(kind: type[CoalitionError]) -> CoalitionError:
    """An error of `kind` as the sandbox makes it: it says that it is forced, and has the facts its kind speaks of."""
    sentence = refusals.sentence_of(kind)
    named = {*re.findall(r"{(\w+)}", sentence), *re.findall(r"`(\w+)`", kind.__doc__ or "")}
    facts = {name: value for name, value in _FACTS.items() if name in named}
    said = sentence.format(**facts) if sentence else " ".join((kind.__doc__ or kind.title).split())
    return kind(f"{said} (forced by the reference)", **facts)
