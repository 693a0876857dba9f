"""How often somebody may try to sign in: counted by address, and by address and the client it says it is.

Not by the client alone: who sends another's client_id with wrong secrets would shut that client out.
"""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from api.oauth.authentication import basic
from kit import hosts
from kit.http import rate_limits
from kit.http.problems import status_of
from kit.http.rate_limits import RateLimited
from kit.http.services import services

BLUEPRINT = "oauth"
ONE_HOST_V6 = 64  # a host takes any address of its network


def install(app: Flask) -> None:
    """Count what is posted to the authorization server of `app`; refusals have the shape of RFC 6749 §5.2."""

    @app.before_request
    def count() -> Response | None:
        if request.blueprint != BLUEPRINT or request.method != "POST":
            return None
        limits = rate_limits.usual()
        address = _key(hosts.network(request.remote_addr or "", v4=32, v6=ONE_HOST_V6))
        try:
            rate_limits.count(limits.oauth_address, address)
            rate_limits.count(limits.oauth, f"{address}:{_key(_claimed_client())}")
        except RateLimited as refusal:
            return _refuse(refusal)
        return None


def _claimed_client() -> str:
    """The credentials' first part, whoever sends them; what can't be read counts as one client."""
    halves = basic(request.headers.get("Authorization", ""))
    try:
        return halves[0] if halves else request.form.get("client_id", "")
    except RequestEntityTooLarge:  # the endpoint refuses it in its own way
        return ""


def _key(value: str) -> str:
    # Redis gets to know neither addresses nor clients.
    return services().keyring.fingerprint(purpose="rate limit", value=value[:200]).hex()[:24]


def _refuse(refusal: RateLimited) -> Response:
    response = jsonify({"error": "temporarily_unavailable", "error_description": refusal.detail})
    response.status_code = status_of(RateLimited)
    response.headers["Retry-After"] = str(refusal.fields["retry_after_s"])
    response.headers["Cache-Control"] = "no-store"
    return response
