"""One HTTP attempt: signed, bounded in time and size, only to addresses webhooks may go to."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from kit import clock, ids, tracing
from kit.secrets import Keyring
from kit.settings import Network
from webhooks import authentication, bodies, client_tls, schedule, signing
from webhooks.addresses import AddressRefused, address_in, check_address
from webhooks.authentication import Authentication, OAuth2
from webhooks.connections import LARGEST_RESPONSE_BYTES, Answer, Connector, Limit, TooMuchSaid, making
from webhooks.endpoints import HEADERS_PURPOSE, SECRET_PURPOSE
from webhooks.once import Key, Once
from webhooks.queue import Claim, Result
from webhooks.receiver_tokens import NoToken, Tokens
from webhooks.targets import Target

MOST_TLS = 64  # contexts of client certificates, of 0.8 MB each
UNAUTHORIZED, GONE = 401, 410
UNMADE = "we could not make the message"
PROXY_ASKED_AGAIN = timedelta(seconds=5)
PROXY_LOOKED_FOR_S = 1.0
ROUNDED_S = 2.0  # how much later than asked aiohttp ends a request, and we begin one
MOST_OF_OURS = 1_000  # attempts, until our own fault counts for the schedule: every delivery comes to its end
CANCELLED_AGAIN_S = 0.1


class Sender:
    """Sends claims from one event loop, all of them through `proxy` if there is one; use as an async context manager.

    A proxy resolves the names, so it is the proxy that has to refuse those that lead to private addresses.
    """

    def __init__(
        self,
        *,
        keyring: Keyring,
        timeout_s: float,
        allowed: Callable[[], tuple[Network, ...]],
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._keyring = keyring
        self._timeout_s = timeout_s
        self._allowed = allowed
        self._signers: dict[UUID, signing.Signer] = {}
        self._opened: dict[bytes, bytes] = {}
        self._authentications: dict[bytes, Authentication] = {}
        self._tokens = Tokens(self.post, proxy_s=PROXY_LOOKED_FOR_S + ROUNDED_S if proxy is not None else 0)
        self._tls: Once[ssl.SSLContext] = Once(most=MOST_TLS)

    async def __aenter__(self) -> Sender:
        connector = Connector(limit=0, socket_factory=self._socket, ttl_dns_cache=10)
        connector.goes_through_proxy = self._proxy is not None
        self._http = aiohttp.ClientSession(
            connector=connector,
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
        await self._tokens.close()
        await self._tls.close()
        await self._http.close()

    async def send(self, claims: Sequence[Claim], target: Target) -> list[Result]:
        """Make one attempt at `target` with one event, or with a batch; failures are Results, never exceptions."""
        first, now = claims[0], clock.now()
        message_id, body = _message(claims, target)
        headers = signing.headers(
            [self._open(sealed, SECRET_PURPOSE).decode() for sealed in target.sealed_secrets(now)],
            signer=self._signer(target.partner_id) if "v1a" in target.signatures else None,
            message_id=message_id,
            timestamp=int(now.timestamp()),
            body=body,
        )
        headers["traceparent"] = tracing.of_event(first.event_id).header
        if first.sequence is not None:
            headers["coalition-sequence"] = str(first.sequence)
        if first.gap:
            headers["coalition-gap"] = str(first.gap)
        return results(claims, target, await self.post_to(target, body=body, headers=headers))

    def _own_headers(self, target: Target) -> dict[str, str]:
        if target.sealed_headers is None:
            return {}
        found: dict[str, str] = json.loads(self._open(target.sealed_headers, HEADERS_PURPOSE))
        return found

    def _signer(self, partner_id: UUID) -> signing.Signer:
        if (signer := self._signers.get(partner_id)) is None:
            signer = partial(self._keyring.sign, purpose=signing.purpose(partner_id))
            self._signers[partner_id] = signer
        return signer

    def _open(self, sealed: bytes, purpose: str) -> bytes:
        if (plain := self._opened.get(sealed)) is None:
            plain = self._opened[sealed] = self._keyring.unseal(sealed, purpose=purpose)
        return plain

    async def post_to(self, target: Target, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post to `target` under its own headers and these, authenticated as it asks, in the time of one attempt."""
        headers = {**self._own_headers(target), **headers}
        limit = Limit.of(target.timeout_s or self._timeout_s)
        post = partial(self.post, target.url, body=body, limit=limit)
        if target.sealed_authentication is None:
            return await post(headers=headers)
        began_s = time.monotonic()
        key, asked = (target.endpoint_id, target.version), self._asked(target.sealed_authentication)
        if isinstance(asked, OAuth2):
            answer = await self._post_with_token(key, asked, post, headers, limit)
        else:
            answer = await self._post_over_tls(key, asked, post, headers, limit)
        answer.duration_ms = round((time.monotonic() - began_s) * 1000)
        return answer

    async def _post_over_tls(
        self,
        key: Key,
        asked: client_tls.ClientCertificate,
        post: Callable[..., Awaitable[Answer]],
        headers: dict[str, str],
        limit: Limit,
    ) -> Answer:
        make = partial(asyncio.to_thread, client_tls.context, asked.certificate, asked.private_key)
        try:
            async with asyncio.timeout(limit.left_s):  # it needs a thread, as the names of hosts do
                tls = await self._tls.get(key, make)
        except TimeoutError:
            return Answer(error=limit.said)
        except OSError as error:  # a disk of ours that is full, or OpenSSL does not want what it wanted before
            return Answer(error=UNMADE, is_ours=not isinstance(error, ssl.SSLError))
        return await post(headers=headers, tls=tls)

    async def _post_with_token(
        self, key: Key, asked: OAuth2, post: Callable[..., Awaitable[Answer]], headers: dict[str, str], limit: Limit
    ) -> Answer:
        began_s = time.monotonic()
        try:
            token = await self._tokens.get(key, asked, limit)
            answer = await post(headers=headers | token.header)
            if answer.status == UNAUTHORIZED and token.got_s < began_s and limit.left_s > 0:
                # One kept from before, which its server may have taken back.
                self._tokens.drop(key, token)
                token = await self._tokens.get(key, asked, limit)
                answer = await post(headers=headers | token.header)
        except NoToken as none:
            return none.answer
        return answer

    def _asked(self, sealed: bytes) -> Authentication:
        if (asked := self._authentications.get(sealed)) is None:
            plain = self._keyring.unseal(sealed, purpose=authentication.PURPOSE)
            asked = self._authentications[sealed] = authentication.of_bytes(plain)
        return asked

    async def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        limit: Limit | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        """Post `body` once, with `tls` instead of everybody's; every failure is in the Answer, never an exception."""
        limit = limit or Limit.of(self._timeout_s)
        answer = Answer(began_s=time.perf_counter())
        making.set(answer)
        ask = partial(self._ask, answer, url, data=body, headers=headers, ssl=tls or True)
        try:
            self._check_literal(url)
            try:
                await ask(limit)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not answer.is_connected or answer.is_new or answer.status is not None or limit.left_s <= 0:
                    raise
                # The receiver let go of a connection it kept from before, as it may: that is no answer.
                await ask(limit)
        except TimeoutError:
            answer.error = limit.said
            if self._proxy is not None and not answer.is_connected and not await self._proxy_is_there():
                answer.error, answer.is_ours = _PROXY_AWAY, True
        except (aiohttp.ClientError, aiohttp.EofStream, OSError, ValueError) as error:
            answer.error = _in_our_words(error)
            if self._proxy is not None:
                _blame(answer, error)
        # Of https the receiver's own answer comes through the tunnel; the proxy's own comes as an error.
        if self._proxy is not None and answer.status == PROXY_WANTS_PASSWORD and url.startswith("http://"):
            answer.error, answer.is_ours = _PROXY_REFUSES, True
        answer.duration_ms = round((time.perf_counter() - answer.began_s) * 1000)
        return answer

    async def _ask(self, answer: Answer, url: str, limit: Limit, **said: Any) -> None:
        if (left_s := limit.left_s) <= 0:
            raise TimeoutError
        timeout = aiohttp.ClientTimeout(total=left_s)
        async with self._http.post(url, allow_redirects=False, timeout=timeout, proxy=self._proxy, **said) as response:
            answer.status = response.status
            answer.retry_after = response.headers.get("Retry-After")
            answer.body = await _read(response)

    def _check_literal(self, url: str) -> None:
        """Raise AddressRefused if an address stands in `url` that we don't connect to, where a proxy would."""
        host = urlsplit(url).hostname if self._proxy is not None else None
        if host and (address := address_in(host)) is not None:
            check_address(address, allowed=self._allowed())

    async def _proxy_is_there(self) -> bool:
        proxy = urlsplit(self._proxy or "")
        try:
            async with asyncio.timeout(PROXY_LOOKED_FOR_S):
                _, writer = await asyncio.open_connection(proxy.hostname, proxy.port)
        except OSError:
            return False
        writer.close()
        return True

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        # Called for every connection with the very address it goes to: names that changed since the endpoint was
        # registered, IP literals and alternative spellings all come through here.
        family, kind, protocol, _, sockaddr = address
        if self._proxy is None or sockaddr[1] != urlsplit(self._proxy).port:
            check_address(str(sockaddr[0]), allowed=self._allowed())
        return socket.socket(family, kind, protocol)


def results(claims: Sequence[Claim], target: Target, answer: Answer) -> list[Result]:
    """What `answer` means for each of the claims that were sent together."""
    first = claims[0]
    is_ours = answer.is_ours and first.attempt_no <= MOST_OF_OURS
    delay = schedule.next_delay(
        first.tries,
        jitter=random.random(),  # noqa: S311
        retry_after=answer.retry_after,
        now=clock.now(),
        delays_s=target.retry_delays_s or schedule.DELAYS_S,
    )
    if is_ours:
        delay = PROXY_ASKED_AGAIN * (1 + schedule.JITTER * random.random())  # noqa: S311
    return [
        Result(
            claim=claim,
            succeeded=answer.succeeded,
            status_code=answer.status,
            error=answer.error,
            duration_ms=answer.duration_ms,
            response=answer.body,
            retry_in=None if answer.succeeded else delay,
            is_gone=answer.status == GONE,
            on_exhausted=target.on_exhausted,
            remote_ip=answer.remote_ip,
            phases=answer.phases,
            is_behind=claim is not first,
            is_ours=is_ours,
        )
        for claim in claims
    ]


def unsent(claims: Sequence[Claim], target: Target) -> list[Result]:
    """The results of an attempt that never began, since there was no message to send."""
    return results(claims, target, Answer(error=UNMADE))


# What a library says of a fault may hold an address inside our network, or whatever a foreign server answered. That a
# name is not known and that it leads inside are told alike, or partners could ask which names there are.
_NO_ADDRESS = "the host's name leads to no address that we send webhooks to"
_IN_OUR_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, _NO_ADDRESS),
    (socket.gaierror, _NO_ADDRESS),
    (aiohttp.ClientConnectorDNSError, _NO_ADDRESS),
    (aiohttp.ClientConnectorCertificateError, "the host's certificate is not valid"),
    (aiohttp.ClientSSLError, "the host and we could not agree on TLS"),
    (ConnectionRefusedError, "the connection was refused"),
    (aiohttp.ClientConnectorError, "we could not connect"),
    (aiohttp.ServerDisconnectedError, "the connection ended before the answer"),
    (aiohttp.ClientPayloadError, "the connection ended within the answer"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (TooMuchSaid, "too much came before the answer"),
    (aiohttp.InvalidURL, "we cannot use the URL"),
    (ValueError, UNMADE),  # a header that an older version let through
    (OSError, "the connection broke off"),
)


_OF_OUR_CERTIFICATE = re.compile("ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)")  # alerts of RFC 8446 §6.2


def _in_our_words(error: BaseException) -> str:
    causes = [error, *(cause for cause in (error.__cause__, getattr(error, "os_error", None)) if cause is not None)]
    if any(_OF_OUR_CERTIFICATE.search(str(getattr(cause, "reason", ""))) for cause in causes):
        return "the host did not accept our client certificate, or wants one"
    for kind, words in _IN_OUR_WORDS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "the request failed"


PROXY_WANTS_PASSWORD = 407
SERVER_ERROR = 500
_PROXY_AWAY = "our egress proxy does not answer"
_PROXY_REFUSES = "our egress proxy refuses us"
_NOT_OPENED = "our egress proxy does not open a way to this host"
# What a proxy says of a host that it can't or may not reach: that is no fault of ours. Nor is any other answer about
# what was asked; a proxy that wants a password or is broken itself says so of every host.
_OF_THE_HOST = {
    403: "our egress proxy lets nothing through to this host",
    502: "our egress proxy could not reach the host",
    503: "our egress proxy could not reach the host",
    504: "our egress proxy could not reach the host",
}


_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, aiohttp.ClientOSError, aiohttp.EofStream)
_OF_THE_TUNNEL = aiohttp.ClientConnectorError  # TLS with the receiver, at its other end


def _blame(answer: Answer, error: Exception) -> None:
    """Say in `answer` whether it was the proxy that failed before the receiver was asked."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        answer.is_ours = error.status not in _OF_THE_HOST and (
            error.status == PROXY_WANTS_PASSWORD or error.status >= SERVER_ERROR
        )
        answer.error = _PROXY_REFUSES if answer.is_ours else _OF_THE_HOST.get(error.status, _NOT_OPENED)
    elif isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientConnectorDNSError):
        answer.error, answer.is_ours = _PROXY_AWAY, True  # names other than its own it resolves itself
    elif not answer.is_connected and isinstance(error, _BROKEN) and not isinstance(error, _OF_THE_TUNNEL):
        answer.error, answer.is_ours = _PROXY_AWAY, True  # before there was a tunnel


async def _read(response: aiohttp.ClientResponse) -> bytes:
    got = bytearray()
    async for chunk in response.content.iter_any():
        got += chunk
        if len(got) >= LARGEST_RESPONSE_BYTES:
            response.close()
            break
    return bytes(got[:LARGEST_RESPONSE_BYTES])


def _message(claims: Sequence[Claim], target: Target) -> tuple[str, bytes]:
    found = [bodies.thin(claim.body) if target.body == "thin" else claim.body for claim in claims]
    if claims[0].batch_id is None:
        return ids.show(ids.EVENT, claims[0].event_id), found[0]
    batch_id = ids.show(ids.WEBHOOK_BATCH, claims[0].batch_id)
    return batch_id, bodies.batch(batch_id, found)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel `task` and wait until it is gone.

    Again and again: a library within it may take a cancellation for a fault of a connection, and go on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCELLED_AGAIN_S)
    await asyncio.gather(task, return_exceptions=True)
