"""Connections to receivers: where each goes, how long each phase took, and how much a receiver may say."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from webhooks.phases import Phases

MOST_INTERIM = 16  # answers of 1xx (RFC 9110 §15.2) before the one that counts
MOST_BYTES = 1 << 20  # of one answer; of its body far less is read
SLICE_BYTES = 4_096  # looked at before the next
SWITCHING = 101
LARGEST_RESPONSE_BYTES = 64 * 1024  # of a body: what is read and kept


class TooMuchSaid(aiohttp.ClientError):
    """A receiver talks and talks without answering: cheap for it, while each byte takes time that others wait for."""


@dataclass
class Answer:
    """What came of one POST: a status, or the error that there was instead (or after it).

    `is_connected`: there was a connection to `remote_ip`, a kept one or a new one. `is_ours`: the fault lies with us,
    and the receiver was never asked.
    """

    began_s: float = 0.0
    phases: Phases = field(default_factory=Phases)
    lap_began_s: float = 0.0
    host: str | None = None  # that we connect to; a proxy's is the operator's business
    remote_ip: str | None = None
    is_connected: bool = False
    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    body: bytes = b""
    duration_ms: int = 0
    is_new: bool = False
    is_ours: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it was taken, and the answer came whole."""
        return self.error is None and 200 <= (self.status or 0) < 300

    def lap_ms(self) -> int:
        """How long since the last lap ended, rounded down so that no sum exceeds the whole; the next one begins."""
        now = time.perf_counter()
        took_s, self.lap_began_s = now - self.lap_began_s, now
        return int(took_s * 1000)


@dataclass(frozen=True)
class Limit:
    """Until when an attempt has to be over, and how long it may take in all."""

    total_s: float
    until_s: float  # a monotonic time

    @classmethod
    def of(cls, total_s: float) -> Limit:
        """It begins now."""
        return cls(total_s, time.monotonic() + total_s)

    @property
    def left_s(self) -> float:
        """What is left of it: 0 or less when it is over."""
        return self.until_s - time.monotonic()

    @property
    def said(self) -> str:
        """The error of an attempt that took longer."""
        return f"no complete answer within {self.total_s:.0f} s"


# Of the request that a connection is made for, within its own task.
making: ContextVar[Answer | None] = ContextVar("making", default=None)


class _Protocol(ResponseHandler):
    """Reads what a receiver says in slices, and nothing beyond MOST_INTERIM or MOST_BYTES.

    asyncio makes it once TCP is connected and calls `connection_made` behind the handshake of TLS, if there is one.
    """

    _interim = 0
    _received = 0
    _awaited: Answer | None = None  # until its first byte is here

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._making = making.get()
        if self._making is not None:
            phases = self._making.phases
            phases.connect_ms = (phases.connect_ms or 0) + self._making.lap_ms()  # in a tunnel it is the second one

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._making is not None and transport.get_extra_info("ssl_object") is not None:
            self._making.phases.tls_ms = self._making.lap_ms()
        self._making = None

    def expect(self, answer: Answer) -> None:
        """Take the time until the first byte of `answer`."""
        self._awaited = answer
        answer.lap_ms()

    def set_response_params(self, **said: Any) -> None:
        self._interim = self._received = 0
        super().set_response_params(**said)

    def data_received(self, data: bytes) -> None:
        if self._awaited is not None:
            self._awaited.phases.first_byte_ms = self._awaited.lap_ms()
            self._awaited = None
        self._received += len(data)
        for at in range(0, len(data), SLICE_BYTES):
            super().data_received(data[at : at + SLICE_BYTES])
            if self._interim > MOST_INTERIM or self._received > MOST_BYTES:
                self.set_exception(TooMuchSaid())
                if self.transport is not None:
                    self.transport.abort()
                return

    def feed_data(self, data: tuple[RawResponseMessage, Any], size: int = 0) -> None:
        self._interim += 100 <= data[0].code < 200 and data[0].code != SWITCHING
        super().feed_data(data, size)


SocketFactory = Callable[[tuple[Any, ...]], socket.socket]


def _opened(factory: SocketFactory, address: tuple[Any, ...]) -> socket.socket:
    """A socket for a new connection; the first one ends the look-up of the host's name."""
    answer = making.get()
    if answer is not None and not answer.is_new:
        answer.is_new, took_ms = True, answer.lap_ms()
        if answer.host not in (None, address[4][0]):
            answer.phases.dns_ms = took_ms
    return factory(address)


class Connector(aiohttp.TCPConnector):
    """Says in the Answer of a request where its connection goes, and how long that took.

    Not by TraceConfig: with it aiohttp calls a dozen hooks for each request, also over a kept connection, and none
    tells TCP from TLS.
    """

    goes_through_proxy = False

    def __init__(self, *, socket_factory: SocketFactory, **said: Any) -> None:
        super().__init__(socket_factory=partial(_opened, socket_factory), **said)
        protocol: Any = _Protocol
        self._factory = partial(protocol, loop=asyncio.get_running_loop())

    async def connect(self, req: aiohttp.ClientRequest, *args: Any, **kwargs: Any) -> Any:
        answer = making.get()
        if answer is not None:
            answer.host = None if self.goes_through_proxy else req.url.raw_host
            answer.lap_ms()
        connection = await super().connect(req, *args, **kwargs)
        if answer is not None and connection.transport is not None:
            answer.is_connected = True
            if isinstance(connection.protocol, _Protocol):
                connection.protocol.expect(answer)
            if not self.goes_through_proxy:  # whose address is the operator's business
                answer.remote_ip = str(connection.transport.get_extra_info("peername")[0]).partition("%")[0]
        return connection
