"""Readers of your events, with a place: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.models.events import FeedEvent
from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Consumer(Answer):
    """A consumer. Lists and commits leave `lag` out."""

    name: str
    event_types: tuple[str, ...]
    created_at: datetime
    committed_at: datetime | None
    # How many of its events it has not committed, counted among the next 100,000 events.
    lag: int | None = None


@dataclass(frozen=True, kw_only=True)
class Poll(Answer):
    """What a consumer reads next. Commit `next_cursor` when you have dealt with it."""

    data: tuple[FeedEvent, ...]
    next_cursor: str
    has_more: bool
