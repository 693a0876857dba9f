"""Our authorization server through clients that are not ours: openid-client, oauth4webapi, Authlib, requests-oauthlib.

Each goes through discovery, client credentials with secret and key, code with PKCE and consent, refresh, revocation,
introspection, user info and a device. The first two need Node.js and npm; without them their tests are skipped.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from requests_oauthlib import OAuth2Session
from werkzeug.serving import make_server

from benchmarks.harness import free_port
from console import cookies
from identity import clients
from identity.oauth import devices
from identity.sign_in import session_store
from identity.sign_in.people import Subject
from kit import clock, ids
from tests.conftest import World, act
from tests.interop import npm
from tests.service import shut
from wsgi import create_app

HERE = Path(__file__).parent
DETAILS = [{"points_per_day": 500, "points_per_purchase": 100, "type": "coalition_spend"}]
BACK = "https://app.example/back"
TIMEOUT_S = 60


@dataclass
class Served:
    """A coalition over real HTTP, and the parties in it."""

    world: World
    issuer: str
    parties: dict[str, Any]
    partner_id: Any
    member: Subject

    def visit(self, url: str) -> str:
        """Open the authorization page as the member, agree, and tell where the browser is sent."""
        with self.world.transaction() as session:
            token = session_store.begin(
                session,
                self.member,
                methods=("otp",),
                user_agent="test",
                replaces=None,
                now=clock.now(),
                keyring=self.world.keyring,
            )
        held = {"Cookie": f"{cookies.OF_KIND['member']}={token}"}
        page = requests.get(url, headers=held, timeout=10, allow_redirects=False)
        if page.status_code == 200:
            fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
            form = {**fields, "decision": "allow"}
            page = requests.post(
                f"{self.issuer}/oauth/authorize", data=form, headers=held, timeout=10, allow_redirects=False
            )
        assert page.status_code == 303, page.text
        return page.headers["Location"]

    def confirm(self, user_code: str) -> None:
        """Let a till in as the partner's staff."""
        with self.world.transaction() as session:
            devices.confirm(
                session,
                act(self.world.keyring, now=clock.now()),
                user_code=user_code,
                partner_id=self.partner_id,
                staff_id=ids.new(),
                till="Till 1",
            )


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    app = create_app(replace(world.settings, public_url=issuer))
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    partner_id = world.partner("greengrocer").partner_id
    yield Served(world, issuer, _parties(world, partner_id), partner_id, Subject("member", world.member(), None))
    server.shutdown()
    server.server_close()
    shut(app)


def _parties(world: World, partner_id: Any) -> dict[str, Any]:
    key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    now, keyring = clock.now(), world.keyring
    app = {"partner_id": partner_id, "name": "App", "redirect_uris": [BACK]}
    with world.transaction() as session:
        backend, secret = clients.create(session, act(keyring, now=now), partner_id=partner_id, scopes=None)
        jwks = {"keys": [key.as_dict(private=False)]}
        signer = clients.create_with_keys(session, act(now=now), partner_id=partner_id, scopes=None, jwks=jwks)
        on_server, app_secret = clients.create_app(session, act(keyring, now=now), on_a_server=True, **app)
        on_device, _ = clients.create_app(session, act(now=now), **app)
        till = clients.create_tills(session, act(now=now), partner_id=partner_id, name="Tills", scopes=None)
    return {
        "backend": {"client_id": backend.client_id, "client_secret": secret},
        "signer": {"client_id": signer.client_id, "key": key.as_dict(private=True)},
        "apps": [
            {"client_id": on_server.client_id, "client_secret": app_secret, "redirect_uri": BACK},
            {"client_id": on_device.client_id, "redirect_uri": BACK},
        ],
        "till": {"client_id": till.client_id},
    }


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts beside the packages they need, from the npm registry, as the lock says."""
    return npm.install(HERE, tmp_path_factory.mktemp("interop"))


@pytest.mark.parametrize("script", ["openid_client.mjs", "oauth4webapi.mjs"])
def test_a_javascript_client_gets_through_every_flow(served: Served, packages: Path, script: str) -> None:
    process = subprocess.Popen(
        ["node", script], cwd=packages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(TIMEOUT_S, process.kill)
    timer.start()
    try:
        with process:
            assert process.stdin
            assert process.stdout
            for line in process.stdout:
                asked = json.loads(line)
                if "done" in asked:
                    break
                process.stdin.write(json.dumps(_answer(served, asked)) + "\n")
                process.stdin.flush()
            else:
                pytest.fail(process.stderr.read() if process.stderr else "")
    finally:
        timer.cancel()


def _answer(served: Served, asked: dict[str, Any]) -> dict[str, Any]:
    if "visit" in asked:
        return {"location": served.visit(asked["visit"])}
    if "confirm" in asked:
        served.confirm(asked["confirm"])
        return {}
    return {**served.parties, "issuer": served.issuer, "details": DETAILS}


def test_authlibs_client_gets_through(served: Served) -> None:
    found = requests.get(f"{served.issuer}/.well-known/openid-configuration", timeout=10).json()
    for app in served.parties["apps"]:
        secret = app.get("client_secret")
        session = AuthlibSession(
            app["client_id"],
            secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope="openid balance:read",
            redirect_uri=BACK,
            code_challenge_method="S256",
        )
        verifier = "v" * 48
        url, state = session.create_authorization_url(
            found["authorization_endpoint"], code_verifier=verifier, nonce="n"
        )
        location = served.visit(url)
        assert parse_qs(urlsplit(location).query)["iss"] == [served.issuer]
        token = session.fetch_token(
            found["token_endpoint"], authorization_response=location, code_verifier=verifier, state=state
        )
        keys = KeySet.import_key_set(requests.get(found["jwks_uri"], timeout=10).json())
        assert jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims["nonce"] == "n"
        assert session.get(found["userinfo_endpoint"]).json()["sub"]
        renewed = session.refresh_token(found["token_endpoint"], refresh_token=token["refresh_token"])
        assert session.get(f"{served.issuer}/v1/me/balance").json()["available"] == 0
        session.revoke_token(found["revocation_endpoint"], token=renewed["refresh_token"])
        assert session.get(f"{served.issuer}/v1/me/balance").status_code in (200, 401)


def test_requests_oauthlib_gets_through(served: Served, monkeypatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the loopback
    app = served.parties["apps"][0]
    session = OAuth2Session(app["client_id"], redirect_uri=BACK, scope=["balance:read", "openid"], pkce="S256")
    url, _ = session.authorization_url(f"{served.issuer}/oauth/authorize")
    token = session.fetch_token(
        f"{served.issuer}/oauth/token",
        authorization_response=served.visit(url),
        auth=(app["client_id"], app["client_secret"]),
        include_client_id=None,
    )
    assert session.get(f"{served.issuer}/v1/me/balance").json()["available"] == 0
    renewed = session.refresh_token(
        f"{served.issuer}/oauth/token",
        refresh_token=token["refresh_token"],
        auth=(app["client_id"], app["client_secret"]),
    )
    assert renewed["access_token"] != token["access_token"]
