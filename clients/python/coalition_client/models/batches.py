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
    """The outcome of a batch."""

    posted: int
    replayed: int
    refused: int
    data: tuple[ItemAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class ItemAnswer:
    """The outcome of one item: its transaction, all transactions of a return, or its problem."""

    # The item's place in the batch, from 1
    item: int
    # The status that the item's own route would answer with
    status: int
    # Whether you posted the item before, so that we posted nothing now
    replayed: bool
    transaction: Transaction | None = None
    # For a return: what its own route answers
    returned: ReturnShown | None = None
    # Problem details (RFC 9457)
    problem: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReturnShown(Answer):
    """The outcome of a return: a reversal for each transaction in your order, and the wallet after."""

    reference: str
    available_after: int
    debt_after: int
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, kw_only=True)
class BatchFile(Answer):
    """A file and its progress."""

    batch_id: str
    status: str
    lines: int
    # The lines done so far: posted + replayed + refused
    done: int
    posted: int
    replayed: int
    refused: int
    created_at: datetime
    finished_at: datetime | None
    cancelled_because: str | None
    # Set after a mistake of ours, or after refusals used up your lookups. The file continues by itself.
    paused_until: datetime | None
