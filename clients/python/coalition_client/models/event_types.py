"""What you can hear of: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One kind of event."""

    name: str
    # of its data; new fields may come within a version
    version: int
    description: str
    # JSON schema of its data
    schema: Mapping[str, Any]
    # an event as it is sent
    example: Mapping[str, Any]
