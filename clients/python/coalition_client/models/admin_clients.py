"""OAuth clients, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Client(Answer):
    """An OAuth client. Only the answer that creates it has a `client_secret`."""

    client_id: str
    client_secret: str | None = None
    partner_id: str | None
    kind: str
    # The name of the app or of the tills that people see
    name: str
    auth_method: str
    redirect_uris: tuple[str, ...]
    rate_limit_percent: int
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None
