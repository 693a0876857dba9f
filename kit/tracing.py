"""W3C Trace Context: a caller's trace goes on through us, and one begins here when it sent none.

`traceparent` as in Level 1; the answer names the trace in `traceresponse` as the draft of Level 2 has it, since Level 1
says nothing of answers.
"""

from __future__ import annotations

import random
import re
import secrets
from typing import NamedTuple
from uuid import UUID

_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Ids of traces are no secrets; they have to be unlike each other, in every process, and cheap.
_ids = random.Random(secrets.randbits(128))  # noqa: S311


class Trace(NamedTuple):
    """One request in a trace."""

    trace_id: str
    span_id: str
    flags: str

    @property
    def header(self) -> str:
        """What the answer says, and what is passed on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def begin(traceparent: str) -> Trace:
    """The trace this request belongs to; a header that is not well-formed begins a new one, as the standard asks."""
    found = _PARENT.fullmatch(traceparent) if traceparent else None
    span_id = f"{_ids.getrandbits(64) or 1:016x}"
    if found is None or (found[1] == "00" and found[5]):
        return Trace(f"{_ids.getrandbits(128) or 1:032x}", span_id, "00")
    # Of the flags we know one: whether the caller recorded its part.
    return Trace(found[2], span_id, "01" if int(found[4], 16) & 1 else "00")


def of_event(event_id: UUID) -> Trace:
    """One attempt to tell of an event: all of them, at every endpoint, are one trace, named like the event."""
    return Trace(event_id.hex, f"{_ids.getrandbits(64) or 1:016x}", "00")
