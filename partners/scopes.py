"""What a token may be good for."""

from __future__ import annotations

SCOPES = {
    "members:identify": "find members and see their balance",
    "members:enrol": "enrol members",
    "earn:write": "issue points",
    "burn:write": "spend members' points",
    "holds:write": "set members' points aside, then take or return them",
    "reversals:write": "reverse your own transactions",
    "batches:write": "post many at once, of the kinds your other scopes allow",
    "transactions:read": "read your own transactions",
    "webhooks:write": "manage your webhook endpoints and see their deliveries",
}
