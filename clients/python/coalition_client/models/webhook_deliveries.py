"""What was sent to you: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One event for one endpoint."""

    delivery_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    state: str
    attempts_made: int
    due_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One HTTP try."""

    attempt_no: int
    started_at: datetime
    outcome: str
    status_code: int | None
    error: str | None
    duration_ms: int | None


@dataclass(frozen=True, kw_only=True)
class DeliveryWithAttempts(Answer):
    """One delivery with its attempts."""

    delivery_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    state: str
    attempts_made: int
    due_at: datetime
    completed_at: datetime | None
    attempts: tuple[Attempt, ...]
