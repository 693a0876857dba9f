"""Where we send your events: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class AuthenticationShown:
    """How we authenticate at your receiver, without what is secret."""

    type: str
    token_url: str | None = None
    client_id: str | None = None
    client_authentication: str | None = None
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    # The certificate's, as RFC 4514 writes it
    subject: str | None = None
    # The certificate's, in hex
    sha256_fingerprint: str | None = None
    # Until when the certificate is valid
    not_after: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Endpoint(Answer):
    """An endpoint. Only the answers that register it or rotate its secret have a `secret`."""

    endpoint_id: str
    url: str
    event_types: tuple[str, ...]
    # `enabled`; `paused` or `disabled` gathers events and sends none until you enable it.
    status: str
    # Why we disabled it: `gone` if it answered 410, `failing` if all attempts failed for long. null if you did.
    status_reason: str | None
    filter: Mapping[str, Any] | None
    body: str
    ordering: str
    on_exhausted: str
    batch_size: int
    retry_delays_s: tuple[int, ...] | None
    rate_per_s: int | None
    timeout_s: int | None
    signatures: tuple[str, ...]
    # Where your receiver finds the public keys of `v1a`, the same for all your endpoints. Anybody may read them. null …
    keys_url: str | None
    # Of the headers we send with messages
    header_names: tuple[str, ...]
    metadata: Mapping[str, Any]
    authentication: AuthenticationShown | None
    # Until when we sign with the former secret as well
    former_until: datetime | None
    created_at: datetime
    secret: str | None = None


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """How we authenticate at your receiver. `oauth2` needs `token_url`, `client_id` and `client_secret`: we get a
    token there with client credentials (RFC 6749) and send it with each message. `mtls` needs `certificate` and
    `private_key`: our connections present that certificate."""

    type: str
    token_url: str | None = None
    # Ours at your authorization server
    client_id: str | None = None
    # We keep it encrypted and never show it again.
    client_secret: str | None = None
    # How we send `client_id` and `client_secret`: `basic` in the Authorization header, `post` in the body. `basic` if …
    client_authentication: str | None = None
    # What we ask the token to be for, with spaces between them
    scope: str | None = None
    # For servers that want an `audience`
    audience: str | None = None
    # The receiver as a URI (RFC 8707), for servers that want it
    resource: str | None = None
    # PEM: the certificate first, then those that lead from it to your root
    certificate: str | None = None
    # The certificate's key as PEM, without a password. We keep it encrypted and never show it again.
    private_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class EndpointWithHealth(Answer):
    """An endpoint, and how it does."""

    endpoint_id: str
    url: str
    event_types: tuple[str, ...]
    # `enabled`; `paused` or `disabled` gathers events and sends none until you enable it.
    status: str
    # Why we disabled it: `gone` if it answered 410, `failing` if all attempts failed for long. null if you did.
    status_reason: str | None
    filter: Mapping[str, Any] | None
    body: str
    ordering: str
    on_exhausted: str
    batch_size: int
    retry_delays_s: tuple[int, ...] | None
    rate_per_s: int | None
    timeout_s: int | None
    signatures: tuple[str, ...]
    # Where your receiver finds the public keys of `v1a`, the same for all your endpoints. Anybody may read them. null …
    keys_url: str | None
    # Of the headers we send with messages
    header_names: tuple[str, ...]
    metadata: Mapping[str, Any]
    authentication: AuthenticationShown | None
    # Until when we sign with the former secret as well
    former_until: datetime | None
    created_at: datetime
    secret: str | None = None
    health: Health


@dataclass(frozen=True, kw_only=True)
class Health:
    """How an endpoint does now."""

    # Failed attempts in a row
    failures: int
    failing_since: datetime | None
    # We send nothing until then, because attempts failed. Then we try one delivery.
    open_until: datetime | None
    # The number of the newest delivery. Each has a number, so that you can see a gap.
    last_sequence: int
    # Pending deliveries, counted up to 10,000
    backlog: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class EndpointTest(Answer):
    """The test that we send."""

    event_id: str


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Attempts that began within a bucket's time."""

    began_at: datetime
    succeeded: int
    failed: int
    # Those of `failed` that were a delivery's last
    given_up: int
    average_ms: int
    slowest_ms: int


@dataclass(frozen=True, kw_only=True)
class Stats(Answer):
    """Attempts by time, the oldest bucket first. Buckets without attempts are left out."""

    since: datetime
    until: datetime
    bucket: str
    data: tuple[Bucket, ...]
