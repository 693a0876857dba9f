"""Your events, sent once more: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Replay(Answer):
    """A replay, and how far it is."""

    replay_id: str
    endpoint_id: str
    since: datetime
    until: datetime
    event_types: tuple[str, ...]
    selection: str
    # `running`, `done` or `cancelled`
    status: str
    # How many events it concerned when it began
    events: int
    # How many of them we have processed
    processed: int
    # How many of those we send again
    sent_again: int
    percent: int
    created_at: datetime
    ended_at: datetime | None
