"""Examples for the API's description, where a name or a type alone would not tell enough."""

from __future__ import annotations

from typing import Any

from coalition.event_types import EVENT_TYPES
from kit.http.examples import LEFT_OUT

MEMBER = "mbr_01h45ytscbebyvny4gc8cr8ma2"
CARD = "7001000000178503"

OF_FIELD: dict[str, Any] = {
    "available": 250,
    "available_after": 250,
    "held": 0,
    "held_after": 0,
    "issued_by_others": 150,
    "issued_by_partner": 100,
    "debt": 0,
    "debt_after": 0,
    "pending": 0,
    "pending_after": 0,
    "debt_repaid": 0,
    "reversed_points": 0,
    "shortfall": 0,
    "minor": 1066,
    "amount_minor": 1066,
    "expires_on": "2028-11-30",
    "card": CARD,
    "card_masked": "••••••••••••8503",
    "client_id": "co_client_AAAAAAAAAAAAAAAAAAAAAA",
    "currency": "GBP",
    "cursor": "hJ0rqk3o",
    "code": "insufficient_points",
    "detail": "you asked for 60 points and the wallet has 40",
    "description": "You issued points.",
    "due_at": None,
    "pin": "8305",
    "consumer_name": "crm",
    "country": "GB",
    "territory": "GB",
    "legal_name": "Greengrocer Ltd",
    "registration_no": "01234567",
    "document_hash": "0" * 64,
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
    "ahead_s": 3600,
    "comes_once": False,
    "does": "The wallet has fewer points than you asked for. `available` is how many it has.",
    "routes": ["POST /v1/burns", "POST /v1/holds"],
    "answer": {"code": "insufficient_points", "status": 409, "available": 40},
    "status_code": 200,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "url": "https://hooks.example.com/coalition",
    "status_reason": None,
    "filter": {"data": {"points": {"$gte": 100}}},
    "body": "full",
    "ordering": "none",
    "on_exhausted": "skip",
    "batch_size": 1,
    "retry_delays_s": [5, 60, 3600],
    "rate_per_s": 50,
    "timeout_s": 10,
    "signatures": ["v1"],
    "headers": {"X-Shop": "north"},
    "header_names": ["X-Shop"],
    "metadata": {"team": "loyalty"},
    "former_until": None,
    "failing_since": None,
    "open_until": None,
    "oldest_due_at": None,
    "failures": 0,
    "backlog": 0,
    "bucket": "hour",
    "documentation": "/problems/insufficient_points",
    "day": "2026-03-02",
    "debit": "issued",
    "credit": "wallet",
}

# Requests where fields exclude each other, or say more together.
OF_SCHEMA: dict[str, Any] = {
    "Find": {"card": CARD},
    "Earn": {"card": CARD, "amount": {"minor": 1066, "currency": "GBP"}, "reference": "R-1001"},
    "Burn": {"member_id": MEMBER, "points": 100, "reference": "R-1002"},
    "Hold": {"card": CARD, "points": 100, "reference": "R-1003", "expires_at": "2026-11-02T12:15:00+00:00"},
    "Capture": {"reference": "R-1004", "points": 60},
    "Void": {"reference": "R-1005"},
    "Reversal": {"reference": "R-1006", "points": 10},
    "Returned": {"transaction_id": "txn_01h45ytscbebyvny4gc8cr8ma2"},
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
    "Evidence": {"pin": "8305"},
    "VerificationCode": {"code": "490217"},
    "NewPartner": {"code": "greengrocer", "name": "Greengrocer"},
    "LegalEntity": {"legal_name": "Greengrocer Ltd", "registration_no": "01234567", "country": "GB"},
    "NewEndpoint": {
        "url": "https://hooks.example.com/coalition",
        "event_types": ["points.*"],
        "filter": {"data": {"points": {"$gte": 100}}},
    },
    "Authentication": {
        "type": "oauth2",
        "token_url": "https://login.example.com/oauth/token",
        "client_id": "coalition",
        "client_secret": "a secret of your server's",
        "scope": "webhooks",
    },
    "AuthenticationShown": {
        "type": "oauth2",
        "token_url": "https://login.example.com/oauth/token",
        "client_id": "coalition",
        "client_authentication": "basic",
        "scope": "webhooks",
    },
    "NewReplay": {
        "endpoint_id": "ep_01h45ytscbebyvny4gc8cr8ma2",
        "since": "2026-11-01T00:00:00+00:00",
        "until": "2026-11-02T00:00:00+00:00",
        "selection": "missing",
    },
    "Rotation": {"grace_s": 3600},
    "EndpointChange": {"event_types": ["points.*"], "filter": {"data": {"points": {"$gte": 100}}}},
}

_EARNED = EVENT_TYPES["points.earned"].example
_ENDPOINT = {
    "event_types": ["points.*"], "status": "enabled", "retry_delays_s": None, "rate_per_s": None, "timeout_s": None,
    "header_names": [], "metadata": {}, "authentication": None, "keys_url": None, "secret": LEFT_OUT,
}  # fmt: skip
_LATER, _EARLIER = "2026-11-02T13:00:00+00:00", "2026-11-01T12:00:00+00:00"
_FAILED = {
    "attempt_no": 1, "started_at": "2026-11-02T12:00:00+00:00", "outcome": "failed", "status_code": 503, "error": None,
    "duration_ms": 35, "dns_ms": 2, "connect_ms": 9, "tls_ms": 14, "first_byte_ms": 10,
    "remote_ip": "203.0.113.7", "response": "later",
}  # fmt: skip
_SIGNED = f"""coalition.event-digest/1
programme 01a223f5-94c7-7432-a1d5-dfc70bcc05c7
partner prt_01h45ytscbebyvny4gc8cr8ma2
day {OF_FIELD["day"]}
events 1
ids {"0" * 64}
made 2026-03-03T00:10:00.000000+00:00
"""

# Answers, where a field is not what it is elsewhere.
IN_SCHEMA: dict[str, dict[str, Any]] = {
    "Endpoint": _ENDPOINT,
    "EndpointWithHealth": _ENDPOINT,
    "Stats": {"since": _EARLIER, "until": "2026-11-02T12:00:00+00:00"},
    "Bucket": {"succeeded": 1, "failed": 0, "given_up": 0, "average_ms": 35, "slowest_ms": 35},
    "Attempt": {**_FAILED, "outcome": "succeeded", "status_code": 200, "response": "thanks"},
    "Replay": {
        "since": _EARLIER, "event_types": ["*"], "selection": "missing", "status": "done", "sent_again": 1,
        "percent": 100,
    },
    "Consumer": {"event_types": ["points.*"], "lag": LEFT_OUT},
    "EventType": {
        "name": "member.enrolled", "description": EVENT_TYPES["member.enrolled"].description,
        "schema": EVENT_TYPES["member.enrolled"].schema, "example": EVENT_TYPES["member.enrolled"].example,
    },
    "FeedEvent": _EARNED,
    "Match": {"matched": True, "reason": None},
    "Digest": {"signed": _SIGNED, "made_at": "2026-03-03T00:10:00+00:00"},
}  # fmt: skip

# Answers of one operation, where they differ from others of their schema.
OF_OPERATION: dict[str, dict[str, Any]] = {
    "webhook_endpoints_register": {"secret": OF_FIELD["secret"]},
    "webhook_endpoints_rotate": {"secret": OF_FIELD["secret"], "former_until": _LATER},
    "webhook_endpoints_pause": {"status": "paused"},
    "webhook_endpoints_disable": {"status": "disabled"},
    "webhook_deliveries_retry": {"status": "pending", "completed_at": None, "attempts": [_FAILED]},
    "webhook_deliveries_cancel": {"status": "cancelled", "attempts": [_FAILED]},
    "webhook_replays_create": {"status": "running", "processed": 0, "sent_again": 0, "percent": 0, "ended_at": None},
    "webhook_replays_cancel": {"status": "cancelled", "processed": 0, "sent_again": 0, "percent": 0},
    "event_consumers_create": {"committed_at": None, "lag": 1},
    "event_consumers_get": {"lag": 1},
    "event_consumers_seek": {"lag": 1},
}
