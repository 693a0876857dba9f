"""A receiver of webhooks that remembers when each came first; `python -m benchmarks.timed_receiver`.

It prints its port and answers every POST with 204, those below /hangs never. When its standard input ends it prints a
JSON object: seconds since 1970 by webhook-id.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

from benchmarks.receiver import ANSWER, LENGTH

ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)
came: dict[str, float] = {}


class Receiver(asyncio.Protocol):
    """One connection: whole requests in, answers out, in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._got = b""

    def data_received(self, data: bytes) -> None:
        """Note and answer every request that is complete."""
        now = time.time()
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[: end + 2]
            length = LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._got) < size:
                break
            self._got = self._got[size:]
            if head.startswith(b"POST /hangs"):
                return
            if found := ID.search(head):
                came.setdefault(found[1].decode(), now)
            self._transport.write(ANSWER)


async def serve() -> None:
    """Receive on a free port of the loopback until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    print(json.dumps(came), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
