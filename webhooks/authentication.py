"""How we authenticate at a receiver that asks for it: with a token (RFC 6749 §4.4) or a client certificate (mTLS).

Values in, values out. What is secret is sealed with the rest of what was asked for, and never shown again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from kit.errors import Invalid
from webhooks import client_tls
from webhooks.client_tls import CertificateRefused, ClientCertificate

PURPOSE = "webhook authentication"
TYPES = ("oauth2", "mtls")
CLIENT_AUTHENTICATIONS = ("basic", "post")
LONGEST = {"client_id": 500, "client_secret": 2_000, "scope": 1_000, "audience": 1_000, "resource": 2_000}

_VSCHAR = re.compile(r"[\x20-\x7e]+")  # RFC 6749, Appendix A
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_FORMS = {
    "client_id": _VSCHAR, "client_secret": _VSCHAR, "scope": _SCOPE, "audience": _VSCHAR, "resource": _VISIBLE,
}  # fmt: skip


class AuthenticationRefused(Invalid):
    code = "authentication_refused"
    title = "Authentication refused"
    description = (
        "We cannot authenticate at your receiver with this. `field` names the field that is wrong. `oauth2` needs "
        "`token_url`, `client_id` and `client_secret`, and no `Authorization` among the endpoint's headers. `mtls` "
        "needs `certificate` and `private_key` as PEM, which belong together and are valid now, and an https URL."
    )
    remedy = "Correct what `detail` says about `field`, and send `authentication` again as a whole."
    facts = ("field",)


@dataclass(frozen=True, kw_only=True)
class OAuth2:
    """A token from `token_url`, by client credentials, goes with each message."""

    type: ClassVar[str] = "oauth2"
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    client_authentication: str = "basic"
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None

    @property
    def shown(self) -> dict[str, Any]:
        """What may be told of it."""
        said = {"type": self.type, **asdict(self)}
        return {name: value for name, value in said.items() if name != "client_secret" and value is not None}


Authentication = OAuth2 | ClientCertificate
_OF_TYPE: dict[str, tuple[str, ...]] = {  # those that it needs first
    "oauth2": (
        "token_url", "client_id", "client_secret", "client_authentication", "scope", "audience", "resource",
    ),
    "mtls": ("certificate", "private_key"),
}  # fmt: skip
_NEEDED = {"token_url", "client_id", "client_secret", "certificate", "private_key"}


def parse(given: Mapping[str, str], *, now: datetime) -> Authentication:
    """What `given` asks for, by its fields; raises AuthenticationRefused. `token_url` is taken as it is."""
    fields = _OF_TYPE[given["type"]]
    for name in given.keys() - {"type", *fields}:
        raise AuthenticationRefused(f"{name} does not belong to {given['type']}", field=name)
    for name in fields:
        if name in _NEEDED and not given.get(name):
            raise AuthenticationRefused(f"{given['type']} needs {name}", field=name)
    if given["type"] == "mtls":
        try:
            return client_tls.checked(given["certificate"], given["private_key"], now=now)
        except CertificateRefused as refused:
            raise AuthenticationRefused(f"{refused.field}: {refused.detail}", field=refused.field) from None
    for name, form in _FORMS.items():
        if name in given and (len(given[name]) > LONGEST[name] or not form.fullmatch(given[name])):
            detail = f"{name} has characters that OAuth does not allow, or more than {LONGEST[name]}"
            raise AuthenticationRefused(detail, field=name)
    if "resource" in given and not _is_absolute(given["resource"]):
        raise AuthenticationRefused("resource is an absolute URI without a fragment", field="resource")
    return OAuth2(**{name: given[name] for name in fields if name in given})


def check_beside(kind: str | None, *, url: str, header_names: Collection[str]) -> None:
    """Raise AuthenticationRefused if an endpoint with this URL and headers can't have authentication of the `kind`."""
    if kind == "mtls" and not url.startswith("https://"):
        raise AuthenticationRefused("mtls needs a URL that begins with https://", field="url")
    if kind == "oauth2" and any(name.lower() == "authorization" for name in header_names):
        raise AuthenticationRefused("with oauth2 the header Authorization is the token's", field="headers")


def as_bytes(asked: Authentication) -> bytes:
    """All of it, secrets too: to be sealed."""
    return json.dumps({"type": asked.type, **asdict(asked)}).encode()


def of_bytes(plain: bytes) -> Authentication:
    """What `as_bytes` was told."""
    said = json.loads(plain)
    kinds: dict[str, type[Authentication]] = {"oauth2": OAuth2, "mtls": ClientCertificate}
    return kinds[said.pop("type")](**said)


def _is_absolute(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return bool(parts.scheme) and not parts.fragment and "#" not in uri
