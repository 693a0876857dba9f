"""The kinds of events: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One kind of event."""

    name: str
    # The version of the data. New fields can appear within a version.
    version: int
    description: str
    # The JSON schema (draft 2020-12) of the data. `x-personal-data` marks what erasure removes.
    schema: Mapping[str, Any]
    # An example of the event, as we send it
    example: Mapping[str, Any]
