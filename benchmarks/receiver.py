"""A receiver of webhooks that does next to nothing; `python -m benchmarks.receiver`.

It prints its port, answers every POST with 204, and ends when its standard input does. It shares the cores
with the senders that are measured, and aiohttp's own server would take more of them than they do.
"""

from __future__ import annotations

import asyncio
import re
import sys

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
LARGEST_REQUEST_BYTES = 1024 * 1024


class Receiver(asyncio.Protocol):
    """One connection: whole requests in, answers out, in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._got = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._got, 0, end + 2)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._got) < size:
                break
            self._got = self._got[size:]
            self._transport.write(ANSWER)
        if len(self._got) > LARGEST_REQUEST_BYTES:
            self._transport.close()


async def serve() -> None:
    """Receive on a free port of the loopback until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
