"""What can go wrong, as one tree: `except CoalitionClientError` catches everything this package raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class CoalitionClientError(Exception):
    """Root of the tree."""


class NoAnswer(CoalitionClientError):
    """The coalition did not answer, however often it was asked; whether it did what was asked is not known.

    Call again with the same arguments and `idempotency_key=error.idempotency_key`, now or tomorrow: what was done is
    not done twice. The key is None where the call has none.
    """

    def __init__(self, reason: str, *, attempts: int, idempotency_key: str | None) -> None:
        super().__init__(f"no answer after {attempts} attempts: {reason}")
        self.attempts = attempts
        self.idempotency_key = idempotency_key


class UnexpectedAnswer(CoalitionClientError):
    """What answered does not speak as the coalition does: a proxy, another service, a version too far from ours."""


class SignInRefused(CoalitionClientError):
    """The token endpoint refused the client; `code` is an error of RFC 6749, such as `invalid_client`."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code


class WebhookRejected(CoalitionClientError):
    """A webhook that is not to be believed: signature, time or form is wrong. Answer it with 400."""


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: a JSON pointer into the request, and what is wrong with it."""

    pointer: str
    detail: str


class Problem(CoalitionClientError):
    """The coalition said no (RFC 9457). `code` is stable; every code has a class in `coalition_client.problems`.

    `retryable` says that the same request may be sent again; where that is safe it was, before this is raised.
    `fields` holds what else the problem tells, e.g. `points` of one about points; `errors` each field that is wrong.
    """

    code: str = ""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.code = str(document.get("code", self.code))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.status = int(document.get("status", 0))
        self.request_id = str(document.get("request_id", ""))
        self.retryable = document.get("retryable") is True
        self.errors = tuple(
            FieldError(str(one.get("pointer", "")), str(one.get("detail", ""))) for one in document.get("errors", ())
        )
        self.fields = {name: value for name, value in document.items() if name not in _COMMON}
        super().__init__(f"{self.detail} ({self.code}, {self.request_id})")


_COMMON = frozenset(("type", "code", "title", "detail", "status", "request_id", "retryable", "errors"))


class Malformed(Problem):
    """The request can't be read (400, 413, 415)."""


class Unauthorized(Problem):
    """The token is not good (401); a new one was asked for once before this is raised."""


class Forbidden(Problem):
    """Known, but not permitted (403)."""


class NotFound(Problem):
    """There is no such thing, or it is not yours to see (404)."""


class Conflict(Problem):
    """Well-formed, but against the present state (409)."""


class Stale(Problem):
    """Changed since you saw it, or you didn't say what you saw (412, 428)."""


class Invalid(Problem):
    """Understood, but out of bounds (422)."""


class TooManyRequests(Problem):
    """More than your limit allows (429)."""


class Unavailable(Problem):
    """A fault of the coalition's, or of something it depends on (500, 503)."""


OF_STATUS: dict[int, type[Problem]] = {
    400: Malformed,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Stale,
    413: Malformed,
    415: Malformed,
    422: Invalid,
    428: Stale,
    429: TooManyRequests,
    500: Unavailable,
    503: Unavailable,
}
