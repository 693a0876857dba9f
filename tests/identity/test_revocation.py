"""What is revoked is refused by every process in less than a second, however it ended and however busy it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.oauth.token_grants import DEVICE_CODE
from identity import clients
from identity.oauth import grants
from kit import clock
from tests.conftest import World, act
from tests.identity.oauth_kit import App, basic, confirm_till
from tests.service import shut
from wsgi import create_app

SOON_S = 1.0
Lives = Callable[[FlaskClient], bool]


@pytest.fixture
def processes(app: Flask, world: World) -> Iterator[list[FlaskClient]]:
    """The service as two processes have it: nothing is shared but the database and Redis."""
    other = create_app(world.settings)
    yield [app.test_client(), other.test_client()]
    shut(other)


def bearer(path: str, token: str) -> Lives:
    """Whether a token is let in at `path`."""

    def lives(process: FlaskClient) -> bool:
        answer = process.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    return lives


def dies_everywhere(processes: list[FlaskClient], lives: Lives, end: Callable[[], Any]) -> None:
    """See that it lives in every process, `end` it, and see it refused in each, asked without a pause."""
    assert [lives(process) for process in processes] == [True] * len(processes)
    end()
    began = time.monotonic()
    for process in processes:
        while lives(process):
            assert time.monotonic() < began + SOON_S
    assert [lives(process) for process in processes] == [False] * len(processes)


def test_a_token_its_client_revokes(processes, make_app) -> None:
    app: App = make_app()
    token = app.redeem(app.code()).json["access_token"]
    dies_everywhere(processes, bearer("/oauth/userinfo", token), lambda: app.post("/oauth/revoke", token=token))


def test_all_tokens_of_a_grant_whose_refresh_token_is_revoked(processes, make_app) -> None:
    app: App = make_app(secret=False)
    got = app.redeem(app.code()).json
    newer = app.refresh(got["refresh_token"]).json
    older_lives = bearer("/oauth/userinfo", got["access_token"])
    assert all(older_lives(process) for process in processes)
    lives = bearer("/oauth/userinfo", newer["access_token"])
    dies_everywhere(processes, lives, lambda: app.post("/oauth/revoke", token=newer["refresh_token"]))
    assert not any(older_lives(process) for process in processes)


def test_the_tokens_of_a_consent_the_member_withdraws(processes, make_app, world: World) -> None:
    app: App = make_app()
    token = app.redeem(app.code()).json["access_token"]

    def withdraw() -> None:
        with world.transaction() as session:
            [grant] = grants.of_subject(session, subject_kind="member", subject_id=app.member_id)
            grants.revoke_own(session, act(now=clock.now()), grant_id=grant.grant_id, subject_id=app.member_id)

    dies_everywhere(processes, bearer("/oauth/userinfo", token), withdraw)


def test_what_a_code_gave_that_comes_again(processes, make_app) -> None:
    app: App = make_app()
    code = app.code()
    token = app.redeem(code).json["access_token"]
    dies_everywhere(processes, bearer("/oauth/userinfo", token), lambda: app.redeem(code))


def test_the_tokens_of_a_till_that_is_turned_out(processes, till: App, world: World) -> None:
    begun = till.post("/oauth/device_authorization", scope="earn:write").json
    confirm_till(till, begun["user_code"])
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    token = till.post("/oauth/token", **form).json["access_token"]

    def lives(process: FlaskClient) -> bool:
        answer = process.post("/v1/earns", json={}, headers={"Authorization": f"Bearer {token}"})
        assert answer.json["code"] in ("invalid_request", "unauthenticated")
        return answer.json["code"] == "invalid_request"

    def turn_out() -> None:
        partner_id = till.client.owner
        with world.transaction() as session:
            [found] = grants.tills_of(session, partner_id=partner_id)
            grants.revoke_till(session, act(now=clock.now()), grant_id=found.grant_id, partner_id=partner_id)

    dies_everywhere(processes, lives, turn_out)


def test_the_tokens_of_a_client_that_is_revoked(processes, http, credentials, world: World) -> None:
    client_id, secret, _ = credentials()
    form = {"grant_type": "client_credentials"}
    token = http.post("/oauth/token", data=form, headers=basic(client_id, secret)).json["access_token"]

    def revoke() -> None:
        with world.transaction() as session:
            clients.revoke(session, act(now=clock.now()), client_id=client_id)

    dies_everywhere(processes, bearer("/v1/transactions?reference=none", token), revoke)
