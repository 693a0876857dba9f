"""What tests of the authorization server share: a member-facing app or a till, and what it does at the endpoints."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

from werkzeug.test import TestResponse

from identity.clients import Client
from identity.oauth import codes, devices, grants
from identity.oauth.grants import Grant, Spend
from kit import clock, ids
from tests.conftest import World, act

VERIFIER = "v" * 64
BACK = "https://app.example/back"
SCOPES = ("balance:read", "openid", "spend")


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@dataclass
class App:
    """A member-facing app, and what it does at the endpoints."""

    http: Any
    world: World
    client: Client
    secret: str | None
    member_id: Any

    @property
    def headers(self) -> dict[str, str]:
        return basic(self.client.client_id, self.secret) if self.secret else {}

    def post(self, path: str, **form: Any) -> TestResponse:
        if not self.secret:
            form.setdefault("client_id", self.client.client_id)
        return self.http.post(path, data=form, headers=self.headers)

    def code(self, **more: Any) -> str:
        now = clock.now()
        grant = Grant(
            grant_id=ids.new(),
            client_id=self.client.client_id,
            subject_kind="member",
            subject_id=self.member_id,
            scopes=SCOPES,
            created_at=now,
            spend=Spend(100, 500),
        )
        code = codes.Code(
            grant_id=grant.grant_id,
            client_id=self.client.client_id,
            redirect_uri=BACK,
            challenge=codes.challenge_of(VERIFIER),
            nonce="n-1",
            authenticated_at=now,
            methods=("otp",),
        )
        with self.world.transaction() as session:
            grants.create(session, act(), grant)
            return codes.issue(session, replace(code, **more), now=now, keyring=self.world.keyring)

    def redeem(self, code: str, **more: Any) -> TestResponse:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        return self.post("/oauth/token", **{**form, **more})

    def refresh(self, token: str, **more: Any) -> TestResponse:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=token, **more)

    def works(self, token: str) -> bool:
        answer = self.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200


def confirm_till(till: App, user_code: str) -> None:
    with till.world.transaction() as session:
        devices.confirm(
            session,
            act(till.world.keyring, now=clock.now()),
            user_code=devices.normalised(user_code.lower().replace("-", " ")),
            partner_id=till.client.partner_id,
            staff_id=ids.new(),
            till="Till 4",
        )
