"""Many postings at once. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from coalition_client.models.batches import BatchAnswer, BatchFile
from coalition_client.transport import Call, Transport, new_key, path, query
from coalition_client.values import given


class Batches:
    """Many postings at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def post(
        self, *, items: Sequence[Mapping[str, Any]], idempotency_key: str | None = None, dry_run: bool = False
    ) -> BatchAnswer:
        """Post up to 1,000 items. If we refuse one, the others are not affected.

        If you send the batch again with the same key, every item gets the same answer as before.

        Needs the scope `batches:write`.
        """
        return self._transport.one(
            BatchAnswer,
            Call(
                method="POST",
                path="/v1/batches",
                query=query(dry_run=dry_run),
                body=given(items=items),
                key=idempotency_key or new_key(),
            ),
        )

    def store_file(
        self,
        *,
        content: bytes,
        content_type: Literal["text/csv", "application/jsonl", "application/x-ndjson"],
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> BatchFile:
        """Send a file of up to 1,000,000 postings as JSON Lines or CSV. A job posts them, and you ask for its
        progress.

        Each line of JSON Lines is an item, as in a batch. A CSV begins with the names of its columns: kind,
        member_id, card, phone, email, external_id, hold_id, transaction_id, transactions, reference, points,
        amount_minor, currency, effective_at, vests_at, expires_at. A return lists its `transactions` separated by
        spaces, each as `txn_…` (all that is left), `txn_…:points` or `txn_…:amount_minor:currency`. If you send the
        same file again with the same key, we do not post it again. With another key, each line whose reference you
        posted before gets its earlier answer. Partners take turns. If you revoke the client that sent a file, the
        file ends.

        Needs the scope `batches:write`.
        """
        return self._transport.one(
            BatchFile,
            Call(
                method="POST",
                path="/v1/batches/files",
                query=query(dry_run=dry_run),
                content=content,
                content_type=content_type,
                key=idempotency_key or new_key(),
            ),
        )

    def get(self, batch_id: str) -> BatchFile:
        """Get the progress of a file.

        Needs the scope `batches:write`.

        batch_id: An id that begins with `bat_`.
        """
        return self._transport.one(
            BatchFile,
            Call(
                method="GET",
                path=path("/v1/batches/{batch_id}", batch_id=batch_id),
            ),
        )

    def cancel(self, batch_id: str, *, dry_run: bool = False) -> BatchFile:
        """Cancel a file. What is already posted stays posted.

        Needs the scope `batches:write`.

        batch_id: An id that begins with `bat_`.
        """
        return self._transport.one(
            BatchFile,
            Call(
                method="POST",
                path=path("/v1/batches/{batch_id}/cancel", batch_id=batch_id),
                query=query(dry_run=dry_run),
            ),
        )

    def results(self, batch_id: str) -> Iterator[Any]:
        """Get the answers so far as JSON Lines: one for each line of the file, as a batch gives them.

        `Content-Length` is their full length. If an answer ends sooner, discard it and ask again.

        Needs the scope `batches:write`.

        batch_id: An id that begins with `bat_`.
        """
        return self._transport.lines(
            Call(
                method="GET",
                path=path("/v1/batches/{batch_id}/results", batch_id=batch_id),
            )
        )
