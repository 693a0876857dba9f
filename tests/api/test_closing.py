"""A service that is closed leaves nothing open: neither threads that write behind answers, nor connections."""

from __future__ import annotations

import gc
import threading

from redis.connection import AbstractConnection, ConnectionPool

from identity import clients
from kit import clock
from tests.conftest import World, act
from tests.identity.oauth_kit import basic
from tests.service import shut
from wsgi import create_app


def pools() -> set[ConnectionPool]:
    return {each for each in gc.get_objects() if isinstance(each, ConnectionPool)}


def open_to_redis(of: set[ConnectionPool]) -> set[AbstractConnection]:
    made = {one for pool in of for one in (*pool._available_connections, *pool._in_use_connections)}
    return {one for one in made if one.is_connected}


def test_a_service_that_was_closed_leaves_nothing_open(world: World) -> None:
    # Other tests' services may connect at any time, each by pools that it has already.
    threads, others = set(threading.enumerate()), pools()
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client, secret = clients.create(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, scopes=None
        )
    app = create_app(world.settings)
    http = app.test_client()
    answer = http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client.client_id, secret)
    )
    bearer = {"Authorization": f"Bearer {answer.json['access_token']}", "Idempotency-Key": "a key of its own"}
    http.post("/v1/earns", json={}, headers=bearer)  # refused, and so written down behind the answer
    svc = app.extensions["coalition"]
    svc.meter.flush()
    svc.wakeup.notify()
    assert open_to_redis(pools() - others), "it has opened some"
    assert {thread.name for thread in set(threading.enumerate()) - threads} >= {"requests"}
    own = pools() - others
    shut(app)
    assert open_to_redis(own) == set()
    # A timer of the meter that has nothing to hand over may still be waiting for its second.
    left = {thread.name for thread in set(threading.enumerate()) - threads if not isinstance(thread, threading.Timer)}
    assert left == set()
    with svc.meter._lock:
        assert svc.meter._sums == {}
