"""Events we sent to you: the values. Generated from the API's description: change that and pin it."""

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
    status: str
    # Its number among the endpoint's deliveries, as in the header `coalition-sequence`.
    sequence: int | None
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
    # How long all of it took. Of it `dns_ms`, `connect_ms`, `tls_ms` and `first_byte_ms`, one after the other. Each …
    duration_ms: int | None
    # Looking up the host's name. 0: we still knew its addresses.
    dns_ms: int | None
    # Connecting by TCP.
    connect_ms: int | None
    # The handshake of TLS.
    tls_ms: int | None
    # From the connection to the first byte of your answer.
    first_byte_ms: int | None
    # The address we connected to.
    remote_ip: str | None
    # What your endpoint answered, its first 64 KiB as text.
    response: str | None


@dataclass(frozen=True, kw_only=True)
class DeliveryWithAttempts(Answer):
    """One delivery with its attempts."""

    delivery_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    status: str
    # Its number among the endpoint's deliveries, as in the header `coalition-sequence`.
    sequence: int | None
    attempts_made: int
    due_at: datetime
    completed_at: datetime | None
    attempts: tuple[Attempt, ...]
