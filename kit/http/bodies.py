"""The one place where a request's body is read: whole, bounded, under a deadline and a minimum rate, by no thread.

The rule is that of Apache's mod_reqtimeout: GRACE_S, and a second more for each LEAST_BYTES_PER_S that have arrived.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from typing import IO, TYPE_CHECKING, Any, NoReturn

from kit.http.exchange import SMALL_BODY_BYTES, BodyWanted
from kit.http.problems import BodyTooLarge, HttpError, MalformedRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

GRACE_S = 10.0
LEAST_BYTES_PER_S = 16 * 1024
IN_MEMORY_BYTES = 1024 * 1024


class RequestTimeout(HttpError):
    code, title, status, retryable = "request_timeout", "Request timeout", 408, True
    description = "The request's body arrived too slowly. We did nothing."
    remedy = "Send the same request again, with its body in one go. On a slow connection, send smaller batches."


class IncompleteBody(HttpError):
    code, title, status, retryable = "incomplete_body", "Incomplete body", 400, True
    description = "The request ended before its body was complete. We did nothing."
    remedy = "Send the same request again with its whole body and the same Idempotency-Key."


class Body:
    """The body of one request, of which more and more is here."""

    def __init__(self, receive: Receive, environ: WSGIEnvironment) -> None:
        """Raises MalformedRequest."""
        self._receive = receive
        self._length = _length(environ)
        self._file: IO[bytes] = io.BytesIO()
        self._got = 0
        self._is_whole = self._length == 0

    @property
    def may_be_small(self) -> bool:
        """Whether it is worth reading before anybody looks at the request."""
        return self._length is None or self._length <= SMALL_BODY_BYTES

    async def read(self, *, most: int) -> None:
        """Read until it is whole, or longer than `most` bytes; raises RequestTimeout, IncompleteBody."""
        loop = asyncio.get_running_loop()
        allowed_until = loop.time() + GRACE_S
        try:
            async with asyncio.timeout_at(allowed_until) as limit:
                while not self._is_whole and self._got <= most:
                    before = self._got
                    self._take(await self._receive())
                    allowed_until += (self._got - before) / LEAST_BYTES_PER_S
                    limit.reschedule(allowed_until)
        except TimeoutError:
            raise RequestTimeout(f"the body arrived too slowly: {self._got} bytes") from None

    async def read_large(self, *, most: int) -> None:
        """Read the rest into a file; raises BodyTooLarge, RequestTimeout, IncompleteBody."""
        begun, self._file = self._file, tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        begun.seek(0)
        self._file.write(begun.read())
        await self.read(most=most)
        if self._got > most:
            raise BodyTooLarge(f"the body can have up to {most} bytes")

    def put_into(self, environ: WSGIEnvironment) -> None:
        """Let a request read it: what is whole with its true length, otherwise nothing before it is."""
        if not self._is_whole:
            environ["wsgi.input"] = _Unread()
            environ["wsgi.input_terminated"] = True  # one without a length is a body, too
            return
        self._file.seek(0)
        environ["wsgi.input"] = self._file
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if self._length != 0:
            environ["CONTENT_LENGTH"] = str(self._got)

    def close(self) -> None:
        """Let its file go."""
        self._file.close()

    def _take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] != "http.request":
            raise IncompleteBody(f"the body ended after {self._got} bytes")
        part = message.get("body", b"")
        self._file.write(part)
        self._got += len(part)
        ended = not message.get("more_body", False)
        if self._length is None:
            self._is_whole = ended
        elif self._got == self._length:
            self._is_whole = True
        elif ended:
            raise IncompleteBody(f"the body has {self._got} bytes instead of {self._length}")


class _Unread:
    """The body of a request that has not arrived: to read it is to wait for it."""

    def read(self, size: int = -1, /) -> NoReturn:
        raise BodyWanted

    readline = read


def _length(environ: WSGIEnvironment) -> int | None:
    """How long the body is going to be; None where only its end will say."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        environ.pop("CONTENT_LENGTH", None)
        return None
    given = environ.get("CONTENT_LENGTH", "0")
    if not (given.isascii() and given.isdecimal() and len(given) < 20):
        raise MalformedRequest("Content-Length is not a number")
    return int(given)
