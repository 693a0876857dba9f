"""/v1/test-clock: in the sandbox, what time it is for a partner."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import marshmallow as ma
from flask import request

from api.auth import principal, requires
from api.sandbox import SandboxOnly, require_sandbox
from coalition.programme import ClockRefused
from identity.token_cache import CACHE_S
from kit import clock
from kit.http import exchange
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Instant
from kit.http.requests import DRY_RUN, is_dry_run
from kit.http.services import services
from partners import test_clocks

test_clock_api = Blueprint(
    "test_clock", __name__, url_prefix="/v1/test-clock", description="Sandbox only: your own clock"
)


class ClockSchema(ma.Schema):
    schema_description = "The time of your clock, and how many seconds it is ahead of the true time."

    now = Instant()
    ahead_s = ma.fields.Integer()


class PutForwardSchema(ma.Schema):
    schema_description = "The time to set your clock to."

    now = Instant(
        required=True,
        metadata={"description": "After your clock's present time, at most three years ahead of the true time"},
    )


@test_clock_api.get("")
@test_clock_api.doc(summary="Get the time of your clock. It is the true time unless you moved the clock forward.")
@requires(test_clock_api, "transactions:read")
@fails_with(SandboxOnly)
@test_clock_api.response(200, ClockSchema)
def get() -> dict[str, Any]:
    require_sandbox()
    return _shown(clock.now(), principal().ahead)


@test_clock_api.put("")
@requires(test_clock_api, "earn:write")
@fails_with(SandboxOnly, ClockRefused, test_clocks.ClockBackwards, test_clocks.ClockTooFar)
@test_clock_api.doc(
    summary="Move your clock forward, for all your clients. It runs on from there and never goes back.",
    description=(
        "Before we answer, we do what is due by then: your holds lapse, and the points you issued vest and expire. The "
        "business day, tokens, codes and locks keep the sandbox's own time."
    ),
    parameters=[DRY_RUN],
)
@test_clock_api.arguments(PutForwardSchema())
@test_clock_api.response(200, ClockSchema)
def put(body: dict[str, datetime]) -> dict[str, Any]:
    require_sandbox()
    partner_id, now, svc = principal().partner_id, clock.now(), services()
    # As the service: what falls due in a wallet is not the partner's alone.
    with svc.operating() as session:
        ahead = test_clocks.put_forward(session, partner_id=partner_id, to=body["now"], now=now)
    if not is_dry_run():
        test_clocks.catch_up(svc.database, partner_id=partner_id, now=now)
        exchange.of(request.environ).answer_after_s = CACHE_S  # by then no process remembers the old time
    return _shown(now, ahead)


def _shown(now: datetime, ahead: timedelta) -> dict[str, Any]:
    return {"now": now + ahead, "ahead_s": int(ahead.total_seconds())}
