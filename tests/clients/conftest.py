"""The service over real HTTP, and the Python client beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from coalition_client import Coalition, RetryPolicy
from werkzeug.serving import make_server

from benchmarks.harness import free_port
from identity import clients
from kit import clock
from tests.clients.wire import Wire
from tests.conftest import World, act
from tests.service import shut, watch
from wsgi import create_app

SHORT = RetryPolicy(attempts=4, give_up_after_s=10, first_wait_s=0.01, longest_wait_s=0.05, read_timeout_s=5)


@dataclass(frozen=True)
class Service:
    """A service that is up; make clients of it, straight or over a wire."""

    world: World
    port: int
    credentials: Callable[..., tuple[str, str]]

    def client(self, code: str = "greengrocer", *, wire: Wire | None = None, **more: Any) -> Coalition:
        url = wire.url if wire else f"http://127.0.0.1:{self.port}"
        return Coalition(url, *self.credentials(code), **{"retry_policy": SHORT, **more})


@pytest.fixture
def service(world: World, request: pytest.FixtureRequest) -> Iterator[Service]:
    port = free_port()
    settings = replace(world.settings, public_url=f"http://127.0.0.1:{port}", **getattr(request, "param", {}))
    realm = "test" if settings.is_sandbox else "live"
    world = replace(world, settings=settings, keyring=replace(world.keyring, realm=realm))
    app = create_app(settings, world.keyring)
    undocumented = watch(app)
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    partners: dict[str, Any] = {}

    def credentials(code: str | None) -> tuple[str, str]:
        if code is not None and code not in partners:
            partners[code] = world.partner(code).partner_id
        with world.transaction() as session:
            owner = None if code is None else partners[code]
            made, secret = clients.create(session, act(world.keyring, now=clock.now()), partner_id=owner, scopes=None)
        return made.client_id, secret

    yield Service(world, port, credentials)
    server.shutdown()
    server.server_close()
    shut(app)
    assert undocumented == set()


@pytest.fixture
def wire(service: Service) -> Iterator[Wire]:
    with Wire(to_port=service.port) as made:
        yield made
