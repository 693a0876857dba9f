"""/.well-known/webhook-keys/{partner_id}.json: the public key of a partner's signatures v1a, for its receivers."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Flask, Response, jsonify

from kit import ids
from kit.http.services import services
from webhooks import signing

PATH = "/.well-known/webhook-keys"
CACHE_S = 24 * 3600  # the key comes from the root key, which stays


def install(app: Flask) -> None:
    """Serve the keys in `app`, without authentication."""
    routes = Blueprint("webhook-keys", __name__)
    routes.get(f"{PATH}/<partner_id>.json")(webhook_keys)
    app.register_blueprint(routes)


def url_of(partner_id: UUID) -> str:
    """Where a partner's receivers find the key."""
    return f"{services().settings.issuer}{PATH}/{ids.show(ids.PARTNER, partner_id)}.json"


def webhook_keys(partner_id: str) -> Response:
    """The set of public keys (RFC 7517) that belongs to an id, whether a partner has it or not.

    So the answer costs no look-up and tells nobody which partners there are. Raises MalformedId.
    """
    purpose = signing.purpose(ids.parse(ids.PARTNER, partner_id))
    response = jsonify({"keys": [signing.jwk(services().keyring.public_key(purpose=purpose))]})
    response.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
    return response
