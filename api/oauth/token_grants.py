"""What the token endpoint gives for what (RFC 6749 §4–6, RFC 8628 §3.4): Authlib finds the grant, the rules are ours.

Authlib's own grants are lenient where it matters (docs/decisions/0011): here each is used up by one statement.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import (
    BaseGrant,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    TokenEndpointMixin,
)
from authlib.oauth2.rfc6749.errors import OAuth2Error, UnauthorizedClientError

from api.oauth.authentication import METHODS, NONE, session
from identity import access_tokens
from identity.clients import Client
from identity.oauth import authorization, codes, devices, grants, id_tokens, keys, refresh_tokens
from identity.oauth.devices import Poll
from identity.oauth.grants import Grant
from kit import clock
from kit.http.requests import note
from kit.http.services import services

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# Which grants a kind of client may use; a refresh token only ever comes of one of the others.
OF_KIND = {
    "backend": ("client_credentials",),
    "app": ("authorization_code", "refresh_token"),
    "till": (DEVICE_CODE, "refresh_token"),
}


def narrowed(asked: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes in `asked` (RFC 6749 §3.3), all that are allowed where it is left out; raises invalid_scope."""
    wanted = set((asked or " ".join(allowed)).split())
    if not wanted or not wanted <= set(allowed):
        raise InvalidScopeError
    return tuple(sorted(wanted))


class Bad(OAuth2Error):  # type: ignore[misc]
    """A device's poll that isn't over."""


class TokenGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """What all have in common."""

    TOKEN_ENDPOINT_AUTH_METHODS: tuple[str, ...] = METHODS

    def validate_token_request(self) -> None:
        """Authenticate the client and see that it may use this grant; raises invalid_client, unauthorized_client."""
        self.request.client = self.authenticate_token_endpoint_client()
        note(client_id=self.party.client_id)
        if self.GRANT_TYPE not in OF_KIND[self.party.kind]:
            raise UnauthorizedClientError("this client cannot use this grant")

    @property
    def party(self) -> Client:
        """The client."""
        found: Client = self.request.client.client
        return found

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The answer, made and stored in the open transaction."""
        return 200, self.answer(), self.TOKEN_RESPONSE_HEADER

    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        raise NotImplementedError

    def one(self, name: str) -> str:
        """A parameter that has to be there; raises invalid_request."""
        value = self.request.form.get(name)
        if not value or "\x00" in value:
            raise InvalidRequestError(f"{name} is missing")
        return str(value)

    def access(self, scopes: tuple[str, ...], grant: Grant | None = None) -> dict[str, Any]:
        """A new access token, and what belongs with it."""
        svc = services()
        lifetime_s = svc.settings.access_token_lifetime_s
        token = access_tokens.issue(
            session(),
            client=self.party,
            scopes=scopes,
            lifetime_s=lifetime_s,
            now=clock.now(),
            keyring=svc.keyring,
            grant_id=grant.grant_id if grant else None,
        )
        body = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s, "scope": " ".join(scopes)}
        if grant and grant.spend:
            body["authorization_details"] = authorization.details_of(grant.spend)
        return body

    def refresh_token(self, grant: Grant) -> str:
        """A new refresh token of the grant."""
        return refresh_tokens.issue(
            session(),
            grant_id=grant.grant_id,
            client_id=self.party.client_id,
            now=clock.now(),
            keyring=services().keyring,
        )

    def narrowed(self, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes asked for, all that are allowed where none are; raises invalid_scope for any other."""
        return narrowed(self.request.form.get("scope"), allowed)


class ClientCredentials(TokenGrant):
    """The client for itself (RFC 6749 §4.4)."""

    GRANT_TYPE = "client_credentials"

    def answer(self) -> dict[str, Any]:
        """A token good for the scopes asked for."""
        return self.access(self.narrowed(self.party.scopes))


class AuthorizationCode(TokenGrant):
    """A code a member's browser brought (RFC 6749 §4.1.3)."""

    GRANT_TYPE = "authorization_code"

    def answer(self) -> dict[str, Any]:
        """Tokens of the member's grant, and with `openid` who it is."""
        svc, now = services(), clock.now()
        code = codes.redeem(
            session(),
            code=self.one("code"),
            client_id=self.party.client_id,
            redirect_uri=self.one("redirect_uri"),
            verifier=self.one("code_verifier"),
            now=now,
            keyring=svc.keyring,
        )
        grant = grants.get(session(), code.grant_id) if code else None
        if code is None or grant is None:
            raise InvalidGrantError("the code is unknown, used or expired, or we gave it for something else")
        body = {**self.access(grant.scopes, grant), "refresh_token": self.refresh_token(grant)}
        if "openid" in grant.scopes:
            body["id_token"] = id_tokens.sign(
                code,
                subject=id_tokens.subject_of(grant.subject_id, partner_id=self.party.owner, keyring=svc.keyring),
                issuer=svc.settings.issuer,
                now=now,
                key=keys.current(session(), now=now, keyring=svc.keyring),
            )
        return body


class RefreshToken(TokenGrant):
    """A refresh token (RFC 6749 §6): kept by clients with credentials, exchanged by those without."""

    GRANT_TYPE = "refresh_token"

    def answer(self) -> dict[str, Any]:
        """A new access token, and from a client without credentials a new refresh token."""
        token = self.one("refresh_token")
        found = self._rotated(token) if self.party.is_public else self._kept(token)
        if found is None:
            raise InvalidGrantError("the refresh token is unknown, used or expired")
        return found

    def _kept(self, token: str) -> dict[str, Any] | None:
        grant_id = refresh_tokens.use(
            session(), token=token, client_id=self.party.client_id, now=clock.now(), keyring=services().keyring
        )
        grant = grants.get(session(), grant_id) if grant_id else None
        return self.access(self.narrowed(grant.scopes), grant) if grant else None

    def _rotated(self, token: str) -> dict[str, Any] | None:
        def answer(grant_id: UUID) -> dict[str, Any]:
            grant = grants.get(session(), grant_id)
            if grant is None:
                raise InvalidGrantError
            return {**self.access(self.narrowed(grant.scopes), grant), "refresh_token": self.refresh_token(grant)}

        return refresh_tokens.rotate(
            session(),
            token=token,
            client_id=self.party.client_id,
            now=clock.now(),
            keyring=services().keyring,
            answer=answer,
        )


class DeviceCode(TokenGrant):
    """A till that waits to be let in (RFC 8628 §3.4)."""

    GRANT_TYPE = DEVICE_CODE
    TOKEN_ENDPOINT_AUTH_METHODS = (NONE,)

    def answer(self) -> dict[str, Any]:
        """Tokens once staff have confirmed it, the same for a minute; until then RFC 8628's errors."""
        found = devices.poll(
            session(),
            device_code=self.one("device_code"),
            client_id=self.party.client_id,
            now=clock.now(),
            keyring=services().keyring,
            answer=lambda grant: {**self.access(grant.scopes, grant), "refresh_token": self.refresh_token(grant)},
        )
        if isinstance(found, Poll):
            error = Bad(found.name.lower().replace("_", " "))
            error.error = found.value
            raise error
        return found


ALL = (ClientCredentials, AuthorizationCode, RefreshToken, DeviceCode)
