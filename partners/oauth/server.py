"""The authorization server: client credentials (RFC 6749 §4.4) through Authlib, and its metadata (RFC 8414).

Authlib's own answers are tightened where it is lenient: one answer for every failed authentication, parameters given
once only, unknown scopes refused, our lifetimes and tokens.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from flask import Blueprint, Flask, Response, g, jsonify, request

from kit import clock
from kit.http.requests import note
from kit.http.services import services
from partners import clients
from partners.scopes import SCOPES

LONGEST_HEADER = 1_000
AUTH_METHOD = "client_secret_basic"
GRANT_TYPE = "client_credentials"


class OAuthClient:
    """What Authlib wants to know of a client."""

    def __init__(self, client: clients.Client) -> None:
        self.client = client

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether this client may sign in like that: with its secret, in the header."""
        return method == AUTH_METHOD

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether this client may use this grant."""
        return grant_type == GRANT_TYPE


class StrictClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials whose scopes have to exist and be the client's, each."""

    TOKEN_ENDPOINT_AUTH_METHODS = (AUTH_METHOD,)

    def validate_requested_scope(self) -> None:
        """Raise invalid_scope for one that is unknown or not the client's; no scope means all of the client's."""
        allowed = self.request.client.client.scopes
        asked = (self.request.payload.scope or " ".join(allowed)).split()
        if not asked or not set(asked) <= set(allowed):
            raise InvalidScopeError
        self.request.scope = " ".join(sorted(set(asked)))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token, made and stored in the open transaction."""
        parts = services()
        lifetime_s = parts.settings.access_token_lifetime_s
        scope = self.request.scope
        token = clients.issue_token(
            g.oauth_session,
            client=self.request.client.client,
            scopes=scope.split(),
            lifetime_s=lifetime_s,
            now=clock.now(),
            keyring=parts.keyring,
        )
        note(client_id=self.request.client.client.client_id)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s, "scope": scope}
        return 200, body, self.TOKEN_RESPONSE_HEADER


def install(app: Flask) -> None:
    """Serve `/oauth/token` and the metadata in `app`."""
    server = AuthorizationServer(app, query_client=lambda client_id: None, save_token=lambda token, request: None)
    server.register_client_auth_method(AUTH_METHOD, _authenticate)
    server.register_grant(StrictClientCredentials)
    routes = Blueprint("oauth", __name__)

    @routes.post("/oauth/token")
    def token() -> Response:
        with services().reading() as session:
            g.oauth_session = session
            try:
                _refuse_repetition()
            except OAuth2Error as error:
                return _plain(server.handle_error_response(server.create_oauth2_request(None), error))
            return _plain(server.create_token_response())

    @routes.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        base = request.host_url.rstrip("/")
        return jsonify(
            {
                "issuer": base,
                "token_endpoint": f"{base}/oauth/token",
                "token_endpoint_auth_methods_supported": [AUTH_METHOD],
                "grant_types_supported": [GRANT_TYPE],
                "response_types_supported": [],
                "scopes_supported": list(SCOPES),
                "service_documentation": f"{base}/docs",
            }
        )

    app.register_blueprint(routes)


def _plain(response: Response) -> Response:
    response.headers["Content-Type"] = "application/json"
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_repetition() -> None:
    # RFC 6749 §3.2: parameters must not be included more than once; Authlib takes the first in silence.
    for name in {*request.form, *request.args}:
        if len(request.form.getlist(name)) + len(request.args.getlist(name)) > 1:
            raise InvalidRequestError("a parameter occurs more than once")
    if request.args:
        raise InvalidRequestError("parameters belong into the body")


def _authenticate(query_client: object, oauth_request: object) -> OAuthClient:
    """HTTP Basic with form-encoded halves (RFC 6749 §2.3.1); every failure looks the same to the caller."""
    halves = _basic(request.headers.get("Authorization", ""))
    client = halves and clients.authenticate(
        g.oauth_session, client_id=halves[0], secret=halves[1], keyring=services().keyring
    )
    if not client:
        raise InvalidClientError(status_code=401, description="client authentication failed")
    return OAuthClient(client)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        return None
    try:
        name, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    name, secret = unquote(name), unquote(secret)
    return (name, secret) if separator and "\x00" not in name + secret else None
