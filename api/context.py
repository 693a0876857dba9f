"""What only the API knows of a request: whose it is, and the transaction it is answered from."""

from __future__ import annotations

from dataclasses import dataclass

from identity.clients import Admin, Principal
from kit.db import Session
from kit.http.context import Context


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """`client` is who asks, `principal` the same once its scope suffices; `session` is the authorization server's."""

    client: Principal | Admin | None = None
    principal: Principal | Admin | None = None
    session: Session | None = None


of_request = Context("coalition_api", RequestContext)
