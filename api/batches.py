"""Batches: many postings of one partner, each with its own outcome; one bad item never spoils the others.

Every item has a key of its own, the batch's and its number, so a batch that is tried again, after a crash or a lost
answer, posts nothing twice and gets the outcomes it had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import marshmallow as ma
import psycopg

from api import sandbox_faults
from api.commands import OPERATIONS, Operation
from api.schemas import show_return, show_transaction
from coalition import ledger, members, wallets
from coalition.ledger import Command, Outcome, Request
from coalition.refusals import ConcurrentRequest
from identity import member_lookup, step_up
from identity.clients import Principal
from kit import ids, pairwise
from kit.db import DatabaseUnavailable, Session, is_between_versions
from kit.errors import CoalitionError, Invalid
from kit.http.problems import document
from kit.http.requests import invalid_request
from kit.secrets import Keyring

MOST_ITEMS = 1_000
TRIES = 5

# Opens a transaction: committed, or (a dry run) rolled back.
Transactions = Callable[[], AbstractContextManager[Session]]
Answer = dict[str, Any]


class UnknownKind(Invalid):
    code = "unknown_kind"
    title = "Unknown kind"
    description = "Each item of a batch names the kind of its posting. `detail` lists the kinds."
    remedy = "Set `kind` in the item to one of the kinds that `detail` lists, and send the item again."


class ProofInBatch(Invalid):
    code = "proof_in_batch"
    title = "Proof in a batch"
    description = (
        "A batch or a file cannot carry a wallet's code or a PIN: a code is valid for a minute, and we store no PIN."
    )
    remedy = (
        "Take `code` and `pin` out of the item. Send a burn or a hold that needs proof of the member with a request of "
        "its own."
    )


@dataclass(frozen=True)
class Batch:
    """Who posts, under which key, and when: `now` is the true time, whatever a test clock says."""

    principal: Principal
    key: str
    now: datetime
    keyring: Keyring


@dataclass(frozen=True)
class _Item:
    number: int
    request: Request
    command: Command
    member_id: UUID


def post(transactions: Transactions, batch: Batch, items: Sequence[tuple[int, Any]]) -> list[Answer]:
    """Post numbered items (anything JSON gives; an error in its place is its refusal) and answer each, in their order.

    An answer is `{"item": number, "status": 201, "replayed": …, "transaction": {…}}`; of a return it has `returned`, of
    a refusal a `problem` instead.
    Members are named and shown as the partner knows them, wherever the batch is posted. Raises DatabaseUnavailable;
    what was posted by then is answered when the batch is tried again.
    """
    with ids.seen_by(pairwise.view_of(batch.keyring, batch.principal.partner_id)):
        return _post_all(transactions, batch, items)


def _post_all(transactions: Transactions, batch: Batch, items: Sequence[tuple[int, Any]]) -> list[Answer]:
    answers: dict[int, Answer] = {}
    parsed = []
    for number, raw in items:
        try:
            parsed.append((number, raw, *_parse(batch, raw)))
        except CoalitionError as error:
            answers[number] = _refused(number, error)
    with transactions() as session:
        named = member_lookup.named([body for _, _, _, body in parsed], partner_id=batch.principal.partner_id)
        found = members.find_many(session, named, batch.keyring)
        transaction_ids = [target for _, _, operation, body in parsed for target in operation.targets(body)]
        owners = wallets.owners(session, transaction_ids=transaction_ids, partner_id=batch.principal.partner_id)
    ready = []
    for number, raw, operation, body in parsed:
        try:
            targets = operation.targets(body)
            about = targets[0] if targets else member_lookup.among(found, body, partner_id=batch.principal.partner_id)
            # What isn't there is refused before it locks a wallet.
            member_id = next((owners[target] for target in targets if target in owners), about)
            ready.append(_item(batch, number, raw, operation.command_of(batch.principal, body, about), member_id))
        except CoalitionError as error:
            answers[number] = _refused(number, error)
    # Wallets are locked in one order, whoever posts them; a member's items stay in the order given, also those that
    # name a hold or a transaction instead.
    ready.sort(key=lambda item: (item.member_id, item.number))
    for start in range(0, len(ready), ledger.MOST_AT_ONCE):
        part = ready[start : start + ledger.MOST_AT_ONCE]
        for item, outcome in zip(part, _post(transactions, part), strict=True):
            answers[item.number] = _answer(item.number, outcome)
    return [answers[number] for number in sorted(answers)]


def _parse(batch: Batch, raw: Any) -> tuple[Operation, dict[str, Any]]:
    if isinstance(raw, CoalitionError):
        raise raw
    if not isinstance(raw, dict) or not isinstance(raw.get("kind"), str) or raw["kind"] not in OPERATIONS:
        raise UnknownKind(f"an item is an object whose kind is one of {', '.join(OPERATIONS)}")
    operation = OPERATIONS[raw["kind"]]
    operation.check_scopes(batch.principal, raw)
    operation.check_partner(batch.principal, now=batch.principal.time(batch.now))
    target = operation.target[0] if operation.target else None
    try:
        body: dict[str, Any] = operation.schema.load({k: v for k, v in raw.items() if k not in ("kind", target)})
    except ma.ValidationError as error:
        raise invalid_request(error) from None
    if batch.keyring.realm == "test":
        sandbox_faults.check_item(body["reference"])
    if "code" in body or "pin" in body:
        raise ProofInBatch("send a code or PIN with a single posting, not in a batch")
    if operation.target:
        name, prefix = operation.target
        body[name] = ids.parse(prefix, raw[name] if isinstance(raw.get(name), str) else "")
    return operation, body


def _item(batch: Batch, number: int, raw: Any, command: Command, member_id: UUID) -> _Item:
    content = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    request = Request(
        partner_id=batch.principal.partner_id,
        key=f"{batch.key}#{number}",
        request_hash=sha256(b"batch item\n" + content).digest(),
        now=batch.principal.time(batch.now),
    )
    return _Item(number, request, command, member_id)


def _post(transactions: Transactions, part: list[_Item]) -> list[Outcome]:
    wanted = [(item.request, item.command) for item in part]
    for tried in range(1, TRIES + 1):
        try:
            with transactions() as session:
                return ledger.post_many(session, wanted, through=step_up.DOOR)
        except (DatabaseUnavailable, ConcurrentRequest):
            # A deadlock with another batch, or the same receipts in one: the other is through by now.
            if tried == TRIES:
                raise
        except psycopg.Error as error:
            if tried == TRIES or not is_between_versions(error):
                raise
    raise AssertionError("unreachable")


def _answer(number: int, outcome: Outcome) -> Answer:
    if outcome.refusal is not None:
        return {**_refused(number, outcome.refusal), "replayed": outcome.replayed}
    answer: Answer = {"item": number, "status": 201, "replayed": outcome.replayed}
    if outcome.reversals:
        return {**answer, "returned": show_return(outcome)}
    return {**answer, "transaction": show_transaction(outcome.unwrap())}


def _refused(number: int, error: CoalitionError) -> Answer:
    problem = document(error)
    return {"item": number, "status": problem["status"], "replayed": False, "problem": problem}


def count(answers: Sequence[Answer]) -> Iterator[tuple[str, int]]:
    """How many items were posted now, had been posted before, and were refused."""
    posted = sum("problem" not in answer and not answer["replayed"] for answer in answers)
    replayed = sum("problem" not in answer and bool(answer["replayed"]) for answer in answers)
    yield from (("posted", posted), ("replayed", replayed), ("refused", len(answers) - posted - replayed))
