"""Points issued to members: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Money in whole minor units, e.g. 12.34 GBP is `{"minor": 1234, "currency": "GBP"}`."""

    minor: int
    currency: str
