"""What schemathesis has to be told of our API to judge it: its body types, and what only looks as if it were valid."""

from __future__ import annotations

import secrets
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    MissingHeaderNotRejected,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)


@schemathesis.serializer("application/jsonl", "application/x-ndjson", "text/csv")
def write_as_it_is(context: Any, value: Any) -> bytes:
    """A body that is no JSON document: text and bytes go as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Make valid requests valid: a key names one request, and a cursor is one of ours."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = secrets.token_hex(8)
    if case.query:
        case.query.pop("cursor", None)


# What isn't a failure, by the paths where it isn't one.
NONE_HERE = {
    # GET /v1/batches/files asks for a file called "files".
    "/v1/batches/files": (UnsupportedMethodResponse, AllowHeaderMismatch, AcceptedNegativeData),
    # GET /v1/admin/members/find asks for a member called "find".
    "/v1/admin/members/find": (UnsupportedMethodResponse, AllowHeaderMismatch),
    # A wrong line or item is refused by itself, in an answer for all of them.
    "/v1/batches": (AcceptedNegativeData,),
}


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Let go what is no failure.

    A schema says how a request is made, and what is made otherwise is refused with `invalid_request`; rules that no
    schema holds (a card's check digit, how old a purchase may be) refuse with codes of their own. To a schema 12.0 is
    an integer, and to us it is none; a text with NUL is one to a schema, and not to the database. If-Match left out is
    428 (RFC 6585).
    """
    if isinstance(failure, RejectedPositiveData):
        problem = response.json()
        told = ("Not a valid integer.", "a text holds NUL or half of a surrogate pair")
        return problem["code"] == "invalid_request" and problem["detail"] not in told
    if isinstance(failure, MissingHeaderNotRejected):
        return response.status_code != 428
    return not isinstance(failure, NONE_HERE.get(case.operation.path, ()))
