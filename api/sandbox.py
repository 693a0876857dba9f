"""What only a sandbox answers."""

from __future__ import annotations

from kit.errors import NotFound
from kit.http.services import services


class SandboxOnly(NotFound):
    code = "sandbox_only"
    title = "Only in the sandbox"
    description = "Only the sandbox has this."
    remedy = "Send the request to the same address below /sandbox, with a sandbox token."


def require_sandbox() -> None:
    """Raise SandboxOnly at live."""
    if not services().settings.is_sandbox:
        raise SandboxOnly("only the sandbox has this, not live")
