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
        """Post up to 1,000 items; one that is refused, malformed or beyond your scopes leaves the others alone.

        Sent again under the same key, every item gets the answer it had.

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
        """Hand in a file of up to 1,000,000 postings as JSON Lines or CSV; a job posts them and you ask how far it is.

        A line of JSON Lines is an item as in a batch. A CSV begins with the names of its columns: kind, member_id,
        card, phone, email, external_id, hold_id, transaction_id, reference, points, amount_minor, currency,
        effective_at, vests_at, expires_at. Sent again under the same key, the same file is not posted again; under
        another key, every line is answered by its reference. Partners take turns; a file ends with the client that
        handed it in.

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
        """How far one of your files is.

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
        """Stop a file; what is posted stays posted.

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
        """The answers so far as JSON Lines, one for each line of the file, as a batch gives them.

        Needs the scope `batches:write`.

        batch_id: An id that begins with `bat_`.
        """
        return self._transport.lines(
            Call(
                method="GET",
                path=path("/v1/batches/{batch_id}/results", batch_id=batch_id),
            )
        )
