"""Disputed lines of your statements. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.disputes import Dispute
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, new_key, path, query
from coalition_client.values import given


class Disputes:
    """Disputed lines of your statements."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Dispute]:
        """List your disputes and those of others with you, newest first.

        Needs the scope `settlement:read`.
        """
        return self._transport.pages(
            Dispute,
            Call(
                method="GET",
                path="/v1/disputes",
                query=query(limit=limit),
            ),
        )

    def create(
        self,
        *,
        obligation_id: str,
        reason: str,
        line: int | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Dispute:
        """Dispute a line that you owe or are owed. It leaves the net until the coalition decides.

        The same request with the same key gets the same dispute again.

        Needs the scope `settlement:write`.

        line: The line's `n`. Leave it out if the obligation has no lines.
        reason: The other party reads it, too.
        """
        return self._transport.one(
            Dispute,
            Call(
                method="POST",
                path="/v1/disputes",
                query=query(dry_run=dry_run),
                body=given(obligation_id=obligation_id, line=line, reason=reason),
                key=idempotency_key or new_key(),
            ),
        )

    def get(self, dispute_id: str) -> Dispute:
        """Get a dispute: the line, what was said to it, and what came of it.

        Needs the scope `settlement:read`.

        dispute_id: An id that begins with `dsp_`.
        """
        return self._transport.one(
            Dispute,
            Call(
                method="GET",
                path=path("/v1/disputes/{dispute_id}", dispute_id=dispute_id),
            ),
        )

    def answer(self, dispute_id: str, *, comment: str, dry_run: bool = False) -> Dispute:
        """Answer a dispute of the other party's, once. The same comment again gets the same answer.

        Needs the scope `settlement:write`.

        dispute_id: An id that begins with `dsp_`.
        comment: The other party reads it, too.
        """
        return self._transport.one(
            Dispute,
            Call(
                method="POST",
                path=path("/v1/disputes/{dispute_id}/answer", dispute_id=dispute_id),
                query=query(dry_run=dry_run),
                body=given(comment=comment),
            ),
        )
