"""Pumps in processes of their own, to be killed, and a receiver outside of them that remembers what it took.

The processes are forked from one that has everything imported: a test ends dozens of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import mmap
import os
import signal
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kit import clock
from kit.settings import Settings, to_environment
from tests import receiving
from webhooks import jobs

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
forks = get_context("forkserver")
forks.set_forkserver_preload(["pytest", __name__])


class MovedClock:
    """How far the clock of all pumps is from this machine's: a number in a file, so that it moves while they run."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.move(0)

    def move(self, seconds: float) -> None:
        receiving.current().at_any_time |= seconds != 0
        with self.file.open("r+b" if self.file.exists() else "w+b") as kept:
            kept.write(struct.pack("d", seconds))


class Pumps:
    """Processes that run the job as a worker does."""

    def __init__(self, settings: Settings, moved: MovedClock) -> None:
        allowed = replace(settings, webhook_allowed_networks=LOOPBACK, webhook_allow_http=True)
        self._variables, self._moved = to_environment(allowed), moved
        self.running: list[Any] = []

    def start(self) -> Any:
        process = forks.Process(target=_pump, args=(self._variables, str(self._moved.file)), daemon=True)
        process.start()
        self.running.append(process)
        return process

    def end(self, process: Any, how: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, and wait until it is gone."""
        if process.is_alive():
            os.kill(process.pid, how)
        process.join(30)
        assert process.exitcode is not None, "it does not end"
        self.running.remove(process)

    def kill_all(self) -> None:
        for process in list(self.running):
            self.end(process)


def _pump(variables: dict[str, str], moved: str) -> None:
    os.environ.update(variables)
    with Path(moved).open("rb") as kept:
        by = mmap.mmap(kept.fileno(), 8, prot=mmap.PROT_READ)
    clock.now = lambda: datetime.now(UTC) + timedelta(seconds=struct.unpack("d", by[:])[0])
    jobs.pump()


@dataclass(frozen=True)
class Message:
    """One request, whole: the events in it (several in a batch) and the path it came to."""

    path: str
    headers: dict[str, str]
    event_ids: tuple[str, ...]
    body: bytes


Answer = Callable[[Message], Awaitable[int]]


async def takes_it(message: Message) -> int:
    return 204


class Receiver:
    """Listens on the loopback and keeps, in order, what it answered with success, from just before it does.

    `answer` says the status of each message; `connected` is called before anything is read of a connection.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []  # path and event
        self.answer: Answer = takes_it
        self.connected: Callable[[], None] = lambda: None
        self._loop = asyncio.new_event_loop()
        self._served: set[asyncio.Task[Any]] = set()  # the loop alone would let go of those that wait for ever

    @property
    def event_ids(self) -> list[str]:
        return [event_id for _, event_id in list(self.taken)]

    @contextlib.contextmanager
    def listening(self) -> Iterator[Receiver]:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        yield self
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        server.close()
        for task in self._served:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._served, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._served.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.connected()
            while True:
                message = await _read(reader)
                receiving.current().take((self.port, message.path), message.headers, message.body)
                status = await self.answer(message)
                if status == 204:
                    self.taken += [(message.path, event_id) for event_id in message.event_ids]
                writer.write(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Message:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    event = json.loads(body)
    inside = event["data"]["events"] if event["type"] == "batch" else [event]
    return Message(first.split(" ")[1], headers, tuple(one["id"] for one in inside), body)
