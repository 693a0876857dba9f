"""Your events, to pull: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class FeedEvent:
    """An event: the same JSON that webhooks bring."""

    id: str
    type: str
    version: int
    timestamp: datetime
    # What GET /v1/event-types describes for the type.
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FeedPage(Answer):
    """Events in the order of the feed."""

    data: tuple[FeedEvent, ...]
    # Where the next page begins. It is there on the last page too.
    next_cursor: str
    # `false`: for now there is nothing more.
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of an event at one of your endpoints."""

    endpoint_id: str
    matched: bool
    delivery_id: str | None
    delivery_status: str | None
    # Why there is no delivery. `event_type` and `filter`: the endpoint does not want the event. `registered_later`: …
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class MatchedEvent(Answer):
    """An event, and what became of it at each of your endpoints."""

    event: FeedEvent
    endpoints: tuple[Match, ...]
