"""What people named themselves, as it may stand in a cell of a file that spreadsheets open."""

from __future__ import annotations

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain(value: str) -> str:
    """`value` as text to every spreadsheet: an apostrophe before what begins a formula (OWASP, CSV injection)."""
    return f"'{value}" if value.lstrip(" ").startswith(_BEGINS_A_FORMULA) else value
