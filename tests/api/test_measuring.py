"""Requests are counted by what there is, never by what somebody sends; and a night that failed is told."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import redis
from flask import Flask

from coalition import closing
from kit import clock, metrics
from kit.http.rate_limits import Policy
from settlement import nightly
from tests.conftest import NOW, World, act


@pytest.fixture
def counted(app: Flask, world: World):
    """What requests to `app` have added to a count since the test began."""
    meter = app.extensions["coalition"].meter
    client = redis.Redis.from_url(str(world.settings.redis_url))

    def everything() -> dict[Any, float]:
        meter.flush()
        return metrics.read(client, metrics.key(world.keyring))

    before = everything()
    yield lambda: {series: n - before.get(series, 0) for series, n in everything().items() if n != before.get(series)}
    client.close()


def test_requests_are_counted_by_route_and_status(caller, world: World, counted) -> None:
    grocer = caller()
    member = world.member()
    for number in range(3):
        answer = grocer.post("/v1/earns", {"member_id": grocer.shown(member), "points": 5, "reference": f"R-{number}"})
        assert answer.status_code == 201
    grocer.get(f"/v1/transactions/{answer.json['transaction_id']}")
    grocer.get("/v1/transactions/txn_01h455vb4pex5vsknk084sn02q")
    found = counted()
    assert found["coalition_http_requests_total", "POST", "/v1/earns", "201"] == 3
    route = "/v1/transactions/<transaction_id>"
    assert found["coalition_http_requests_total", "GET", route, "200"] == 1
    assert found["coalition_http_requests_total", "GET", route, "404"] == 1
    assert found["coalition_http_problems_total", "transaction_not_found"] == 1
    timed = [
        n
        for (name, *rest), n in found.items()
        if name.endswith("duration_seconds") and rest[1:] == ["POST", "/v1/earns"]
    ]
    assert sum(timed) >= 3
    assert any(name == "coalition_db_connection_wait_seconds" for name, *_ in found)
    assert found["coalition_db_connection_held_seconds", "sum"] > 0


def test_nothing_that_was_sent_becomes_a_label(http, counted) -> None:
    for number in range(20):
        http.get(f"/v1/nothing/{number}")
        http.open(f"/made-up-{number}", method=f"MADEUP{number}")
        http.get(f"/problems/made_up_{number}")
        http.get("/v1/members/mbr_made_up", headers={"Authorization": f"Bearer made-up-{number}"})
    found = counted()
    assert found["coalition_http_requests_total", "GET", "none", "404"] == 20
    assert found["coalition_http_requests_total", "other", "none", "404"] == 20
    assert not [series for series in found if any(re.search(r"made.?up", part, re.I) for part in series)]


def test_who_asks_too_often_is_counted_by_the_limit(caller, app: Flask, counted) -> None:
    grocer = caller()
    limiter, chosen = app.extensions["coalition.rate_limits"]
    app.extensions["coalition.rate_limits"] = (limiter, replace(chosen, reads=Policy("reads", 1, 1)))
    answers = [grocer.get("/v1/test-clock").status_code for _ in range(5)]
    assert counted()["coalition_rate_limited_total", "reads"] == answers.count(429) > 0


def test_a_night_that_is_late_is_told_while_requests_are_served(http, world: World, monkeypatch) -> None:
    def told(at: datetime) -> tuple[int, str, str]:
        monkeypatch.setattr(clock, "now", lambda: at)
        answer = http.get("/readyz")
        return answer.status_code, answer.json["status"], answer.json["settlement"]

    midnight = datetime.combine(NOW.date() + timedelta(days=1), time.min, UTC)
    assert told(midnight - timedelta(seconds=1)) == (200, "ready", "ok")
    assert told(midnight + timedelta(minutes=59)) == (200, "ready", "ok")
    assert told(midnight + timedelta(hours=1)) == (200, "degraded", "late")
    # Closed, but not settled: as a night that stopped half-way leaves it.
    closing.close_day(world.database, act(world.keyring, now=midnight), day=NOW.date())
    assert told(midnight + timedelta(hours=1)) == (200, "degraded", "late")
    nightly.run(world.database, act(world.keyring, now=midnight), day=NOW.date())
    assert told(midnight + timedelta(hours=1)) == (200, "ready", "ok")
