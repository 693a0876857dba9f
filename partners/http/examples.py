"""Examples for the API's description, where a name or a type alone would not tell enough."""

from __future__ import annotations

from typing import Any

MEMBER = "mbr_01h45ytscbebyvny4gc8cr8ma2"
CARD = "7001000000178503"

OF_FIELD: dict[str, Any] = {
    "available": 250,
    "available_after": 250,
    "held": 0,
    "held_after": 0,
    "issued_by_others": 150,
    "issued_by_partner": 100,
    "owed": 0,
    "owed_after": 0,
    "pending": 0,
    "pending_after": 0,
    "repaid": 0,
    "reversed_points": 0,
    "uncovered": 0,
    "minor": 1066,
    "amount_minor": 1066,
    "expires_on": "2028-11-30",
    "card": CARD,
    "card_masked": "…8503",
    "client_id": "co_client_AAAAAAAAAAAAAAAAAAAAAA",
    "currency": "GBP",
    "cursor": "hJ0rqk3o",
    "code": "insufficient_points",
    "detail": "60 points asked for, 40 available",
    "description": "You issued points.",
    "due_at": None,
    "pin": "8305",
    "email": "ann@example.com",
    "phone": "+442079460958",
    "external_id": "customer-4711",
    "error": None,
    "event_type": "points.earned",
    "followed_by": [],
    "hold_id": None,
    "idempotency_key": "burn-R-1001",
    "kind": "earn",
    "limit": 50,
    "method": "POST",
    "minor_per_unit": 100,
    "next_cursor": None,
    "path": "/v1/burns",
    "points": 100,
    "points_per_unit": "1",
    "price_minor": "0.80",
    "problem": {},
    "reference": "R-1001",
    "remedy": "Ask for at most `available` points, or read the balance and let the member choose.",
    "request_id": "req_0123456789abcdef0123456789abcdef",
    "reverses_transaction_id": None,
    "rule": "100 points, as the request said",
    "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "sent": {"body": {"card": "[redacted]", "points": 60, "reference": "R-1001"}},
    "answer": {"code": "insufficient_points", "status": 409, "available": 40},
    "status_code": 200,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "url": "https://hooks.example.com/coalition",
    "state": "delivered",
    "documentation": "/problems/insufficient_points",
    "debit": "issued",
    "credit": "wallet",
}

# Requests where fields exclude each other, or say more together.
OF_SCHEMA: dict[str, Any] = {
    "Earn": {"card": CARD, "amount": {"minor": 1066, "currency": "GBP"}, "reference": "R-1001"},
    "Burn": {"member_id": MEMBER, "points": 100, "reference": "R-1002"},
    "Hold": {"card": CARD, "points": 100, "reference": "R-1003", "expires_at": "2026-11-02T12:15:00+00:00"},
    "Capture": {"reference": "R-1004", "points": 60},
    "Void": {"reference": "R-1005"},
    "Reversal": {"reference": "R-1006", "points": 10},
    "Clawback": {"card": CARD, "amount": {"minor": 500, "currency": "GBP"}, "reference": "R-1007"},
    "Batch": {
        "items": [
            {"kind": "earn", "card": CARD, "points": 100, "reference": "R-1008"},
            {"kind": "burn", "card": CARD, "points": 60, "reference": "R-1009"},
        ]
    },
    "Enrol": {"card": CARD, "email": "ann@example.com"},
    "Lookup": {"card": CARD},
    "OneIdentifier": {"phone": "+442079460958"},
    "VerificationCode": {"code": "490217"},
    "NewEndpoint": {"url": "https://hooks.example.com/coalition", "event_types": ["points.*"]},
}
