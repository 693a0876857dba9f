"""What a token may be good for."""

from __future__ import annotations

SCOPES = {
    "members:identify": "find members and see their balances",
    "members:enrol": "enrol members",
    "earn:write": "issue points",
    "awards:write": "name the awards of an earn: issuer, expiry, campaign and rule",
    "burn:write": "spend members' points",
    "holds:write": "hold members' points, then capture or void them",
    "reversals:write": "reverse your own transactions",
    "batches:write": "post many items at once, of the kinds that your other scopes allow",
    "transactions:read": "read your own transactions",
    "settlement:read": "see what you settled, and your statements",
    "settlement:write": "dispute lines of your statements, and answer disputes",
    "webhooks:write": "manage your webhook endpoints and see their deliveries",
}

# What a till asks for, unless its client is made for less.
TILL_SCOPES = ("members:identify", "members:enrol", "earn:write", "burn:write", "holds:write", "reversals:write")

# What a member may allow a brand's app.
MEMBER_SCOPES = {
    "openid": "recognise you, under an id that no other brand has",
    "balance:read": "see your balance and when your points expire",
    "history:read": "see where your points came from and went to",
    "spend": "spend your points up to the limits you agree to, without asking again",
}

# Of the coalition's own clients, which have no partner; no partner's client can have them.
ADMIN_SCOPES = {
    "admin:read": "see partners and everything that belongs to them",
    "admin:write": "change partners and everything that belongs to them",
}
