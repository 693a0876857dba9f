"""/v1/test-clock: in the sandbox, what time it is for a partner."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma
from flask import request

from coalition.programme import ClockRefused
from kit import clock
from kit.http import exchange
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Instant
from kit.http.requests import DRY_RUN, is_dry_run
from kit.http.services import services
from partners import test_clocks
from partners.http.auth import principal, requires
from partners.http.sandbox import SandboxOnly, require_sandbox
from partners.token_cache import CACHE_S

test_clock_api = Blueprint(
    "test_clock", __name__, url_prefix="/v1/test-clock", description="In the sandbox only: your own time"
)


class ClockSchema(ma.Schema):
    """What time it is for you, and how many seconds ahead of the true time that is."""

    now = Instant()
    ahead_s = ma.fields.Integer()


class PutForwardSchema(ma.Schema):
    """What time it shall be for you."""

    now = Instant(required=True, metadata={"description": "behind your clock's present time, within three years"})


@test_clock_api.get("")
@requires(test_clock_api, "transactions:read")
@fails_with(SandboxOnly)
@test_clock_api.response(200, ClockSchema)
def get() -> dict[str, Any]:
    """What time it is for you: the true time, unless you put your clock forward."""
    require_sandbox()
    return _shown(clock.now(), principal().ahead)


@test_clock_api.put("")
@requires(test_clock_api, "earn:write")
@fails_with(SandboxOnly, ClockRefused, test_clocks.ClockBackwards, test_clocks.ClockTooFar)
@test_clock_api.doc(parameters=[DRY_RUN])
@test_clock_api.arguments(PutForwardSchema())
@test_clock_api.response(200, ClockSchema)
def put(body: dict[str, datetime]) -> dict[str, Any]:
    """Put your clock forward, for all your clients; it goes on from there, and never back.

    What has fallen due by then is done before the answer: your holds lapse, the points you issued vest and expire.
    The business day stays the sandbox's own, and so do the times of tokens, codes and locks.
    """
    require_sandbox()
    partner_id, now, parts = principal().partner_id, clock.now(), services()
    # As the service: what falls due in a wallet is not the partner's alone.
    with parts.operating() as session:
        ahead = test_clocks.put_forward(session, partner_id=partner_id, to=body["now"], now=now)
    if not is_dry_run():
        test_clocks.catch_up(parts.database, partner_id=partner_id, now=now)
        exchange.of(request.environ).answer_after_s = CACHE_S  # by then no process remembers the old time
    return _shown(now, ahead)


def _shown(now: datetime, ahead: timedelta) -> dict[str, Any]:
    return {"now": now + ahead, "ahead_s": int(ahead.total_seconds())}
