"""Changing only what was seen: a row says its version, and a change the versions it was made from.

A trigger raises `version` with every change of the row, whoever makes it (migration 0018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from kit.errors import Stale

# The versions a change was made from; None: whatever it is now.
Seen: TypeAlias = Sequence[int] | None

# The condition of an UPDATE, so that looking and changing are one statement.
AS_SEEN = "(CAST(:seen AS int[]) IS NULL OR version = ANY (CAST(:seen AS int[])))"


def check(version: int, seen: Seen) -> None:
    """Raise Stale unless the row, which the caller holds locked, is as it was seen."""
    if seen is not None and version not in seen:
        raise changed()


def changed() -> Stale:
    """What to raise where such an UPDATE found its row changed."""
    return Stale("it was changed since you saw it")
