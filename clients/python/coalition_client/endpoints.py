"""A webhook endpoint as you want it to be, in one call that you can repeat whenever you deploy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coalition_client.client import Client
from coalition_client.models.webhook_endpoints import Authentication, Endpoint, EndpointWithHealth
from coalition_client.problems import PreconditionFailed
from coalition_client.values import Null

ATTEMPTS = 5  # where others change the endpoint at the same time


@dataclass(frozen=True)
class Ensured:
    """The endpoint, and its `secret` if it was registered by this very call: keep it, for it is shown this once.

    `secret` is None for an endpoint that was there. If you have lost it, call `coalition.webhook_endpoints.rotate`.
    """

    endpoint: Endpoint | EndpointWithHealth
    secret: str | None = None


def ensure(
    coalition: Client, url: str, types: Sequence[str], *, authentication: Authentication | Null | None = None
) -> Ensured:
    """Register an endpoint at `url` for events of these `types`, or let the one that is there have them.

    `authentication`, if you name it, is set anew by each call, since the API never shows whether its secret is still
    the same; NULL removes it.

    Whether it is enabled stays as it is: see `endpoint.status`. Call it where you deploy rather than in each process:
    two that call it first and at the same moment register two endpoints. Raises what the API refuses, and
    PreconditionFailed where somebody changes the endpoint all the time.
    """
    there = [one for one in coalition.webhook_endpoints.list() if one.url == url]
    if not there:
        made = coalition.webhook_endpoints.register(url=url, event_types=types, authentication=authentication)
        return Ensured(made, made.secret)
    oldest = min(there, key=lambda one: one.endpoint_id)  # ids are in the order of registration
    return Ensured(_changed(coalition, oldest.endpoint_id, types, authentication))


def _changed(
    coalition: Client, endpoint_id: str, types: Sequence[str], authentication: Authentication | Null | None
) -> Endpoint | EndpointWithHealth:
    for left in reversed(range(ATTEMPTS)):
        seen = coalition.webhook_endpoints.get(endpoint_id)
        changes: dict[str, Any] = {}
        if set(seen.event_types) != set(types):
            changes["event_types"] = sorted(set(types))
        if isinstance(authentication, Authentication) or (authentication is not None and seen.authentication):
            changes["authentication"] = authentication
        if not changes:
            break
        try:
            return coalition.webhook_endpoints.change(endpoint_id, if_match=str(seen.meta.etag), **changes)
        except PreconditionFailed:
            if not left:
                raise
    return seen
