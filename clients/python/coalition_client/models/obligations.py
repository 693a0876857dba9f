"""What your statements are made of: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class Line:
    """A posting, and its share of the obligation."""

    # Its place, from 1
    n: int
    transaction_id: str
    # The posting's place in its transaction
    seq: int
    # The receipt, as the partner that posted it calls it
    reference: str
    # The business day it was posted on
    posted_on: date
    # The business day that fixed the points' price
    issued_on: date
    # The day of the purchase or return itself
    concerns: date
    # Where it was made, if the partner that posted it said so
    location: str | None
    points: int
    # All lines add up to the obligation's amount
    amount_minor: int
