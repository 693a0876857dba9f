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

# What a till asks for, unless its client is made for less.
TILL_SCOPES = ("members:identify", "members:enrol", "earn:write", "burn:write", "holds:write", "reversals:write")

# What a member may allow a brand's app.
MEMBER_SCOPES = {
    "openid": "know that it is you, under a name of their own for you",
    "balance:read": "see your balance and when points expire",
    "history:read": "see what your points came from and went to",
    "spend": "spend your points up to the limits you agree to, without asking again",
}

# Of the coalition's own clients, which have no partner; no partner's client can have them.
ADMIN_SCOPES = {
    "admin:read": "see partners and all that belongs to them",
    "admin:write": "change partners and all that belongs to them",
}
