"""The points ledger: one verb, `post`, for each command, and those that post many.

Every verb is idempotent twice: by the partner's key (what was answered is answered again, refusals included) and for
ever by the partner's reference. Each is one call of a database function, which is the only thing that may write the
ledger's tables (docs/decisions/0002-one-write-path.md). What goes to it and what comes back is said by name, so that
processes of two versions work on one database (docs/decisions/0025-the-contract-by-name.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from itertools import groupby
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from coalition.ledger.commands import Award, Command, Outcome, Request, Return, Reversal, Transaction, columns
from coalition.refusals import ConcurrentRequest, refusal_of
from kit import ids
from kit.db import Session, call, fetch

# The fields of coalition.request, with their types: psycopg can't tell them from an empty list.
FIELDS = {
    "kind": "coalition.txn_kind",
    "partner_id": "uuid",
    "key": "text",
    "request_hash": "bytea",
    "txn_id": "uuid",
    "event_id": "uuid",
    "now": "timestamptz",
    "member_id": "uuid",
    "original_id": "uuid",
    "reference": "text",
    "points": "bigint",
    "amount_minor": "bigint",
    "currency": "text",
    "effective_at": "timestamptz",
    "due_at": "timestamptz",
    "meta": "jsonb",
    "location_id": "uuid",
    "location_code": "text",
}
_NOTHING = dict.fromkeys(FIELDS)
_COLUMNS = f"SELECT o.replayed, o.refusal, o.detail, {columns('(o.txn)')} FROM "  # noqa: S608
_REQUEST = f"coalition.request({', '.join(f'{name} => %({name})s' for name in FIELDS)})"
_NAMES = ", ".join(FIELDS)
_ARRAYS = f"unnest({', '.join(f'%({name}s)s::{type_}[]' for name, type_ in FIELDS.items())})"
_EACH = f"coalition.request({', '.join(f'{name} => r.{name}' for name in FIELDS)})"
_MANY = f"{_COLUMNS} {_ARRAYS} WITH ORDINALITY AS r ({_NAMES}, n) CROSS JOIN LATERAL {{door}}({_EACH}) o ORDER BY r.n"
_RETURN = f"{_COLUMNS} {{door}}({_REQUEST}, ARRAY(SELECT {_EACH} FROM {_ARRAYS} AS r ({_NAMES}))) o"  # noqa: S608


class Door(NamedTuple):
    """Database functions that postings go through: `posting` takes one of any kind but a return, `returning` that."""

    posting: str
    returning: str


DOOR = Door("coalition.ledger_post", "coalition.ledger_return")  # the dispatcher inside the database knows every kind
# Going past it saves those at a till a call.
_FUNCTION_OF_KIND = {
    "earn": "coalition.ledger_earn",
    "burn": "coalition.ledger_burn",
    "hold": "coalition.ledger_burn",
    "capture": "coalition.ledger_end_hold",
    "void": "coalition.ledger_end_hold",
    "reversal": "coalition.ledger_reverse",
    "clawback": "coalition.ledger_claw_back",
}


def post(session: Session, request: Request, command: Command, *, through: Door | None = None) -> Outcome:
    """Post a command; its class says what it does, which event tells of it, and how it may be refused.

    `through` is a door of a room above that decides first whether it may be posted, with the room's own refusals.
    """
    if command.location_code is not None and (through or DOOR) is DOOR:
        raise ValueError("what a partner calls its location is known behind the partners' door only")
    if isinstance(command, Return):
        return _return(session, (through or DOOR).returning, request, command)
    function = through.posting if through else _FUNCTION_OF_KIND.get(command.kind, DOOR.posting)
    (row,) = _fetch(session, f"{_COLUMNS}{function}({_REQUEST}) o", _parameters(request, command))
    return _outcome(row)


_ANSWERED = "SELECT coalition.ledger_is_answered(%(partner_id)s, %(key)s, %(reference)s, %(kind)s)"


def is_answered(session: Session, request: Request, command: Command) -> bool:
    """Whether the request's key or the command's reference came before: `post` then moves no points any more."""
    asked = {"partner_id": request.partner_id, "key": request.key, "reference": command.reference, "kind": command.kind}
    return bool(call(session, _ANSWERED, asked)[0])


MOST_AT_ONCE = 250


def post_many(session: Session, wanted: Sequence[tuple[Request, Command]], *, through: Door = DOOR) -> list[Outcome]:
    """Post up to MOST_AT_ONCE commands of any kinds, each with its own outcome, in the order given.

    They take one round trip, and each return among them one more. A wallet stays locked until the transaction ends, so
    commands should come in the order of their members: whoever posts two batches at once can otherwise meet a deadlock,
    of which PostgreSQL ends one (DatabaseUnavailable).
    """
    if len(wanted) > MOST_AT_ONCE:
        raise ValueError(f"{len(wanted)} postings at once, {MOST_AT_ONCE} at most")
    if through is DOOR and any(command.location_code is not None for _, command in wanted):
        raise ValueError("what a partner calls its location is known behind the partners' door only")
    outcomes: list[Outcome] = []
    for are_returns, run in groupby(wanted, key=lambda asked: isinstance(asked[1], Return)):
        if are_returns:
            outcomes += [post(session, request, command, through=through) for request, command in run]
        else:
            rows = [_parameters(request, command) for request, command in run]
            statement = _MANY.replace("{door}", through.posting)
            outcomes += [_outcome(row) for row in _fetch(session, statement, _arrays(rows))]
    return outcomes


def _return(session: Session, function: str, request: Request, command: Return) -> Outcome:
    keyless = replace(request, key=None, request_hash=None)
    said: dict[str, Any] = {
        "reference": command.reference, "effective_at": command.effective_at, "may_owe": command.may_owe,
        "location_id": command.location_id, "location_code": command.location_code,
    }  # fmt: skip
    rows = [_parameters(keyless, Reversal(**said, **vars(part))) for part in command.parts]
    whole = {**rows[0], "key": request.key, "request_hash": request.request_hash}
    found = _fetch(session, _RETURN.replace("{door}", function), {**whole, **_arrays(rows)})
    outcomes = [_outcome(row) for row in found]
    if outcomes[0].refusal is not None:
        return outcomes[0]
    made = {each.reverses_transaction_id: each for each in (outcome.unwrap() for outcome in outcomes)}
    return Outcome(
        replayed=all(outcome.replayed for outcome in outcomes),
        transaction=max(made.values(), key=lambda each: each.member_seq),
        refusal=None,
        reversals=tuple(made[part.original_id] for part in command.parts),
    )


def _arrays(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {f"{name}s": [row[name] for row in rows] for name in FIELDS}


def _fetch(session: Session, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    try:
        return fetch(session, statement, parameters)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "txn_reference":
            raise  # of ids, postings or lots: asking again would meet it again
        # Two receipts with one reference for two members at the same instant: the later may simply ask again.
        raise ConcurrentRequest("the same reference is being posted at this moment") from error


def _parameters(request: Request, command: Command) -> dict[str, Any]:
    ours = {"kind": command.kind, "txn_id": ids.new(), "event_id": ids.new()}
    said = {**_NOTHING, **vars(request), **vars(command), **ours}
    if not said.pop("may_owe", True):
        said["meta"] = Jsonb({"may_owe": False})
    if awards := said.pop("awards", ()):
        said["meta"] = Jsonb({"awards": [_award(award) for award in awards]})
    return said


def _award(award: Award) -> dict[str, Any]:
    """What is said of an award, in one form: the same award is the same JSON."""
    said = {name: value for name, value in vars(award).items() if value is not None}
    if award.issuer_id is not None:
        said["issuer_id"] = str(award.issuer_id)
    if award.expires_on is not None:
        said["expires_on"] = award.expires_on.isoformat()
    if award.vests_at is not None:
        said["vests_at"] = award.vests_at.astimezone(UTC).isoformat()
    return said


def _outcome(row: tuple[Any, ...]) -> Outcome:
    replayed, refusal, detail, *txn = row
    if refusal is not None:
        return Outcome(replayed, None, refusal_of(refusal, detail))
    return Outcome(replayed, Transaction(*txn), None)
