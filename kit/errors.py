"""One tree of errors. A category says what kind of no it is, `code` is what a program may rely on.

The core raises these and knows no status codes; `kit.http.problems` turns them into RFC 9457 problem details and
makes the catalogue of them from this very tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class CoalitionError(Exception):
    """Root of the tree: `detail` is a sentence for a person, `fields` are facts for a program.

    `description` says what every error of this code means, `remedy` in a sentence or two what whoever meets it can
    do. `facts` names the facts among the `fields` that it has.
    """

    code: ClassVar[str] = ""
    title: ClassVar[str] = ""
    description: ClassVar[str] = ""
    facts: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class Invalid(CoalitionError):
    """What came in can't be understood or breaks a bound; sending it again won't help."""


class NotFound(CoalitionError):
    """There is no such thing, or it is not yours to see."""


class Conflict(CoalitionError):
    """Well-formed, but against the present state."""


class Forbidden(CoalitionError):
    """Known, but not permitted."""


class LimitReached(CoalitionError):
    """Too much was asked for in too short a time; `retry_after_s` says when it may be asked again."""

    retryable = True


class Stale(CoalitionError):
    code = "precondition_failed"
    title = "Changed by someone else"
    description = "Somebody changed the resource after you read it. We did nothing."
    remedy = "GET the resource again, look at what changed, and send your change with the new ETag."


class Unavailable(CoalitionError):
    code = "unavailable"
    title = "Temporarily unavailable"
    description = "A part that we depend on does not answer. You can send the same request again."
    remedy = (
        "Try again in a moment. A program waits for the number of seconds in Retry-After and sends the same request "
        "again with the same Idempotency-Key."
    )
    retryable = True


def catalogue() -> dict[str, type[CoalitionError]]:
    """Every error that can be raised by its code; a code belongs to exactly one class."""
    found: dict[str, type[CoalitionError]] = {}
    for kind in _descendants(CoalitionError):
        if not kind.code:
            continue
        if kind.code in found:
            raise RuntimeError(f"the error code {kind.code} is used twice")
        found[kind.code] = kind
    return dict(sorted(found.items()))


def _descendants(kind: type[CoalitionError]) -> Iterator[type[CoalitionError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)
