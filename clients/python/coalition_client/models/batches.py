"""Many postings at once: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalition_client.models.members import Transaction
from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class BatchAnswer(Answer):
    """What came of a batch."""

    posted: int
    replayed: int
    refused: int
    data: tuple[ItemAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ItemAnswer:
    """What came of one item: its transaction, or the problem it met."""

    # its place in the batch, from 1
    item: int
    # as its own route would have answered
    status: int
    # posted before; nothing was posted now
    replayed: bool
    transaction: Transaction | None = None
    # RFC 9457 problem details
    problem: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class BatchFile(Answer):
    """A file and how far it is."""

    batch_id: str
    status: str
    lines: int
    # of the lines: posted + replayed + refused
    done: int
    posted: int
    replayed: int
    refused: int
    created_at: datetime
    finished_at: datetime | None
    cancelled_because: str | None
    # set aside after a fault of ours; it goes on by itself
    paused_until: datetime | None
