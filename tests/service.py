"""The HTTP service on the real database, called as partners call it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from click.testing import CliRunner, Result
from flask import Flask, Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api import admission, batch_turns
from cli import main
from console import mailer
from identity import clients
from kit import clock, ids, pairwise
from kit.http import context
from kit.http.rate_limits import Policy
from tests.conftest import Recycled, World, act
from tests.identity.oauth_kit import BACK, App, basic
from tests.identity.sign_in_kit import HTTPS, Browser, Mailbox, SmtpServer
from tests.pin_openapi import pinned
from wsgi import create_app


@dataclass
class Caller:
    """One partner's program."""

    http: FlaskClient
    token: str
    partner_id: Any
    keys: int = 0

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.http.get(path, query_string=query, headers={"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any = None, *, key: str | None = None, **more: Any) -> TestResponse:
        self.keys += 1
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or f"key-{self.keys}"}
        return self.http.post(path, json=body, headers={**headers, **more})

    def shown(self, member_id: UUID) -> str:
        """The id this partner knows the member by."""
        with ids.seen_by(self._view):
            return ids.show(ids.MEMBER, member_id)

    def inner(self, shown: str) -> UUID:
        """Our own id of the member this partner knows by `shown`."""
        with ids.seen_by(self._view):
            return ids.parse(ids.MEMBER, shown)

    @property
    def _view(self) -> ids.View:
        return pairwise.view_of(self.http.application.extensions["coalition"].keyring, self.partner_id)

    def patch(self, path: str, body: Any, **headers: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", "If-Match": "*", **headers}
        return self.http.patch(path, json=body, headers=headers)


@pytest.fixture
def terminal(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `coalition …` on the world's database, as an operator does."""
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="session")
def served(recycled: Recycled) -> Iterator[tuple[Flask, set[str]]]:
    """The HTTP service, and what it answered that its description does not say."""
    made = create_app(recycled.world.settings)
    yield made, watch(made)
    shut(made)


@pytest.fixture
def app(world: World, served: tuple[Flask, set[str]]) -> Iterator[Flask]:
    """The HTTP service on `world`."""
    made, undocumented = served
    undocumented.clear()
    at_first = dict(made.extensions)
    yield made
    made.extensions.update(at_first)
    with made.app_context():
        admission.write_out()
    assert undocumented == set(), "every answer that a test met stands in the API's description"


def take_turns(world: World, *, now: datetime | None = None) -> int:
    """Post a part of the oldest file of each partner, as the job does; how many were posted."""
    with batch_turns.desk(world.database, world.keyring, world.settings) as at:
        return batch_turns.take_turns(at, now=now or clock.now())


def shut(app: Flask) -> None:
    """End what `app` keeps open."""
    app.extensions["coalition"].close()


def watch(app: Flask) -> set[str]:
    """What `app` answers from now on without its description saying so."""
    document = pinned()
    paths = document["paths"]
    for schema in document["components"]["schemas"].values():
        schema.setdefault("additionalProperties", False)  # clients have to be ready for more; we say all we answer
    found: set[str] = set()

    @cache
    def validator(schema: str) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator({**json.loads(schema), "components": document["components"]})

    def look(response: Response) -> Response:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", request.url_rule.rule if request.url_rule else "")
        operation = paths.get(path, {}).get(request.method.lower())
        if operation is not None:
            code = (context.current().problem or {}).get("code", "")
            described = operation["responses"].get(str(response.status_code), {}).get("description", "nothing")
            if (code and f"`{code}`" not in described) or described == "nothing":
                found.add(f"{request.method} {path}: {response.status_code} {code}")
            elif (content := operation["responses"][str(response.status_code)].get("content")) and response.is_json:
                for error in validator(json.dumps(content[response.mimetype]["schema"])).iter_errors(response.json):
                    found.add(f"{request.method} {path}: {response.status_code} {error.json_path}: {error.message}")
        return response

    app.after_request(look)
    return found


@pytest.fixture
def http(app) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def credentials(world: World) -> Callable[..., tuple[str, str, Any]]:
    """Make a partner (or take one) and a client: id, secret, partner."""

    def make(code: str = "greengrocer", scopes: list[str] | None = None, partner: Any = None) -> tuple[str, str, Any]:
        partner = partner or world.partner(code)
        with world.transaction() as session:
            client, secret = clients.create(
                session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, scopes=scopes
            )
        return client.client_id, secret, partner

    return make


@pytest.fixture
def caller(http: FlaskClient, credentials) -> Callable[..., Caller]:
    """A signed-in partner."""

    def make(code: str = "greengrocer", scopes: list[str] | None = None) -> Caller:
        client_id, secret, partner = credentials(code, scopes)
        answer = http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret))
        assert answer.status_code == 200, answer.text
        return Caller(http, answer.json["access_token"], partner.partner_id)

    return make


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """What our mail server took."""
    with SmtpServer() as server:
        yield server.mailbox
        server.shutdown()


@pytest.fixture(scope="session")
def served_site(recycled: Recycled) -> Iterator[Flask]:
    """The service at https://localhost."""
    made = create_app(replace(recycled.world.settings, public_url=HTTPS))
    yield made
    shut(made)


@pytest.fixture
def site(world: World, served_site: Flask, mailbox: Mailbox) -> Iterator[Flask]:
    """The service at https://localhost, with a mail server."""
    mailer.install(served_site, replace(world.settings, smtp_url=mailbox.url))
    yield served_site
    served_site.extensions["coalition.mailer"].close()
    with served_site.app_context():
        admission.write_out()


@pytest.fixture
def browser(site) -> Browser:
    """A person's browser."""
    return Browser(site)


@pytest.fixture
def admin(world: World, http: FlaskClient) -> Callable[..., Caller]:
    """Sign in as the coalition's admin."""

    def make(scopes: list[str] | None = None) -> Caller:
        with world.transaction() as session:
            client, secret = clients.create(
                session, act(world.keyring, now=clock.now()), partner_id=None, scopes=scopes
            )
        headers = basic(client.client_id, secret)
        answer = http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=headers)
        assert answer.status_code == 200, answer.text
        return Caller(http, answer.json["access_token"], None)

    return make


@pytest.fixture
def make_app(http, world: World) -> Callable[..., App]:
    def make(*, secret: bool = True, code: str = "greengrocer") -> App:
        partner = world.partner(code)
        with world.transaction() as session:
            client, plain = clients.create_app(
                session,
                act(world.keyring, now=clock.now()),
                partner_id=partner.partner_id,
                name="Green app",
                redirect_uris=[BACK],
                on_a_server=bool(secret),
            )
        return App(http, world, client, plain, ids.new())

    return make


@pytest.fixture
def till(http, world: World) -> App:
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client = clients.create_tills(
            session,
            act(world.keyring, now=clock.now()),
            partner_id=partner.partner_id,
            name="Tills",
            scopes=["earn:write"],
        )
    return App(http, world, client, None, None)


@pytest.fixture
def unlimited(app: Flask) -> None:
    """Let the authorization server be asked as often as a test wants to."""
    limiter, chosen = app.extensions["coalition.rate_limits"]
    wide = {name: Policy(f"{name}-wide", 10_000, 20_000) for name in ("oauth", "oauth_address")}
    app.extensions["coalition.rate_limits"] = (limiter, replace(chosen, **wide))
