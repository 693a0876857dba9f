"""Optimistic locking: a resource's version as ETag, and If-Match on whatever changes it.

A row carries `version`, which every change raises. Whatever answers with the resource is `tagged`; PATCH and DELETE
hand `expected_version()` to a verb that compares and changes at once (kit.expected_version), and raises
kit.errors.Stale (412) if it can't.
"""

from __future__ import annotations

import re
from typing import Protocol, TypeAlias, TypeVar

from flask import request

from kit.http.problems import HttpError, MalformedRequest

MOST_TAGS = 10
_TAGS = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,64}"(?:\s*,\s*(?:W/)?"[\x21\x23-\x7e]{0,64}")*')
_TAG = re.compile(r'(W/)?"([^"]*)"')
_OURS = re.compile(r"v([1-9][0-9]{0,8})")
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "schema": {"type": "string", "maxLength": 1000, "pattern": rf"^(\*|{_TAGS.pattern})$"},
    "example": '"v1"',
    "description": "The ETag of the state you read and want to change, or `*` to change any state.",
}
ETAG = {
    "ETag": {
        "description": "The ETag of this state. Send it as If-Match to change the resource.",
        "schema": {"type": "string"},
    }
}


class PreconditionRequired(HttpError):
    code, title, status = "precondition_required", "If-Match missing", 428
    description = "To change this resource, send an If-Match header (RFC 6585)."
    remedy = "GET the resource and send its ETag as If-Match with your change."


def tag_of(version: int) -> dict[str, str]:
    """The header that names a row's version."""
    return {"ETag": f'"v{version}"'}


class Versioned(Protocol):
    """Anything that says which version of itself it is."""

    @property
    def version(self) -> int:
        """Counted from 1."""


Resource = TypeVar("Resource", bound=Versioned)
Shown = TypeVar("Shown")
# An answer that shows something and names its version.
Tagged: TypeAlias = tuple[Shown, int, dict[str, str]]


def tagged(found: Resource, status: int = 200) -> Tagged[Resource]:
    """The answer that shows `found` and names its version."""
    return found, status, tag_of(found.version)


def expected_version() -> list[int] | None:
    """The versions the request's If-Match lets through, None for any (`*`).

    Compared strongly (RFC 9110 §13.1.1): weak tags and tags that aren't ours match nothing. Raises
    PreconditionRequired, MalformedRequest.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise PreconditionRequired("send the resource's ETag as If-Match")
    if given == "*":
        return None
    if len(given) > 1000 or not _TAGS.fullmatch(given):
        raise MalformedRequest("If-Match must be one or more ETags in quotation marks, or *")
    tags = [tag for weak, tag in _TAG.findall(given)[:MOST_TAGS] if not weak]
    return [int(ours[1]) for tag in tags if (ours := _OURS.fullmatch(tag))]
