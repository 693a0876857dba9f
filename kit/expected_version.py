"""Optimistic locking: a row says its version, and a change the versions it was made from.

A trigger raises `version` with every change of the row, whoever makes it (`kit/sql/versions.sql`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from kit.errors import Stale

# The versions a change was made from; None: whatever it is now.
ExpectedVersion: TypeAlias = Sequence[int] | None

# The condition of an UPDATE, so that looking and changing are one statement.
AS_EXPECTED = "(CAST(:expected_version AS int[]) IS NULL OR version = ANY (CAST(:expected_version AS int[])))"


def check(version: int, expected_version: ExpectedVersion) -> None:
    """Raise Stale unless the row, which the caller holds locked, has a version that was expected."""
    if expected_version is not None and version not in expected_version:
        raise changed()


def changed() -> Stale:
    """What to raise where such an UPDATE found its row changed."""
    return Stale("somebody changed it after you read it")
