"""From ASGI to WSGI: a request takes a thread when all of it is here, and gives it back when its answer is made.

So whoever sends or reads slowly, or makes us wait on purpose, costs a coroutine and no thread: an unfinished body
(`kit.http.bodies`), an answer held back or a request worth another try (`kit.http.exchange`), an answer read slowly.
A body of up to SMALL_BODY_BYTES is read first of all; for a larger one the request is run until it reads the body, so
that it is refused before it is sent if it may not be sent at all, and run anew when the body is here.

An answer is sent while it is made only where its Content-Length says how long it will be: one that then fails midway
ends too soon, and the connection is cut, so nobody takes it for whole. Any other is made whole before it is sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from kit.errors import CoalitionError, Unavailable
from kit.http import exchange as exchanges
from kit.http import problems
from kit.http.bodies import Body, Receive
from kit.http.exchange import SMALL_BODY_BYTES, Exchange, Pause, RunAgain
from kit.http.problems import HttpError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Result = TypeVar("Result")

MOST_LARGE_BODIES = 16
MOST_LARGE_BODIES_EACH = 4
MOST_RUNS = 3  # as it came, with its body, after its pause
CHUNK_TAKEN_WITHIN_S = 60.0


class TooManyUploads(HttpError):
    code, title, status, retryable = "too_many_uploads", "Too many uploads", 429, True
    description = "You, or all partners together, are sending as many large bodies at once as we accept."
    remedy = "Send large bodies one after another. Send this one again after the number of seconds in Retry-After."


class Busy(Unavailable):
    code = "busy"
    title = "Busy"
    description = "The server has as many requests waiting as it accepts."


class Lane:
    """Threads for requests of one kind; `most_waiting` of them may wait for one, beyond that `refused` is called.

    Threads of our own, for an executor of the standard library costs a request three times as much.
    """

    def __init__(self, *, threads: int, most_waiting: int, refused: Callable[[], None] = lambda: None) -> None:
        self._refused = refused
        self._most = threads + most_waiting
        self._inside = 0
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What `work` returns, made in a thread; raises Busy, and what `work` raises."""
        if self._inside >= self._most:
            self._refused()
            raise Busy("too many requests are waiting; try again in a moment")
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Result] = loop.create_future()

        def do() -> None:
            try:
                outcome = work(*arguments)
            except BaseException as error:  # noqa: BLE001 -- whoever waits for it raises it
                loop.call_soon_threadsafe(_unless_gone, made, made.set_exception, error)
            else:
                loop.call_soon_threadsafe(_unless_gone, made, made.set_result, outcome)

        self._inside += 1
        try:
            self._queue.put(do)
            return await made
        finally:
            self._inside -= 1

    def _work(self) -> None:
        while True:
            self._queue.get()()


def _unless_gone(made: asyncio.Future[Any], tell: Callable[[Any], None], outcome: object) -> None:
    if not made.done():
        tell(outcome)


@dataclass(frozen=True)
class _Answer:
    """What an application said; `rest` follows `body` of an answer that is sent while it is made."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: Iterator[bytes] | None
    close: Callable[[], None]
    is_cut: bool = False


class Gateway:
    """An ASGI application that runs a WSGI application in the lane that `lane_of` says for a path."""

    def __init__(self, app: WSGIApplication, lane_of: Callable[[str], Lane]) -> None:
        self._app = app
        self._lane_of = lane_of
        self._large: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3.0)."""
        environ = _environ(scope)
        exchange = exchanges.begin(environ)
        lane = self._lane_of(environ["PATH_INFO"])
        answer = await self._answer(lane, environ, exchange, receive)
        if exchange.answer_after_s:
            await asyncio.sleep(exchange.answer_after_s)
        await _send(lane, answer, send)

    async def _answer(self, lane: Lane, environ: WSGIEnvironment, exchange: Exchange, receive: Receive) -> _Answer:
        body: Body | None = None
        try:
            try:
                body = Body(receive, environ)
                if body.may_be_small:
                    await body.read(most=SMALL_BODY_BYTES)
            except CoalitionError as refusal:
                exchange.refusal = refusal
            for _ in range(MOST_RUNS):
                again = await lane.run(self._run, environ, body)
                if isinstance(again, _Answer):
                    return again
                exchange.run_again()
                await self._wait(again, exchange, body)
            raise RuntimeError("a request asks to be run again and again")
        except Busy as refusal:
            return _problem(refusal)
        except Exception:
            log.exception("fault")
            return _problem(problems.InternalError("we made a mistake"))
        finally:
            if body is not None:
                body.close()

    def _run(self, environ: WSGIEnvironment, body: Body | None) -> _Answer | RunAgain:
        """Run the application, in a thread."""
        environ = environ.copy()  # an application may change it, and it may be run anew
        if body is not None:
            body.put_into(environ)
        try:
            return _call(self._app, environ)
        except RunAgain as again:
            return again

    async def _wait(self, cause: RunAgain, exchange: Exchange, body: Body | None) -> None:
        if isinstance(cause, Pause):
            await asyncio.sleep(cause.seconds)
        elif body is not None:
            try:
                await self._read_large(exchange, body)
            except CoalitionError as refusal:
                exchange.refusal = refusal

    async def _read_large(self, exchange: Exchange, body: Body) -> None:
        sender = exchange.sender
        if self._large.total() >= MOST_LARGE_BODIES or self._large[sender] >= MOST_LARGE_BODIES_EACH:
            raise TooManyUploads(f"at most {MOST_LARGE_BODIES_EACH} large bodies at once")
        self._large[sender] += 1
        try:
            await body.read_large(most=exchange.largest_body_bytes)
        finally:
            self._large[sender] -= 1
            self._large += Counter()  # forget who sends none


def _call(app: WSGIApplication, environ: WSGIEnvironment) -> _Answer:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started[:] = status, headers
        return _write

    chunks = app(environ, start_response)
    iterator = iter(chunks)
    close: Callable[[], None] = getattr(chunks, "close", _nothing)
    first = next(iterator, None)  # an application may wait until then before it says its status
    status, headers = started
    shown = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    length = next((int(value) for name, value in shown if name == b"content-length"), None)
    if first is not None and len(first) < (length or 0):
        return _Answer(int(status[:3]), shown, first, iterator, close)
    try:
        body = (first or b"") + b"".join(iterator)
    finally:
        close()
    is_cut = len(body) < (length or 0) and environ["REQUEST_METHOD"] != "HEAD"
    return _Answer(int(status[:3]), shown, body, None, _nothing, is_cut)


async def _send(lane: Lane, answer: _Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if answer.rest is None:
        if answer.is_cut:
            # Only of a body that comes in parts the server sees that it ends early, and cuts the connection.
            await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if answer.is_cut else answer.body, "more_body": False})
        return
    chunk: bytes | None = answer.body
    try:
        while chunk is not None:
            async with asyncio.timeout(CHUNK_TAKEN_WITHIN_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await lane.run(next, answer.rest, None)
    except Exception:
        log.exception("an answer breaks off")  # too soon for its length, so the server cuts the connection
    finally:
        answer.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _problem(error: CoalitionError) -> _Answer:
    """A refusal where no application is there to make one."""
    document = problems.document(error)
    headers = [(b"content-type", problems.CONTENT_TYPE.encode()), (b"retry-after", b"1")]
    return _Answer(document["status"], headers, json.dumps(document).encode(), None, _nothing)


_SERVER = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
_UNPREFIXED = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def _environ(scope: MutableMapping[str, Any]) -> WSGIEnvironment:
    """What WSGI calls the request of an ASGI `scope` (PEP 3333), as yet without its body."""
    path = scope["raw_path"]
    environ: WSGIEnvironment = {
        **_SERVER,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, value in scope["headers"]:
        # One with an underscore would be taken for its twin with a hyphen.
        if b"_" not in name:
            key = _UNPREFIXED.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            text = value.decode("latin-1")
            if key in environ:
                text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
            environ[key] = text
    return environ


def _nothing() -> None:
    pass


def _write(data: bytes) -> None:
    raise NotImplementedError("the answer is what the application returns")
