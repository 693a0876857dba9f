"""What an endpoint is sent of an event, made from its frozen body: the same bytes whenever it is sent. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

BATCH_VERSION = 1


def thin(body: bytes) -> bytes:
    """`body` with no more of its data than ids: for who may not store what else is in it."""
    event = json.loads(body)
    event["data"] = {name: value for name, value in event["data"].items() if name.endswith("_id")}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def batch(batch_id: str, bodies: Sequence[bytes]) -> bytes:
    """Several events as one message: an object like an event's, of the first one's time, whose data holds them all."""
    said = {"id": batch_id, "type": "batch", "version": BATCH_VERSION, "timestamp": json.loads(bodies[0])["timestamp"]}
    head = json.dumps(said, separators=(",", ":")).encode()
    return head[:-1] + b',"data":{"events":[' + b",".join(bodies) + b"]}}"
