"""One HTTP attempt: signed, bounded in time and size, only to addresses webhooks may go to."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp

from kit import clock, ids
from kit.http import tracing
from kit.secrets import Keyring
from kit.settings import Network
from webhooks import schedule, signing
from webhooks.addresses import AddressRefused, check_address
from webhooks.deliveries import Claim, Result
from webhooks.endpoints import SECRET_PURPOSE

LARGEST_RESPONSE_BYTES = 64 * 1024
KEPT_RESPONSE_BYTES = 4 * 1024
GONE = 410


class Sender:
    """Sends claims from one event loop; use as an async context manager."""

    def __init__(self, *, keyring: Keyring, timeout_s: float, allowed: Callable[[], tuple[Network, ...]]) -> None:
        self._keyring = keyring
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._allowed = allowed
        self._secrets: dict[bytes, str] = {}

    async def __aenter__(self) -> Sender:
        connector = aiohttp.TCPConnector(limit=0, socket_factory=self._socket, ttl_dns_cache=10)
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": "Coalition-Webhooks/1",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.close()

    async def send(self, claim: Claim) -> Result:
        """Make the attempt; every failure is a Result, never an exception."""
        headers = signing.headers(
            secret=self._secret(claim.sealed_secret),
            message_id=ids.show(ids.EVENT, claim.event_id),
            timestamp=int(clock.now().timestamp()),
            body=claim.body,
        )
        headers["traceparent"] = tracing.of_event(claim.event_id).header
        answer = await self.post(claim.url, body=claim.body, headers=headers)
        succeeded = answer.succeeded
        jitter = random.random()  # noqa: S311
        delay = schedule.next_delay(claim.tries, jitter=jitter, retry_after=answer.retry_after, now=clock.now())
        return Result(
            claim=claim,
            succeeded=succeeded,
            status_code=answer.status,
            error=answer.error,
            duration_ms=answer.duration_ms,
            response=answer.body,
            retry_in=None if succeeded else delay,
            disable_endpoint=answer.status == GONE,
        )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post `body` once; every failure is in the Answer, never an exception."""
        began = time.perf_counter()
        answer = Answer()
        try:
            async with self._http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer.status = response.status
                answer.retry_after = response.headers.get("Retry-After")
                answer.body = (await _read(response))[:KEPT_RESPONSE_BYTES]
        except TimeoutError:
            answer.error = f"no complete answer within {self._timeout.total:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer.error = _in_our_words(error)
        answer.duration_ms = round((time.perf_counter() - began) * 1000)
        return answer

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        # Called for every connection with the very address it goes to: names that changed since the endpoint was
        # registered, IP literals and alternative spellings all come through here.
        family, kind, protocol, _, sockaddr = address
        check_address(str(sockaddr[0]), allowed=self._allowed())
        return socket.socket(family, kind, protocol)

    def _secret(self, sealed: bytes) -> str:
        if (secret := self._secrets.get(sealed)) is None:
            secret = self._secrets[sealed] = self._keyring.unseal(sealed, purpose=SECRET_PURPOSE).decode()
        return secret


@dataclass
class Answer:
    """What came of one POST: a status, or the error that there was instead (or after it)."""

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    body: bytes = b""
    duration_ms: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it was taken, and the answer came whole."""
        return self.error is None and 200 <= (self.status or 0) < 300


# What a library says of a fault may hold an address inside our network, or whatever a foreign server answered. That a
# name is not known and that it leads inside are told alike, or partners could ask which names there are.
_NO_ADDRESS = "the host's name leads to no address that webhooks go to"
_IN_OUR_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, _NO_ADDRESS),
    (socket.gaierror, _NO_ADDRESS),
    (aiohttp.ClientConnectorDNSError, _NO_ADDRESS),
    (aiohttp.ClientConnectorCertificateError, "the host's certificate is not valid"),
    (aiohttp.ClientSSLError, "no TLS could be agreed on"),
    (ConnectionRefusedError, "the connection was refused"),
    (aiohttp.ClientConnectorError, "no connection could be made"),
    (aiohttp.ServerDisconnectedError, "the connection ended before the answer"),
    (aiohttp.ClientPayloadError, "the connection ended within the answer"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (ValueError, "the URL can't be used"),
    (OSError, "the connection broke off"),
)


def _in_our_words(error: BaseException) -> str:
    causes = [error, *(cause for cause in (error.__cause__, getattr(error, "os_error", None)) if cause is not None)]
    for kind, words in _IN_OUR_WORDS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the request failed"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    got = bytearray()
    async for chunk in response.content.iter_any():
        got += chunk
        if len(got) >= LARGEST_RESPONSE_BYTES:
            response.close()
            break
    return bytes(got)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait until it is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
