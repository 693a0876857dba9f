"""What only pages know of a request: who is signed in at the browser, and the cookies its answer will set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from identity.sign_in.people import Kind
from identity.sign_in.session_store import Visitor
from kit.http.context import Context


@dataclass(frozen=True, kw_only=True)
class Visit:
    """`visitors` are those looked for so far, `acting_as` whose page it is; a new cookie has a value and a lifetime."""

    visitors: Mapping[Kind, Visitor | None] = field(default_factory=dict)
    acting_as: Kind | None = None
    new_cookies: Mapping[str, tuple[str, timedelta | None]] = field(default_factory=dict)


of_request = Context("coalition_console", Visit)
