"""Sandbox only: your own clock: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Clock(Answer):
    """The time of your clock, and how many seconds it is ahead of the true time."""

    now: datetime
    ahead_s: int
