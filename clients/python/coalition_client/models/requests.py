"""Requests you sent: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Request(Answer):
    """One request of yours."""

    request_id: str
    at: datetime
    # which of your clients made it
    client_id: str
    method: str
    path: str
    status: int
    # of the problem, if it was refused
    code: str | None
    # microseconds we took
    duration_us: int
    idempotency_key: str | None
    trace_id: str
    # `query` and `body`; what identifies people and what is secret is masked
    sent: Mapping[str, Any] | None
    # the problem document, or the ids of what came about
    answer: Mapping[str, Any] | None
    # what you can do about the problem
    remedy: str | None
    # the page about the problem
    documentation: str | None
