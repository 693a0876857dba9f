"""The client itself: `Coalition(base_url, client_id, client_secret)`."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from coalition_client.api import API_VERSION, Api
from coalition_client.connection import Connection
from coalition_client.retries import RetryPolicy
from coalition_client.tokens import ClientCredentials, GivenToken, Tokens
from coalition_client.transport import Transport

USUAL = RetryPolicy()


class Client(Api):
    """A coalition as a client with `tokens` sees it; a context manager that closes its connections."""

    def __init__(self, connection: Connection, tokens: Tokens) -> None:
        super().__init__(Transport(connection, tokens, version=API_VERSION))
        self._connection = connection

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Coalition(Client):
    """A coalition as a partner's back end sees it. Make one and share it: threads may use it at once.

    What moves points is sent under an Idempotency-Key that is made for the call and kept over its retries, so a lost
    answer never posts twice. Give your own key where the call itself may be made again, by a process that starts anew.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        scopes: tuple[str, ...] = (),
        retry_policy: RetryPolicy = USUAL,
    ) -> None:
        connection = Connection(base_url, retry_policy)
        super().__init__(connection, ClientCredentials(connection, client_id, client_secret, scopes))


class CoalitionWithToken(Client):
    """The same with a token that came about elsewhere: a till's device login, or a member's consent to an app."""

    def __init__(self, base_url: str, access_token: str, *, retry_policy: RetryPolicy = USUAL) -> None:
        super().__init__(Connection(base_url, retry_policy), GivenToken(access_token))
