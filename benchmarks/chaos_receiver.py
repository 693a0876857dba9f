"""A receiver of webhooks that fails at random and keeps the ids of what it took; `python -m benchmarks.chaos_receiver`.

The first line of its standard input says how often it does what; it prints its port. The second says with whose keys
it verifies what comes to each path. When its input ends it prints what it took. It knows nothing of the coalition but
the format of a message, and verifies with the package of Standard Webhooks, and v1a with cryptography.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

DROPPED_S = 60.0  # longer than any sender waits


@dataclass(frozen=True)
class Moods:
    """How likely each message is to be dropped, refused, and so on, and delayed before any of it."""

    seed: int
    never_answered: float = 0.01
    refused: float = 0.04
    closed: float = 0.03  # before an answer; the message is not taken
    cut: float = 0.02  # taken, and the connection closed within the answer
    delayed: float = 0.1
    longest_delay_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if self.failing >= 1 or not 0 <= self.delayed <= 1:
            raise ValueError("the chances of one message are at most 1 in all")

    @property
    def failing(self) -> float:
        """How likely a sender is to see a failure."""
        return self.never_answered + self.refused + self.closed + self.cut


@dataclass(frozen=True)
class Trusted:
    """The secret (v1), and if there is one the public key in hexadecimal (v1a), that sign the messages of a path."""

    secret: str
    public_key: str | None = None

    def signed(self, message: Message) -> bool:
        """Whether the message verifies."""
        headers = message.headers
        try:
            Webhook(self.secret).verify(message.body, headers, json_parse=False)
            if self.public_key is not None:
                signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + message.body
                [v1a] = [one[4:] for one in headers["webhook-signature"].split(" ") if one.startswith("v1a,")]
                key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
                key.verify(base64.b64decode(v1a), signed)
        except (WebhookVerificationError, InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Message:
    """One request; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_ids(self) -> list[str]:
        """The events in it: several in a batch."""
        event = json.loads(self.body)
        return [one["id"] for one in (event["data"]["events"] if event["type"] == "batch" else [event])]


class Receiver:
    """Takes messages as its moods are, and counts as `unsigned` those that do not verify."""

    def __init__(self, moods: Moods) -> None:
        self._moods, self._random = moods, random.Random(moods.seed)
        self.taken: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()  # of those taken, whose sender saw a failure
        self.did: Counter[str] = Counter()
        self.trusted: dict[str, Trusted] = {}
        self.unsigned = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read message after message of a connection, until it is closed by either side."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(await _message(reader), writer):
                await writer.drain()
        writer.close()

    async def _answer(self, message: Message, writer: asyncio.StreamWriter) -> bool:
        trusted, event_ids = self.trusted.get(message.path), message.event_ids
        self.unsigned += trusted is None or not trusted.signed(message)
        if self._random.random() < self._moods.delayed:
            await asyncio.sleep(self._random.random() * self._moods.longest_delay_s)
        mood = self._mood()
        self.did[mood] += 1
        if mood == "never_answered":
            await asyncio.sleep(DROPPED_S)
        if mood in ("never_answered", "closed"):
            return False
        if mood == "refused":
            writer.write(b"HTTP/1.1 500 Not today\r\nContent-Length: 0\r\n\r\n")
            return True
        self.taken.update(event_ids)
        if mood == "cut":
            self.cut.update(event_ids)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            return False
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    def _mood(self) -> str:
        drawn = self._random.random()
        for mood in ("never_answered", "refused", "closed", "cut"):
            drawn -= getattr(self._moods, mood)
            if drawn < 0:
                return mood
        return "taken"


async def _message(reader: asyncio.StreamReader) -> Message:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Message(first.split(" ")[1], headers, await reader.readexactly(int(headers["content-length"])))


async def _receive(moods: Moods) -> None:
    loop = asyncio.get_running_loop()
    receiver = Receiver(moods)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    told = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    receiver.trusted = {path: Trusted(**one) for path, one in told.items()}
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    found = {"taken": receiver.taken, "cut": receiver.cut, "did": receiver.did, "unsigned": receiver.unsigned}
    print(json.dumps(found), flush=True)


def as_question(moods: Moods) -> str:
    """What a receiver of these moods is told first."""
    return json.dumps(asdict(moods)) + "\n"


def as_keys(trusted: Mapping[str, Trusted]) -> str:
    """What it is told then: whom to trust, by path."""
    return json.dumps({path: asdict(one) for path, one in trusted.items()}) + "\n"


if __name__ == "__main__":
    asyncio.run(_receive(Moods(**json.loads(sys.stdin.readline()))))
