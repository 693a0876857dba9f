"""Your files compared with the ledger: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """A file of yours, compared with what you posted on some days."""

    reconciliation_id: str
    # SHA-256 over the bytes of the file
    file_sha256: str
    first_day: date
    last_day: date
    tolerance_points: int
    tolerance_days: int
    # Lines of these days
    lines: int
    # Lines of other days, or that are not compared
    passed_over: int
    # What you posted on these days
    postings: int
    # How many match by reference
    by_reference: int
    # How many match by member, day and points
    by_member: int
    # How many match within the tolerances
    by_tolerance: int
    breaks: int
    compared_at: datetime
