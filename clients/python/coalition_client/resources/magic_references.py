"""Sandbox only: faults to order. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.magic_references import MagicReference
from coalition_client.transport import Call, Transport


class MagicReferences:
    """Sandbox only: faults to order."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def listed(self) -> tuple[MagicReference, ...]:
        """Which references make a posting be refused, or something go wrong with it.

        Give one as the `reference` of an earn, burn, hold, capture, void, reversal, return or clawback.

        Needs the scope `transactions:read`.
        """
        return self._transport.all(
            MagicReference,
            Call(
                method="GET",
                path="/v1/magic-references",
            ),
        )
