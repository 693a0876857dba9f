"""Sandbox only: faults. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.sandbox_faults import SandboxFault
from coalition_client.transport import Call, Transport


class SandboxFaults:
    """Sandbox only: faults."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def listed(self) -> tuple[SandboxFault, ...]:
        """List the references that make us refuse a posting, or make something go wrong with it.

        Send one as the `reference` of an earn, burn, hold, capture, void, reversal, return or clawback.

        Needs the scope `transactions:read`.
        """
        return self._transport.all(
            SandboxFault,
            Call(
                method="GET",
                path="/v1/sandbox-faults",
            ),
        )
