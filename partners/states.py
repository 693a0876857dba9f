"""The states of a partner: which follow which, and what each still lets it post. Pure: values in, values out.

    onboarding ── activate ─▶ active ◀── suspend / resume ─▶ suspended
        │                       │  ▲                           │  ▲
      abandon                 leave resume                   leave suspend
        ▼                       ▼  │                           ▼  │
       left ◀──── finish ──── leaving ◀───────────────────────────┘

Everything but `finish` is the coalition's admin's to do, with a reason; `finish` happens when the time is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["onboarding", "active", "suspended", "leaving", "left"]


@dataclass(frozen=True)
class Transition:
    """From which states one leads, and where to."""

    sources: tuple[Status, ...]
    target: Status


TRANSITIONS = {
    "activate": Transition(("onboarding",), "active"),
    "abandon": Transition(("onboarding",), "left"),
    "suspend": Transition(("active", "leaving"), "suspended"),
    "resume": Transition(("suspended", "leaving"), "active"),
    "leave": Transition(("active", "suspended"), "leaving"),
    "finish": Transition(("leaving",), "left"),
}

# What begins something new takes a role: an earn that of the issuer, a burn or a hold that of the redeemer.
Role = Literal["issuer", "redeemer"]

LIVE: tuple[Status, ...] = ("active", "leaving")  # what posts, and with it issues points


@dataclass(frozen=True)
class Standing:
    """A partner's state, with the times at which one that leaves loses what it may do (None for all others)."""

    status: Status
    earns_until: datetime | None = None
    burns_until: datetime | None = None

    @property
    def makes_debts(self) -> bool:
        """Whether its returns may leave a member in debt, where the programme lets members owe."""
        return self.status in LIVE

    def stops(self, role: Role | None, *, now: datetime) -> bool:
        """Whether a posting that takes `role` is stopped at `now`; one that takes none stops when the partner has left.

        Such a posting ends or undoes what was begun. If a hold could be neither captured nor voided, its points would
        hang, and goods handed over against it stay unpaid; and a member who brings goods back is owed the return,
        whatever the partner did. What goes on for a blocked member goes on here (coalition.refusals.MemberBlocked).
        """
        if role is None or self.status == "active":
            return self.status == "left"
        until = self.earns_until if role == "issuer" else self.burns_until
        return self.status != "leaving" or until is None or until <= now
