"""Apps that run in a browser: clients without a secret, at the origins of their https redirect addresses."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask

from identity import client_list
from kit.db import DatabaseUnavailable, Session
from kit.http import cors
from kit.http.cors import Origins
from kit.http.services import Services

_OAUTH = frozenset(("/oauth/token", "/oauth/revoke", "/oauth/userinfo"))
_OF_MEMBERS = "/v1/me/"
# Where libraries begin, whoever asks: the same for everybody, and no secret in it.
_PUBLIC = frozenset(
    ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/jwks"),
)
_DEFAULT_PORT = 443


def install(app: Flask, svc: Services) -> None:
    """Let their scripts read in `app` what they ask for themselves and their member."""

    def read() -> frozenset[str]:
        try:
            with svc.database.reading() as session:
                return origins(session)
        except DatabaseUnavailable:
            return frozenset()

    cors.install(
        app,
        Origins(read),
        lambda rule: rule in _OAUTH or rule.startswith(_OF_MEMBERS),
        is_public=_PUBLIC.__contains__,
    )


def origins(session: Session) -> frozenset[str]:
    """The origins of all apps in a browser that may still sign in."""
    return frozenset(map(origin_of, client_list.redirect_uris_of_apps_without_secret(session)))


def origin_of(uri: str) -> str:
    """The origin of an https address, as browsers write it: in lower case, without its usual port."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORT) else f":{parts.port}"
    return f"https://{host}{port}"
