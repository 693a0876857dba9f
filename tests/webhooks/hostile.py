"""Receivers that do what they should not, each a few lines over a real socket, all on one loop in a thread."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import receiving

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receivers:
    """Servers on loopback; `requests` counts what each was asked whole, `sent` the bytes each could get rid of."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # connections that break are what we are here for
        self._servers: list[asyncio.AbstractServer] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def serve(
        self, name: str, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> int:
        """The port of a server that does `behaviour` to each connection, and then closes it."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await behaviour(
                    _Counted(reader, self.requests, name, writer.get_extra_info("sockname")[1]),
                    _Measured(writer, self.sent, name),
                )
            except (OSError, EOFError, ValueError):
                pass
            finally:
                writer.close()

        async def start() -> asyncio.AbstractServer:
            return await asyncio.start_server(handle, host, 0, ssl=tls, backlog=500)

        server = asyncio.run_coroutine_threadsafe(start(), self._loop).result(5)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Drop everything."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class _Counted:
    def __init__(self, reader: asyncio.StreamReader, requests: Counter[str], name: str, port: int) -> None:
        self.raw, self._requests, self._name, self._port = reader, requests, name, port

    async def request(self) -> bytes:
        """The head and the body of the next request, a webhook that verifies."""
        head = await self.raw.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}
        body = await self.raw.readexactly(int(headers["content-length"]))
        receiving.current().take((self._port, first.split(" ")[1]), headers, body)
        self._requests[self._name] += 1
        return head + body


class _Measured:
    def __init__(self, writer: asyncio.StreamWriter, sent: Counter[str], name: str) -> None:
        self.raw, self._sent, self._name = writer, sent, name

    async def say(self, data: bytes) -> None:
        self.raw.write(data)
        await self.raw.drain()
        self._sent[self._name] += len(data)


def answers(data: bytes) -> Behaviour:
    """Reads a request, says `data`, closes."""

    async def behave(reader, writer) -> None:
        await reader.request()
        await writer.say(data)

    return behave


def drips(start: bytes, drop: bytes, *, every_s: float) -> Behaviour:
    """Reads a request, says `start`, then `drop` again and again."""

    async def behave(reader, writer) -> None:
        await reader.request()
        await writer.say(start)
        while True:
            await writer.say(drop)
            await asyncio.sleep(every_s)

    return behave


async def hangs(reader, writer) -> None:
    """Reads nothing, says nothing."""
    await asyncio.sleep(60)


async def resets(reader, writer) -> None:
    """Reads a request, and breaks the connection off."""
    await reader.request()
    writer.raw.transport.abort()


async def answers_first(reader, writer) -> None:
    """Answers before it has read anything."""
    await writer.say(b"HTTP/1.1 204 No Content\r\n\r\n")
    await reader.request()


async def keeps_open_for_one(reader, writer) -> None:
    """Lets one request through, offers to keep the connection, and closes it on the second, unanswered."""
    await reader.request()
    await writer.say(b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n")
    await reader.raw.read(1)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes from one goes to the other, until it ends."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


def certificate(folder: Path, *, days: int) -> ssl.SSLContext:
    """TLS for localhost and hooks.example that nobody vouches for, good until so many `days` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("hooks.example")]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / f"receiver{days}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
