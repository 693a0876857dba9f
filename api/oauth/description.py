"""The authorization server's endpoints for programs, as the API's description has them.

They are forms and answer with the errors of RFC 6749 §5.2, not with problems: so they stand apart from the routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.oauth import token_grants
from api.oauth.authentication import CONFIDENTIAL, METHODS, NONE
from identity.oauth import authorization, devices

TAG = {"name": "oauth", "description": "Tokens for programs (RFC 6749)"}
SCHEMES = {
    "client": {
        "type": "http",
        "scheme": "basic",
        "description": "A client's id and secret. A client with keys sends `client_assertion` instead (RFC 7523).",
    }
}
_FORM = "application/x-www-form-urlencoded"
_TOKEN = {"type": "string", "maxLength": 500}
_TEXT = {"type": "string"}
_CLIENT = "co_client_" + "A" * 22
_AS_CLIENT = {
    "client_id": {"type": "string", "description": "The client's id, if the client has neither a secret nor a key."},
    "client_assertion_type": {"type": "string", "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
    "client_assertion": {"type": "string", "description": "A JWT signed with the client's private key (RFC 7523)."},
}
_DETAILS = {
    "type": "array",
    "description": "How much the client can spend with the member's consent (RFC 9396).",
    "items": {
        "type": "object",
        "required": ["type", "points_per_purchase", "points_per_day"],
        "properties": {
            "type": {"type": "string", "const": authorization.DETAILS_TYPE},
            "points_per_purchase": {"type": "integer"},
            "points_per_day": {"type": "integer"},
        },
    },
}
_EXPIRES = {"type": "integer", "description": "Seconds from now."}
_ERRORS = {  # by status and name
    ("400", "OAuthBadRequest"): (
        "Bad Request: `invalid_request`, `invalid_grant`, `invalid_scope`, `unauthorized_client`, "
        "`unsupported_grant_type`; to a till that waits `authorization_pending`, `slow_down`, `access_denied`, "
        "`expired_token`"
    ),
    ("401", "OAuthUnauthorized"): "Unauthorized: `invalid_client`",
    ("429", "OAuthTooManyRequests"): "Too Many Requests: `temporarily_unavailable`",
}


def paths() -> dict[str, Any]:
    """The endpoints, by path."""
    return {
        "/oauth/token": {"post": _token()},
        "/oauth/device_authorization": {"post": _device_authorization()},
        "/oauth/revoke": {"post": _revoke()},
        "/oauth/introspect": {"post": _introspect()},
    }


def responses() -> dict[str, Any]:
    """What every endpoint can answer besides, by the name that it refers to."""
    return {name: _response(said, _ERROR, {"error": "invalid_client"}) for (_, name), said in _ERRORS.items()}


def _token() -> dict[str, Any]:
    grant_types = [grant.GRANT_TYPE for grant in token_grants.ALL]
    return _endpoint(
        "token", "Get an access token.",
        "For the client itself, or for a code, refresh token or device code that it received.",
        asks={
            "grant_type": {"type": "string", "enum": grant_types},
            "scope": {"type": "string", "description": "Separated by spaces. If left out: all that the client has."},
            "code": _TEXT, "redirect_uri": _TEXT, "code_verifier": _TEXT,
            "refresh_token": _TOKEN, "device_code": _TOKEN,
        },
        required=["grant_type"], example={"grant_type": "client_credentials", "scope": "earn:write"}, methods=METHODS,
        answers={
            "access_token": _TEXT, "token_type": {"type": "string", "const": "Bearer"}, "expires_in": _EXPIRES,
            "scope": _TEXT, "refresh_token": _TEXT, "id_token": _TEXT, "authorization_details": _DETAILS,
        },
        always=["access_token", "token_type", "expires_in", "scope"],
        answer={"access_token": "co_at_live_…", "token_type": "Bearer", "expires_in": 3600, "scope": "earn:write"},
    )  # fmt: skip


def _device_authorization() -> dict[str, Any]:
    return _endpoint(
        "device_authorization", "Start the sign-in of a till.",
        "Show the user code. Staff enter it on the verification page while the till asks for its token (RFC 8628).",
        asks={"scope": _TEXT}, required=["client_id"], example={"client_id": _CLIENT}, methods=(NONE,),
        answers={
            "device_code": _TEXT, "user_code": _TEXT, "verification_uri": _TEXT, "verification_uri_complete": _TEXT,
            "expires_in": _EXPIRES, "interval": {"type": "integer", "description": "Seconds between two requests."},
        },
        always=["device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"],
        answer={
            "device_code": "co_dc_…", "user_code": "WDJB-MJHT", "verification_uri": "https://points.example/device",
            "verification_uri_complete": "https://points.example/device?user_code=WDJB-MJHT",
            "expires_in": int(devices.LIFETIME.total_seconds()), "interval": devices.INTERVAL_S,
        },
    )  # fmt: skip


def _revoke() -> dict[str, Any]:
    return _endpoint(
        "revoke", "Revoke a token.", "If you revoke a refresh token, the tokens that it gave end too (RFC 7009).",
        asks={"token": _TOKEN, "token_type_hint": _TEXT}, required=["token"], example={"token": "co_at_live_…"},
        methods=METHODS, answers={}, always=[], answer={},
    )  # fmt: skip


def _introspect() -> dict[str, Any]:
    return _endpoint(
        "introspect", "Introspect a token.", "For a token of your own clients. Any other token is inactive (RFC 7662).",
        asks={"token": _TOKEN, "token_type_hint": _TEXT}, required=["token"], example={"token": "co_at_live_…"},
        methods=CONFIDENTIAL,
        answers={
            "active": {"type": "boolean"}, "scope": _TEXT, "client_id": _TEXT, "token_type": _TEXT, "iss": _TEXT,
            "iat": {"type": "integer"}, "exp": {"type": "integer"}, "sub": _TEXT, "authorization_details": _DETAILS,
        },
        always=["active"], answer={"active": False},
    )  # fmt: skip


def _endpoint(
    name: str,
    summary: str,
    text: str,
    *,
    asks: dict[str, Any],
    required: Sequence[str],
    example: dict[str, Any],
    methods: Sequence[str],
    answers: dict[str, Any],
    always: Sequence[str],
    answer: dict[str, Any],
) -> dict[str, Any]:
    security: list[dict[str, list[str]]] = [{"client": []}] if set(methods) & set(CONFIDENTIAL) else []
    asked = {"type": "object", "required": list(required), "properties": {**asks, **_AS_CLIENT}}
    given = {"type": "object", "required": list(always), "properties": answers}
    return {
        "operationId": f"oauth_{name}",
        "tags": [TAG["name"]],
        "summary": summary,
        "description": text,
        "security": [*security, *([{}] if NONE in methods else [])],
        "parameters": [],
        "requestBody": {"required": True, "content": {_FORM: {"schema": asked, "example": example}}},
        "responses": {"200": _response("OK", given, answer)}
        | {status: {"$ref": f"#/components/responses/{name}"} for status, name in _ERRORS},
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": _TEXT, "error_description": _TEXT, "error_uri": _TEXT},
}


def _response(said: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {"application/json": {"schema": schema, "example": example}}}
