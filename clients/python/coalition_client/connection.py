"""HTTP to one coalition: bounded in time and size, tried again where that is safe. Knows no tokens and no values."""

from __future__ import annotations

import itertools
import json
import platform
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from coalition_client import retries
from coalition_client.errors import NoAnswer, UnexpectedAnswer
from coalition_client.retries import RetryPolicy
from coalition_client.version import VERSION

USER_AGENT = f"coalition-client/{VERSION} (Python {platform.python_version()})"
PROBLEM = "application/problem+json"
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
BYTES_PER_READ = 64 * 1024
POOLED = 16


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent, the same bytes on every attempt; `repeatable` says that doing it twice does it once."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool


@dataclass(frozen=True)
class Reply:
    """What came back; `body` is empty while it is to be read as a stream."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: urllib3.BaseHTTPResponse | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is an answer, and no refusal."""
        return 200 <= self.status < 300

    @property
    def problem(self) -> dict[str, Any] | None:
        """The problem document, if it is one."""
        if self.headers.get("Content-Type", "").partition(";")[0] != PROBLEM:
            return None
        document = self.json()
        return document if isinstance(document, dict) else None

    def json(self) -> Any:
        """The body as JSON; raises UnexpectedAnswer."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise UnexpectedAnswer(f"the answer (status {self.status}) is not JSON") from error

    def lines(self) -> Iterator[Any]:
        """The JSON of each line, as it comes; raises NoAnswer where it breaks off, UnexpectedAnswer."""
        rest = b""
        try:
            for chunk in self.stream.stream(BYTES_PER_READ) if self.stream else ():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in whole if line)
                if len(rest) > LONGEST_LINE_BYTES:
                    raise UnexpectedAnswer("a line of the answer is too long")
            if rest:
                yield json.loads(rest)
        except HTTPError as error:
            raise NoAnswer(_reason(error), attempts=1, idempotency_key=None) from error
        except ValueError as error:
            raise UnexpectedAnswer("a line of the answer is not JSON") from error
        finally:
            if self.stream:
                self.stream.close()

    def parts(self) -> Iterator[bytes]:
        """The bytes as they come; raises NoAnswer where they break off."""
        try:
            yield from self.stream.stream(BYTES_PER_READ) if self.stream else ()
        except HTTPError as error:
            raise NoAnswer(_reason(error), attempts=1, idempotency_key=None) from error
        finally:
            if self.stream:
                self.stream.close()


class Connection:
    """The way to one coalition; may be used by many threads at once."""

    def __init__(self, base_url: str, retry_policy: RetryPolicy) -> None:
        self._base = _checked(base_url)
        self._retry_policy = retry_policy
        timeout = urllib3.Timeout(connect=retry_policy.connect_timeout_s, read=retry_policy.read_timeout_s)
        self._pool = urllib3.PoolManager(maxsize=POOLED, retries=False, timeout=timeout)

    def close(self) -> None:
        """Close what is open."""
        self._pool.clear()

    def exchange(self, request: Request, *, stream: bool = False) -> Reply:
        """Send `request` until it is answered for good, a refusal included; raises NoAnswer."""
        deadline = time.monotonic() + self._retry_policy.give_up_after_s
        for attempts in itertools.count(1):
            reply: Reply | None = None
            failure: HTTPError | None = None
            try:
                reply = self._attempt(request, stream=stream)
                if reply.is_good:
                    return reply
            except HTTPError as error:
                failure = error
            wait = self._wait_s(reply, attempts)
            spent = attempts >= self._retry_policy.attempts or time.monotonic() + wait > deadline
            if spent or not _may_go_on(request, reply, failure):
                break
            time.sleep(wait)
        if reply is not None:
            return reply
        key = request.headers.get("Idempotency-Key")
        raise NoAnswer(_reason(failure), attempts=attempts, idempotency_key=key) from failure

    def _attempt(self, request: Request, *, stream: bool) -> Reply:
        response = self._pool.request(
            request.method,
            self._base + request.target,
            body=request.body,
            headers={"User-Agent": USER_AGENT, **request.headers},
            redirect=False,
            preload_content=False,
        )
        if stream and 200 <= response.status < 300:
            return Reply(response.status, response.headers, b"", response)
        body = response.read(LARGEST_ANSWER_BYTES + 1)
        if len(body) > LARGEST_ANSWER_BYTES:
            response.close()
            raise UnexpectedAnswer("the answer is too large")
        response.release_conn()
        return Reply(response.status, response.headers, body)

    def _wait_s(self, reply: Reply | None, attempts: int) -> float:
        asked = retries.retry_after_s(reply.headers.get("Retry-After") if reply else None)
        # By chance, not by secret: it spreads the load.
        return retries.wait_s(self._retry_policy, attempts_made=attempts, retry_after_s=asked, chance=random.random())  # noqa: S311


def _may_go_on(request: Request, reply: Reply | None, failure: HTTPError | None) -> bool:
    if isinstance(failure, SSLError):  # a certificate gets no better by asking again
        return False
    return retries.may_send_again(
        repeatable=request.repeatable,
        status=reply.status if reply else None,
        said_retryable=reply is not None and (reply.problem or {}).get("retryable") is True,
        was_sent=not isinstance(failure, NewConnectionError | ConnectTimeoutError),
    )


def _reason(error: HTTPError | None) -> str:
    return type(error).__name__ if error else "nothing came"


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("the base URL has to look like https://coalition.example.com")
    return url.rstrip("/")
