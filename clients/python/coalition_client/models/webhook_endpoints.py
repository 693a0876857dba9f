"""Where your events go: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Endpoint(Answer):
    """An endpoint; `secret` is in the answer to its registration only."""

    endpoint_id: str
    url: str
    event_types: tuple[str, ...]
    status: str
    created_at: datetime
    secret: str | None = None
