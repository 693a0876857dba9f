"""Sandbox only: faults to order: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MagicReference:
    """A reference that makes something happen, alone or with a colon and anything behind it."""

    reference: str
    # null: the posting is made
    status: int | None
    does: str
    # Sent again under its key, the same request goes through
    comes_once: bool
    # Where it works
    routes: tuple[str, ...]
