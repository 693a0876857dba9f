"""What counts as looking a member up, and how it is audited: one rule for requests, batches and files.

What is posted stands in the ledger, so it is none. What is refused tells whether somebody is a member, and often what
they have, so it is one, if it named the member by what can be guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from coalition.identifiers import KIND_OF_FIELD
from kit import audit
from kit.audit import Act, Actor
from kit.db import Session
from kit.errors import Conflict, Forbidden, NotFound, catalogue
from kit.secrets import Keyring

# Refusals after somebody was looked for; one that is malformed looked for nobody.
TELLING = (NotFound, Conflict, Forbidden)
MOST_PER_ENTRY = 500


def names(body: Any) -> bool:
    """Whether `body` names a member by something that can be guessed: no id, nor the wallet's code."""
    return isinstance(body, Mapping) and any(body.get(field) is not None for field in KIND_OF_FIELD)


def tells(item: Any, answer: Mapping[str, Any]) -> bool:
    """Whether the answer to `item` of a batch or file is a refusal that says something of the member it names."""
    return names(item) and "problem" in answer and answer["problem"]["code"] in _telling_codes()


@cache
def _telling_codes() -> frozenset[str]:
    return frozenset(code for code, kind in catalogue().items() if issubclass(kind, TELLING))


@dataclass(frozen=True)
class Lookup:
    """That somebody was looked for: by whom, when, and who was found, by our own id. `item` is a line of a file."""

    actor: Actor
    at: datetime
    member_id: str | None
    item: int | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What the audit says of it."""
        facts = {
            "at": self.at.isoformat(),
            "request_id": self.actor.request_id,
            "address": self.actor.address,
            "member_id": self.member_id,
        }
        return facts if self.item is None else {**facts, "line": self.item}


def write_down(session: Session, lookups: Sequence[Lookup], keyring: Keyring, **facts: object) -> None:
    """Audit `lookups` of one client, in as few entries as there can be: the chain has one end."""
    for part in _parts(lookups):
        first = part[0].actor
        client = Actor(kind=first.kind, actor_id=first.actor_id, partner_id=first.partner_id)
        act = Act(actor=client, now=part[-1].at, keyring=keyring)
        subject = first.partner_id or first.actor_id
        audit.append(session, act, "members.looked_up", subject, **facts, lookups=[one.facts for one in part])


def _parts(lookups: Sequence[Lookup]) -> Iterator[Sequence[Lookup]]:
    for start in range(0, len(lookups), MOST_PER_ENTRY):
        yield lookups[start : start + MOST_PER_ENTRY]
