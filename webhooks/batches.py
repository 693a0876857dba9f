"""Batches: what a strict endpoint is sent in one request, the same whenever it is sent again."""

from __future__ import annotations

from dataclasses import replace

from kit import ids
from kit.db import Session, fetch
from webhooks.endpoint_settings import LARGEST_BATCH
from webhooks.queue import LEASE, Claim

# A batch is what it was at its first try, or the next so many of its key.
_BATCH = """
    WITH others AS (
        SELECT delivery_id FROM webhooks.delivery
        WHERE endpoint_id = %(endpoint)s AND ordering_key = %(key)s AND position > %(position)s AND state = 'pending'
          AND batch_id IS NOT DISTINCT FROM %(batch)s
        ORDER BY position LIMIT %(limit)s
    ), claimed AS (
        UPDATE webhooks.delivery d
        SET claim_id = %(claim)s, lease_until = %(lease)s, started_at = %(begun)s, slot = %(slot)s,
            attempts = d.attempts + 1, batch_id = coalesce(d.batch_id, %(new)s)
        FROM others WHERE d.delivery_id = others.delivery_id
        RETURNING d.*
    ), head AS (
        UPDATE webhooks.delivery SET batch_id = coalesce(batch_id, %(new)s) WHERE delivery_id = %(head)s
    )
    SELECT c.delivery_id, c.event_id, c.attempts, c.attempts - c.by_hand, c.sequence, c.position, v.body
    FROM claimed c JOIN kit.event v ON v.subject_id = c.subject_id AND v.event_id = c.event_id
    ORDER BY c.position
"""


def claim(session: Session, head: Claim, *, size: int, slot: int = 0) -> list[Claim]:
    """`head`, and what is sent in one request with it: those behind it in its order, `size` in all at most.

    Who was sent in one batch before is sent in the same one again.
    """
    batch_id = head.batch_id or ids.new()
    rows = fetch(
        session,
        _BATCH,
        {
            "endpoint": head.endpoint_id,
            "key": head.ordering_key,
            "position": head.position,
            "batch": head.batch_id,
            "new": batch_id,
            "limit": size - 1 if head.batch_id is None else LARGEST_BATCH,
            "claim": head.claim_id,
            "lease": head.started_at + LEASE,
            "begun": head.started_at,
            "slot": slot,
            "head": head.delivery_id,
        },
    )
    first = replace(head, batch_id=batch_id)
    return [
        first,
        *(
            replace(
                first, delivery_id=row[0], event_id=row[1], attempt_no=row[2], tries=row[3], sequence=row[4],
                position=row[5], body=bytes(row[6]), gap=0,
            )
            for row in rows
        ),
    ]  # fmt: skip
