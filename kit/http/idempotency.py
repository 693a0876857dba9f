"""The Idempotency-Key header, and the hash of what was asked under it."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any

from flask import request

from kit.http.problems import IdempotencyKeyMissing
from kit.http.requests import read_json

KEY = re.compile(r"[\x21-\x7e]{1,128}")
PARAMETER = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "description": (
        "Your own key for this request. If you send the request again with the same key, you get the same answer and "
        "we post nothing twice."
    ),
}


def key() -> str:
    """The request's Idempotency-Key; raises IdempotencyKeyMissing."""
    given = request.headers.get("Idempotency-Key", "")
    if not KEY.fullmatch(given):
        raise IdempotencyKeyMissing("send an Idempotency-Key of 1 to 128 visible ASCII characters")
    return given


def request_hash(said: Any = None) -> bytes:
    """SHA-256 over route and body, or `said` where not all of the body counts; its fields' order doesn't matter."""
    body = json.dumps(read_json(request) if said is None else said, sort_keys=True, separators=(",", ":"))
    return sha256(f"{request.method} {request.path}\n{body}".encode()).digest()
