"""Why something is done to a wallet by hand, by whom, and who approved it: one rule for adjustments and merges."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from kit.db import Session
from kit.errors import Forbidden, Invalid

LONGEST_REASON = 500
LONGEST_NAME = 200


class SecondPersonNeeded(Forbidden):
    """More points than one person may move: somebody else has to approve."""

    code = "second_person_needed"
    title = "Second person needed"


class ReasonMissing(Invalid):
    """An adjustment or a merge says why, and who makes it."""

    code = "reason_missing"
    title = "Reason missing"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """The reason, the person who does it, and the second person, where there is one."""

    reason: str
    made_by: str
    approved_by: str | None = None

    def check(self) -> None:
        """Raise ReasonMissing unless somebody says why."""
        named = [self.made_by, *([self.approved_by] if self.approved_by else [])]
        if not 1 <= len(self.reason.strip()) <= LONGEST_REASON or not all(
            1 <= len(name.strip()) <= LONGEST_NAME for name in named
        ):
            raise ReasonMissing(f"say who does it, and why in 1 to {LONGEST_REASON} characters")

    def require_second(self, session: Session, *, points: int) -> None:
        """Raise SecondPersonNeeded where `points` are more than one person may move and nobody else approved."""
        limit = session.scalar(text("SELECT adjustment_limit FROM coalition.programme")) or 0
        if points > limit and _same_person(self.approved_by, self.made_by):
            raise SecondPersonNeeded(f"more than {limit} points need the approval of somebody else", limit=limit)


def _same_person(one: str | None, other: str) -> bool:
    name = (one or "").strip().casefold()
    return name in ("", other.strip().casefold())
