"""A signed digest of each day's events: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Digest(Answer):
    """Your events of one day in UTC: how many, and a hash over their ids, signed."""

    day: date
    events: int
    # SHA-256 over the events' ids in order, each followed by a newline.
    ids_sha256: str
    # Pass it to GET /v1/events as `cursor`: the first `events` events are those of this digest.
    cursor: str
    made_at: datetime
    # The text that is signed, to the letter.
    signed: str
    # The Ed25519 signature of `signed` (RFC 8032), in hexadecimal.
    signature: str
    # The key to check it with. It stays the same: keep it, and compare.
    public_key: str
