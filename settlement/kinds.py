"""The kinds of obligations, in the order in which statements have them. What each is, settlement.obligations says."""

from __future__ import annotations

KINDS = ("redemption", "issue", "breakage", "promotion", "fee", "fee_minimum", "vat", "adjustment", "dispute")
