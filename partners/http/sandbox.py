"""What only a sandbox answers."""

from __future__ import annotations

from kit.errors import NotFound
from kit.http.services import services


class SandboxOnly(NotFound):
    """This exists in the sandbox only."""

    code = "sandbox_only"
    title = "In the sandbox only"
    remedy = "Ask the sandbox for it, at the same address below /sandbox, with a token of the sandbox."


def require_sandbox() -> None:
    """Raise SandboxOnly at live."""
    if not services().settings.is_sandbox:
        raise SandboxOnly("this exists in the sandbox only, not at live")
