"""How clients prove who they are: a secret in the header, a signed assertion, or not at all for those that can't.

Every failure looks the same, so that nobody learns which clients there are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import cast
from urllib.parse import unquote

from authlib.oauth2.rfc6749 import InvalidClientError
from flask import request

from api.context import of_request
from identity import clients, prefixes
from identity.clients import Client
from identity.oauth import assertions
from kit import clock
from kit.db import Session
from kit.http.services import services

LONGEST_HEADER = 1_000
BASIC, PRIVATE_KEY, NONE = "client_secret_basic", "private_key_jwt", "none"
CONFIDENTIAL = (BASIC, PRIVATE_KEY)
METHODS = (*CONFIDENTIAL, NONE)


class OAuthClient:
    """What Authlib wants to know of a client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether this client may sign in like that: it has one way, and no other stands in for it."""
        return method == self.client.auth_method


def session() -> Session:
    """The transaction of this request to the authorization server."""
    return cast(Session, of_request.get().session)


def authenticator(method: str) -> Callable[[object, object], OAuthClient | None]:
    """What Authlib calls to try `method` on the request: the client, or None where the request doesn't use it."""

    def authenticate(query_client: object, oauth_request: object) -> OAuthClient | None:
        if method != _method_used():
            return None
        client = _WAYS[method]()
        if client is None:
            raise failure()
        return OAuthClient(client)

    return authenticate


def failure() -> InvalidClientError:
    """The one answer to every failed authentication."""
    return InvalidClientError(status_code=401, description="client authentication failed")


def _method_used() -> str:
    """The one way this request uses; raises InvalidClientError for two at once (RFC 6749 §2.3)."""
    used = []
    if "Authorization" in request.headers:
        used.append(BASIC)
    if "client_assertion" in request.form or "client_assertion_type" in request.form:
        used.append(PRIVATE_KEY)
    if len(used) > 1 or "client_secret" in request.form:
        raise failure()
    return used[0] if used else NONE


def _by_secret() -> Client | None:
    halves = basic(request.headers.get("Authorization", ""))
    if halves is None or request.form.get("client_id", halves[0]) != halves[0]:
        return None
    if (mixed_up := prefixes.mix_up(services().keyring, halves[1])) is not None:
        raise InvalidClientError(status_code=401, description=mixed_up)
    return clients.authenticate(
        session(), client_id=halves[0], secret=halves[1], now=clock.now(), keyring=services().keyring
    )


def basic(header: str) -> tuple[str, str] | None:
    """The id and secret of HTTP Basic, its halves form-encoded (RFC 6749 §2.3.1); None where they can't be read."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        return None
    try:
        name, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    name, secret = unquote(name), unquote(secret)
    return (name, secret) if separator and "\x00" not in name + secret else None


def _by_assertion() -> Client | None:
    if request.form.get("client_assertion_type") != assertions.TYPE:
        return None
    issuer = services().settings.issuer
    return assertions.authenticate(
        session(),
        assertion=request.form.get("client_assertion", ""),
        client_id=request.form.get("client_id"),
        audiences=(issuer, f"{issuer}/oauth/token"),
        now=clock.now(),
    )


def _by_name() -> Client | None:
    client_id = request.form.get("client_id", "")
    client = None if "\x00" in client_id else clients.get(session(), client_id)
    return client if client and client.is_public else None


_WAYS = {BASIC: _by_secret, PRIVATE_KEY: _by_assertion, NONE: _by_name}
