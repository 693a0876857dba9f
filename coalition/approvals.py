"""Who approves what one person may not do alone: one rule for adjustments, merges and settlement runs."""

from __future__ import annotations

import unicodedata

from sqlalchemy import text

from kit.db import Session
from kit.errors import Forbidden


class SecondPersonNeeded(Forbidden):
    code = "second_person_needed"
    title = "Second person needed"
    description = "One person alone cannot move this many points. A second person has to approve."
    remedy = (
        "Repeat the command with --approved-by and the name of a second person. `coalition programme "
        "--adjustment-limit` sets how many points one person may move."
    )


def require_second(session: Session, *, points: int, made_by: str, approved_by: str | None) -> None:
    """Raise SecondPersonNeeded where `points` are more than one person may move and nobody else approved."""
    limit = session.scalar(text("SELECT adjustment_limit FROM coalition.programme")) or 0
    if points > limit and (approved_by is None or same_person(approved_by, made_by)):
        raise SecondPersonNeeded(f"more than {limit} points need the approval of somebody else", limit=limit)


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, however they were typed: in which case, width or spacing (Unicode's NFKC)."""
    return _typed_plainly(one) == _typed_plainly(other)


def _typed_plainly(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())
