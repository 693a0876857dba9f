"""Cursors of the feed: sealed like those of lists, and good for all of a partner's clients, with any filter.

One that a named consumer's poll gave names the consumer, so that no other commits it.
"""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from uuid import UUID

from kit.errors import Invalid
from kit.http.paging import InvalidCursor
from kit.secrets import Keyring, SealBroken
from webhooks.feed import Start, Where

PURPOSE = "feed cursor"


class CursorOfAnotherPartner(Invalid):
    code = "cursor_of_another_partner"
    title = "Cursor of another partner"
    description = "We gave this cursor to another partner. It leads nowhere in your events."
    remedy = "Use the cursors that we gave you. If you serve several partners, keep the cursors of each apart."


class CursorOfAnotherConsumer(Invalid):
    code = "cursor_of_another_consumer"
    title = "Cursor of another consumer"
    description = "A consumer commits only cursors that its own polls gave. This cursor is from somewhere else."
    remedy = (
        "Commit the `next_cursor` of GET /v1/event-consumers/{consumer_name}/events with the same name. To go to the "
        "place of another cursor, use POST /v1/event-consumers/{consumer_name}/seek."
    )


def seal(keyring: Keyring, position: int, *, partner_id: UUID, consumer: str | None = None) -> str:
    """The cursor that leads to `position` of the partner's feed."""
    return keyring.seal_text(json.dumps([str(partner_id), consumer, position]).encode(), purpose=PURPOSE)


def unseal(keyring: Keyring, cursor: str, *, partner_id: UUID, consumer: str | None = None) -> int:
    """The position that `cursor` leads to; with `consumer` only that one's.

    Raises InvalidCursor, CursorOfAnotherPartner, CursorOfAnotherConsumer.
    """
    try:
        owner, reader, position = json.loads(keyring.unseal_text(cursor, purpose=PURPOSE))
    except SealBroken:
        raise InvalidCursor("we did not give this cursor") from None
    if owner != str(partner_id):
        raise CursorOfAnotherPartner("we gave this cursor to another partner")
    if consumer is not None and reader != consumer:
        raise CursorOfAnotherConsumer("this cursor is not from a poll of this consumer")
    return int(position)


def where(keyring: Keyring, said: str, *, partner_id: UUID) -> Where:
    """What `said` means: an end, a time, or a cursor of the partner's; raises InvalidCursor, CursorOfAnotherPartner."""
    with contextlib.suppress(ValueError):
        return Start(said)
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return unseal(keyring, said, partner_id=partner_id)
    if at.tzinfo is None:
        raise InvalidCursor("a time needs its offset, as in 2026-03-02T12:00:00Z")
    return at
