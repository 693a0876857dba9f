"""Webhooks you receive: verified (Standard Webhooks, https://www.standardwebhooks.com) and read as typed events."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalition_client import events
from coalition_client.errors import UnexpectedAnswer, WebhookRejected
from coalition_client.values import decode

TOLERANCE_S = 300
PREFIX = "whsec_"
SHORTEST_KEY_BYTES = 16


@dataclass(frozen=True)
class Event:
    """What happened. `id` is the same whenever it is sent again: keep the ids you have seen, and do nothing twice.

    `data` is of the class that `type` and `version` have in `coalition_client.events`, or plain JSON if they have none.
    """

    id: str
    type: str
    version: int
    timestamp: datetime
    data: Any


def verify(
    body: bytes, headers: Mapping[str, str], *secrets: str, tolerance_s: int = TOLERANCE_S, now: float | None = None
) -> Event:
    """The event in a request to your endpoint; raises WebhookRejected unless it is the coalition's, and sent just now.

    `body` are the bytes as they came, `headers` all of the request's, `secrets` the endpoint's (two while you change
    them). `now` is in seconds since 1970, the clock's if left out.
    """
    there = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, stamp, signatures = (there["webhook-" + name] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise WebhookRejected(f"the header {error.args[0]} is missing") from None
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise WebhookRejected("webhook-timestamp is no number of seconds")
    if abs((time.time() if now is None else now) - int(stamp)) > tolerance_s:
        raise WebhookRejected("it was sent too long ago, or is from the future")
    if not secrets:
        raise ValueError("name the endpoint's secret")
    expected = [_signature(secret, f"{message_id}.{stamp}.".encode() + body) for secret in secrets]
    came = [one.partition(",")[2] for one in signatures.split(" ") if one.startswith("v1,")]
    # All of them are compared, so that the time it takes tells nothing.
    if not any([hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in came]):  # noqa: C419
        raise WebhookRejected("no signature is right")
    return _read(body, message_id)


def _signature(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < SHORTEST_KEY_BYTES:  # an empty one, say of a setting that is missing, would let everybody sign
        raise ValueError("an endpoint's secret is whsec_ and the base64 of its key")
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _read(body: bytes, message_id: str) -> Event:
    try:
        said = json.loads(body)
        kind = events.OF_TYPE.get((said["type"], said["version"]))
        data = said["data"] if kind is None else decode(kind, said["data"])
        at = datetime.fromisoformat(said["timestamp"])
        event = Event(str(said["id"]), str(said["type"]), int(said["version"]), at, data)
    except (ValueError, KeyError, TypeError, UnexpectedAnswer) as error:
        raise WebhookRejected("the body is no event") from error
    if event.id != message_id:
        raise WebhookRejected("webhook-id is another's")
    return event
