"""What an endpoint may ask for: its settings, and the rules they keep. Pure: values in, an answer out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal, TypedDict

from kit.errors import Invalid
from webhooks import authentication, filters
from webhooks.authentication import Authentication
from webhooks.event_types import EVENT_TYPES, matches

Status = Literal["enabled", "paused", "disabled"]
STATUSES: tuple[Status, ...] = ("enabled", "paused", "disabled")
BODIES = ("full", "thin")
SIGNATURES = ("v1", "v1a")
ORDERINGS = ("none", "member", "strict")
ON_EXHAUSTED = ("skip", "hold")
LARGEST_BATCH = 100
MOST_RETRIES = 20
LONGEST_DELAY_S = 24 * 3600
MOST_PER_S = 1_000
LONGEST_TIMEOUT_S = 30
MOST_HEADERS = 20
LARGEST_HEADERS = 4 * 1024  # names and values together, in bytes
MOST_METADATA = 50
LARGEST_METADATA = 8 * 1024

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
# What says how a message is framed, whose it is and which it is, stays ours.
_RESERVED_PREFIXES = ("webhook-", "coalition-", "content-", "proxy-")
_RESERVED = frozenset(
    ("host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect", "accept-encoding",
     "date", "via", "forwarded", "user-agent", "traceparent", "tracestate")
)  # fmt: skip


class HeadersRefused(Invalid):
    code = "headers_refused"
    title = "Headers refused"
    description = (
        "We cannot send these headers with each webhook. `header` names the one that is wrong, where it is a single "
        f"one. An endpoint has at most {MOST_HEADERS} headers with {LARGEST_HEADERS // 1024} KiB in all. A name is a "
        "token of HTTP and comes once; names that HTTP or webhooks themselves use are reserved. A value is visible "
        "ASCII without line breaks."
    )
    remedy = "Correct the header that `detail` names. `Authorization` and names of your own are fine."
    facts = ("header",)


class MetadataRefused(Invalid):
    code = "metadata_refused"
    title = "Metadata refused"
    description = (
        f"An endpoint's metadata is at most {MOST_METADATA} pairs of texts with {LARGEST_METADATA // 1024} KiB in all."
    )
    remedy = "Keep less in `metadata`: an id of yours is enough to find the rest."


class BatchesUnordered(Invalid):
    code = "batches_unordered"
    title = "Batches need strict ordering"
    description = "Only an endpoint with the ordering `strict` can get several events in one message."
    remedy = "Set `ordering` to `strict`, or `batch_size` to 1."


class Settings(TypedDict, total=False):
    """What an endpoint asks for; a change has only what it changes."""

    url: str
    event_types: list[str]
    status: Status
    filter: dict[str, Any] | None
    body: str
    ordering: str
    on_exhausted: str
    batch_size: int
    retry_delays_s: list[int] | None
    rate_per_s: int | None
    timeout_s: int | None
    signatures: list[str]
    headers: dict[str, str]
    metadata: dict[str, str]
    authentication: Authentication | None


def check(settings: Settings, *, before: Settings, authenticated_by: str | None = None) -> None:
    """Raise FilterRefused, HeadersRefused, MetadataRefused, BatchesUnordered or AuthenticationRefused if it can't be.

    `before` has the settings of now: what is not changed counts as it is; so does the type of its authentication.
    """
    after: Settings = {**before, **settings}
    if after.get("filter") is not None and settings.keys() & {"filter", "event_types"}:
        filters.check(after["filter"], fields=fields_of(after["event_types"]))
    if "headers" in settings:
        check_headers(settings["headers"])
    if "metadata" in settings:
        _check_metadata(settings["metadata"])
    if after.get("batch_size", 1) > 1 and after.get("ordering") != "strict":
        raise BatchesUnordered("a batch_size above 1 needs the ordering strict")
    if "authentication" in settings:
        authenticated_by = settings["authentication"].type if settings["authentication"] else None
    authentication.check_beside(authenticated_by, url=after["url"], header_names=after.get("headers", {}))


def fields_of(patterns: Collection[str]) -> set[str]:
    """The fields that the data of these patterns' events can have."""
    kinds = [kind for name, kind in EVENT_TYPES.items() if matches(tuple(patterns), name)]
    return {field for kind in kinds for field in kind.schema["properties"]}


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise HeadersRefused unless all of `headers` can be sent with each message as they are."""
    if len(headers) > MOST_HEADERS:
        raise HeadersRefused(f"an endpoint has at most {MOST_HEADERS} headers", header=None)
    if sum(len(name) + len(value) for name, value in headers.items()) > LARGEST_HEADERS:
        raise HeadersRefused(f"all headers together have at most {LARGEST_HEADERS} bytes", header=None)
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name):
            # Not said back: whoever mixed up name and value would find a secret in the log of requests.
            raise HeadersRefused("a header's name is a token of HTTP of up to 100 characters", header=None)
        if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
            raise HeadersRefused(f"{name} is reserved", header=name)
        if lower in seen:
            raise HeadersRefused(f"{name} occurs twice: names do not tell upper from lower case", header=name)
        if not _VALUE.fullmatch(value):
            raise HeadersRefused(f"the value of {name} must be visible ASCII, without line breaks", header=name)
        seen.add(lower)


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if len(metadata) > MOST_METADATA or len(json.dumps(metadata, ensure_ascii=False).encode()) > LARGEST_METADATA:
        raise MetadataRefused(f"metadata is at most {MOST_METADATA} pairs with {LARGEST_METADATA} bytes in all")
