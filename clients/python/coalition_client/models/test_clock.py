"""In the sandbox only: your own time: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Clock(Answer):
    """What time it is for you, and how many seconds ahead of the true time that is."""

    now: datetime
    ahead_s: int
