"""A file whose upload breaks is nowhere: it is refused, none of it is stored, its key is free for the whole file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from kit.http.gateway import Gateway, Lane
from tests.conftest import CARD, World
from tests.service import Caller

LINE = json.dumps({"kind": "earn", "card": CARD, "points": 2500, "reference": "R1"}).encode()


def hand_in(
    app: Flask, token: str, body: bytes, *, length: int | None, end: bool = True, to: str = "/v1/batches/files",
    media_type: bytes = b"application/jsonl",
) -> tuple[int, Any]:  # fmt: skip
    """Send `body`, of `length` as it is said or (None) chunked, through the gateway; without `end` it breaks off."""
    headers = [
        (b"host", b"x"),
        (b"authorization", f"Bearer {token}".encode()),
        (b"idempotency-key", b"file"),
        (b"content-type", media_type),
        (b"transfer-encoding", b"chunked") if length is None else (b"content-length", str(length).encode()),
    ]
    path, _, query = to.partition("?")
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        "headers": headers,
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": True}]
    messages += [{"type": "http.request", "body": b"", "more_body": False}] if end else []
    messages.append({"type": "http.disconnect"})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    lane = Lane(threads=2, most_waiting=5)
    asyncio.run(Gateway(app, lambda path: lane)(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize("length", [len(LINE), None], ids=["by its length", "by its chunks"])
def test_a_cut_file_is_refused_and_the_whole_one_is_taken_under_its_key(
    world: World, app: Flask, caller: Callable[..., Caller], length: int | None
) -> None:
    grocer = caller("greengrocer")
    status, said = hand_in(app, grocer.token, LINE[:-25], length=length, end=False)
    assert (status, said["code"]) == (400, "incomplete_body")
    assert world.count("partners.batch_file") == 0
    status, said = hand_in(app, grocer.token, LINE, length=length)
    assert (status, said["lines"]) == (202, 1)
