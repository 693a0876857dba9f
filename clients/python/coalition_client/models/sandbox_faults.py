"""Sandbox only: faults: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SandboxFault:
    """A reference that makes something happen. You can add a colon and any text to it."""

    reference: str
    # The status of the answer, or null if the posting is made
    status: int | None
    does: str
    # Whether the same request succeeds when you send it again with its key
    comes_once: bool
    # The routes it works on
    routes: tuple[str, ...]
