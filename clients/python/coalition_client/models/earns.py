"""Points issued to members: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Money in whole minor units. 12.34 GBP is `{"minor": 1234, "currency": "GBP"}`."""

    minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class Award:
    """Points of an earn that one issuer funds. They stay separate from the other points until they are spent or
    expire."""

    points: int
    # The issuer that funds the points and permits you to award them. If you leave it out: you.
    issuer_id: str | None = None
    # The first day on which the points can no longer be spent. If you leave it out: as the programme's rule says.
    expires_on: date | None = None
    # When the points vest. If you leave it out: as the earn says.
    vests_at: datetime | None = None
    # What you award the points for, in your own words
    campaign: str | None = None
    # The rule and its version, in your own words
    rule: str | None = None
