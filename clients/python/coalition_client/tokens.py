"""Access tokens: asked for once, kept, and renewed before they end, by whichever thread comes first."""

from __future__ import annotations

import base64
import threading
import time
from typing import Protocol
from urllib.parse import quote, urlencode

from coalition_client.connection import Connection, Request
from coalition_client.errors import SignInRefused, UnexpectedAnswer

RENEW_BEFORE_END_S = 60.0
RENEW_BEFORE_END_SHARE = 0.1  # of a short life


class Tokens(Protocol):
    """Where a call gets its access token."""

    def get(self) -> str:
        """A token that is good now; raises SignInRefused, NoAnswer."""

    def forget(self, token: str) -> None:
        """`token` was refused: don't give it out again."""


class ClientCredentials:
    """The tokens of a confidential client (RFC 6749 §4.4), for `scopes` or all it may have."""

    def __init__(self, connection: Connection, client_id: str, client_secret: str, scopes: tuple[str, ...]) -> None:
        credentials = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"  # RFC 6749 §2.3.1
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self._connection = connection
        self._scopes = scopes
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def get(self) -> str:
        """A token that is good for a while; raises SignInRefused, NoAnswer."""
        with self._lock:
            if not self._token or time.monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def forget(self, token: str) -> None:
        """Ask for a new one next time, unless another thread has it already."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _renew(self) -> None:
        asked_at = time.monotonic()
        form = {"grant_type": "client_credentials", **({"scope": " ".join(self._scopes)} if self._scopes else {})}
        reply = self._connection.exchange(
            Request(
                method="POST",
                target="/oauth/token",
                headers={
                    "Authorization": self._authorization,
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Accept": "application/json",
                },
                body=urlencode(form).encode(),
                repeatable=True,
            )
        )
        answer = reply.json()
        if not isinstance(answer, dict):
            raise UnexpectedAnswer("the token endpoint's answer is no object")
        if not reply.is_good:
            # A problem document where the service itself is at fault.
            code, text = answer.get("error") or answer.get("code", ""), answer.get("error_description", "")
            raise SignInRefused(str(code), str(text))
        token, lifetime_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(lifetime_s, int | float):
            raise UnexpectedAnswer("the token endpoint's answer has no access_token or expires_in")
        self._token = token
        self._renew_at = asked_at + lifetime_s - min(RENEW_BEFORE_END_S, lifetime_s * RENEW_BEFORE_END_SHARE)


class GivenToken:
    """A token that came about elsewhere: a till's device login, or a member's consent to an app."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get(self) -> str:
        """The token."""
        return self._token

    def forget(self, token: str) -> None:
        """There is no other."""
