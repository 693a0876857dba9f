"""What statements call things, in the language spoken."""

from __future__ import annotations

from kit.translation import gettext as _
from settlement.cycles import DAILY, MONTHLY, WEEKLY


def kinds() -> dict[str, str]:
    """What obligations are for."""
    return {
        "redemption": _("Points redeemed"),
        "issue": _("Points issued"),
        "breakage": _("Breakage"),
        "promotion": _("Promotions"),
        "fee": _("Fees"),
        "fee_minimum": _("Minimum fee, the rest"),
        "vat": _("VAT on fees"),
        "adjustment": _("Adjustments"),
        "dispute": _("Disputes"),
    }


def dispute_steps() -> dict[str, str]:
    """What became of a disputed line."""
    return {
        "raised": _("Disputed"),
        "upheld": _("Not owed"),
        "rejected": _("Owed after all"),
        "part": _("Owed in part"),
    }


def cycle(code: str) -> str:
    """How often it is settled."""
    return {DAILY: _("daily"), WEEKLY: _("weekly"), MONTHLY: _("monthly")}[code]


def texts() -> dict[str, str]:
    """The fixed texts of a statement, by their names in its forms."""
    return (
        _of_notes()
        | _of_lines()
        | {
            "title": _("Settlement statement"),
            "statement": _("Statement"),
            "run": _("Settlement run"),
            "period": _("Period"),
            "cycle": _("Cycle"),
            "attempt": _("Attempt"),
            "made_on": _("Calculated"),
            "issued_by": _("Issued by"),
            "for": _("Issued to"),
            "code": _("Code"),
            "address": _("Address"),
            "tax_id": _("Tax id"),
            "positions": _("Position"),
            "currency": _("Currency"),
            "opening": _("Open before"),
            "net": _("This statement"),
            "closing": _("Open now"),
            "positions_note": _("A positive amount is owed to you, a negative one you owe."),
            "totals": _("Totals"),
            "kind": _("What for"),
            "points": _("Points"),
            "receives": _("You receive"),
            "owes": _("You owe"),
            "sum": _("Total"),
            "payments": _("Payments"),
            "payer": _("Payer"),
            "payee": _("Payee"),
            "amount": _("Amount"),
            "no_payments": _("There is nothing to pay."),
            "days": _("By day and counterparty"),
            "period_lines": _("By counterparty"),
            "period_note": _("There are too many days and counterparties to list. The attached file has every line."),
            "day": _("Day"),
            "counterparty": _("Counterparty"),
            "no_lines": _("Nothing was owed in this period."),
            "seals": _("Proof"),
            "seal": _("Seal"),
            "content_hash": _("Content hash"),
            "seals_note": _(
                "The content hash covers the whole statement. Each seal covers its business day and all before."
            ),
            "attached": _("Every posting is in the attached file"),
            "page": _("Page"),
            "of": _("of"),
        }
    )


def _of_notes() -> dict[str, str]:
    return {
        "set_aside": _("Set aside"),
        "set_aside_note": _("These points had no agreement to price them. A later run settles them."),
        "issued_on": _("Issued on"),
        "disputes": _("Disputed lines"),
        "disputes_note": _(
            "A disputed line leaves the net with the day on which it is disputed. What is owed after all comes back."
        ),
        "disputes_cut": _("There are too many disputed lines to list. The attached file has all of them."),
        "dispute": _("Dispute"),
        "step": _("Outcome"),
        "settled_on": _("Line of"),
    }


def _of_lines() -> dict[str, str]:
    return {
        "summary": _("Summary"),
        "lines": _("Lines"),
        "agreement": _("Agreement version"),
        "transaction": _("Transaction"),
        "concerns": _("Concerns"),
        "location": _("Location"),
        "reference": _("Reference"),
        "signed": _("You receive (you owe: below zero)"),
        "name": _("Legal name"),
        "issuer": _("Issuer"),
        "price_minor": _("Minor units per point"),
        "percent": _("Per cent"),
        "minimum": _("Minimum fee"),
    }
