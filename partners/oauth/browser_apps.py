"""Apps that run in a browser: clients without a secret, at the origins of their https redirect addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import text

from kit.db import DatabaseUnavailable, Session
from kit.http import cors
from kit.http.cors import Origins
from kit.http.services import Services
from partners.oauth.authentication import NONE

_OAUTH = frozenset(("/oauth/token", "/oauth/revoke", "/oauth/userinfo"))
_OF_MEMBERS = "/v1/me/"
_DEFAULT_PORT = 443


def install(app: Flask, parts: Services) -> None:
    """Let their scripts read in `app` what they ask for themselves and their member."""

    def read() -> frozenset[str]:
        try:
            with parts.database.transaction() as session:
                return origins(session)
        except DatabaseUnavailable:
            return frozenset()

    cors.install(app, Origins(read), lambda rule: rule in _OAUTH or rule.startswith(_OF_MEMBERS))


def origins(session: Session) -> frozenset[str]:
    """The origins of all apps in a browser that may still sign in."""
    rows = session.execute(
        text("""
            SELECT DISTINCT unnest(redirect_uris) FROM partners.oauth_client
            WHERE auth_method = :none AND revoked_at IS NULL
        """),
        {"none": NONE},
    )
    return frozenset(origin_of(uri) for (uri,) in rows if uri.startswith("https://"))


def origin_of(uri: str) -> str:
    """The origin of an https address, as browsers write it: in lower case, without its usual port."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORT) else f":{parts.port}"
    return f"https://{host}{port}"
