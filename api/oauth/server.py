"""The authorization server's endpoints for programs, and what it says about itself.

Tokens (RFC 6749, 8628), revocation (7009), introspection (7662), keys (7517), user info and both metadata documents
(8414, OpenID Connect Discovery). Pages for people are in `pages`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import OAuth2Error, UnauthorizedClientError
from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from api.auth import authorise, principal
from api.context import of_request
from api.oauth import token_grants
from api.oauth.authentication import CONFIDENTIAL, METHODS, NONE, authenticator, session
from identity.clients import Client
from identity.oauth import devices, id_tokens, keys, tokens
from identity.oauth.authorization import DETAILS_TYPE
from identity.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES
from kit import clock
from kit.audit import Act, Actor
from kit.http import context
from kit.http.requests import note
from kit.http.services import services

LONGEST_TOKEN = 500
View = Callable[[], dict[str, Any]]


class _Payload(OAuth2Payload):  # type: ignore[misc]
    data: Any = property(lambda self: request.form)


class _Request(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it: parameters from the body only, at the address we are known by."""

    def __init__(self) -> None:
        super().__init__(request.method, services().settings.issuer + request.path, headers=request.headers)
        self.payload = _Payload()

    form: Any = property(lambda self: request.form)


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server: it finds the grant and the client's way to authenticate, and writes errors down."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, query_client=lambda client_id: None, save_token=lambda token, request: None)
        for method in METHODS:
            self.register_client_auth_method(method, authenticator(method))
        for grant in token_grants.ALL:
            self.register_grant(grant)

    def create_oauth2_request(self, request: object) -> OAuth2Request:
        """The current request."""
        return _Request()

    def client(self, methods: tuple[str, ...], endpoint: str) -> Client:
        """Who asks at an endpoint that isn't a grant's; raises invalid_client."""
        found: Client = self.authenticate_client(_Request(), methods, endpoint).client
        note(client_id=found.client_id)
        return found


def install(app: Flask) -> None:
    """Serve the authorization server in `app`."""
    server = Server(app)
    routes = Blueprint("oauth", __name__)
    for path, view in (
        ("/oauth/device_authorization", _device_authorization),
        ("/oauth/revoke", _revoke),
        ("/oauth/introspect", _introspect),
    ):
        routes.post(path, endpoint=path.rpartition("/")[2])(_answering(server, view))
    routes.post("/oauth/token", endpoint="token")(_answering(server, None))
    routes.get("/oauth/jwks")(jwks)
    routes.route("/oauth/userinfo", methods=["GET", "POST"])(userinfo)
    routes.get("/.well-known/oauth-authorization-server", endpoint="metadata")(lambda: jsonify(metadata()))
    routes.get("/.well-known/openid-configuration", endpoint="discovery")(lambda: jsonify(discovery()))
    app.register_blueprint(routes)


def _answering(server: Server, view: Callable[[Server], dict[str, Any]] | None) -> Callable[[], Response]:
    """A view in one transaction, its errors RFC 6749's.

    What it wrote before it said no is kept: a code that comes twice is refused, and ends its grant.
    """

    @wraps(view or server.create_token_response)
    def answer() -> Response:
        with services().recording() as opened:
            of_request.change(session=opened)
            try:
                _check_form()
                response = jsonify(view(server)) if view else server.create_token_response()
            except OAuth2Error as error:
                response = server.handle_error_response(_Request(), error)
        response.headers["Content-Type"] = "application/json"
        response.headers["Cache-Control"] = "no-store"
        return response

    return answer


def _check_form() -> None:
    try:
        given = request.form
    except RequestEntityTooLarge:
        raise InvalidRequestError("the body is too large") from None
    # RFC 6749 §3.2: parameters must not be included more than once; Authlib takes the first in silence.
    if any(len(values) > 1 for _, values in given.lists()):
        raise InvalidRequestError("a parameter occurs more than once")
    if request.args:
        raise InvalidRequestError("send the parameters in the body")


def _device_authorization(server: Server) -> dict[str, Any]:
    client = server.client((NONE,), "device_authorization")
    if client.kind != "till":
        raise UnauthorizedClientError("this client cannot use this grant")
    svc = services()
    made = devices.begin(
        session(),
        client_id=client.client_id,
        scopes=token_grants.narrowed(request.form.get("scope"), client.scopes),
        now=clock.now(),
        keyring=svc.keyring,
    )
    page = f"{svc.settings.issuer}/device"
    return {
        "device_code": made.device,
        "user_code": made.user,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={made.user}",
        "expires_in": int(devices.LIFETIME.total_seconds()),
        "interval": devices.INTERVAL_S,
    }


def _token() -> str:
    token = request.form.get("token", "")
    if not token or len(token) > LONGEST_TOKEN:
        raise InvalidRequestError("token is missing")
    return token


def _revoke(server: Server) -> dict[str, Any]:
    client = server.client(METHODS, "revoke")
    actor = Actor(
        kind="client", actor_id=client.client_id, address=request.remote_addr,
        request_id=context.current().request_id,
    )  # fmt: skip
    act = Act(actor=actor, now=clock.now(), keyring=services().keyring)
    tokens.revoke(session(), act, token=_token(), client_id=client.client_id)
    return {}


def _introspect(server: Server) -> dict[str, Any]:
    client = server.client(CONFIDENTIAL, "introspect")
    svc = services()
    return tokens.introspect(
        session(),
        token=_token(),
        partner_id=client.partner_id,
        issuer=svc.settings.issuer,
        now=clock.now(),
        keyring=svc.keyring,
    )


def jwks() -> Response:
    """The keys id tokens are signed with."""
    now, keyring = clock.now(), services().keyring
    with services().reading() as opened:
        found = keys.published(opened, now=now, keyring=keyring)
    if not found:
        with services().recording() as opened:
            keys.current(opened, now=now, keyring=keyring)
            found = keys.published(opened, now=now, keyring=keyring)
    response = jsonify({"keys": found})
    response.headers["Cache-Control"] = f"public, max-age={keys.CACHE_S}"
    return response


def userinfo() -> Response:
    """Who allowed this token (OpenID Connect Core §5.3)."""
    authorise("openid")
    found = principal()
    subject = id_tokens.subject_of(found.subject, partner_id=found.partner_id, keyring=services().keyring)
    return jsonify({"sub": subject})


def metadata() -> dict[str, Any]:
    """What an OAuth client has to know of us (RFC 8414)."""
    issuer = services().settings.issuer
    signing = sorted({"ES256", "PS256", "RS256", "EdDSA"})
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": signing,
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_endpoint_auth_methods_supported": list(CONFIDENTIAL),
        "introspection_endpoint_auth_signing_alg_values_supported": signing,
        "grant_types_supported": [grant.GRANT_TYPE for grant in token_grants.ALL],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [DETAILS_TYPE],
        "scopes_supported": [*SCOPES, *MEMBER_SCOPES, *ADMIN_SCOPES],
        "service_documentation": f"{issuer}/docs",
    }


def discovery() -> dict[str, Any]:
    """The same for OpenID Connect (Discovery 1.0 §3)."""
    issuer = services().settings.issuer
    return {
        **metadata(),
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [keys.ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "amr", "nonce"],
        "prompt_values_supported": ["none", "login", "consent"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
