"""The authorization server: what it grants, and Authlib's lenient spots closed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session
from werkzeug.serving import make_server

from identity import access_tokens, clients
from identity.oauth.assertions import ALGORITHMS
from identity.token_cache import CACHE_S, TokenCache
from kit import clock
from tests.conftest import act
from tests.service import basic

GRANT = {"grant_type": "client_credentials"}


def test_a_token_is_granted_for_the_clients_scopes(http, credentials) -> None:
    client_id, secret, _ = credentials(scopes=["earn:write", "burn:write"])
    answer = http.post("/oauth/token", data=GRANT, headers=basic(client_id, secret))
    assert answer.status_code == 200
    assert answer.json["scope"] == "burn:write earn:write"
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["access_token"].startswith("co_at_live_")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_token_may_ask_for_less(http, credentials) -> None:
    client_id, secret, _ = credentials()
    answer = http.post("/oauth/token", data={**GRANT, "scope": "earn:write"}, headers=basic(client_id, secret))
    assert answer.json["scope"] == "earn:write"


@pytest.mark.parametrize("scope", ["nonsense", "earn:write nonsense", "burn:write"])
def test_a_scope_that_is_unknown_or_not_the_clients_is_refused(http, credentials, scope) -> None:
    client_id, secret, _ = credentials(scopes=["earn:write"])
    answer = http.post("/oauth/token", data={**GRANT, "scope": scope}, headers=basic(client_id, secret))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")


def test_wrong_secret_and_unknown_client_look_the_same(http, credentials) -> None:
    client_id, _, _ = credentials()
    answers = [
        http.post("/oauth/token", data=GRANT, headers=headers)
        for headers in (
            basic(client_id, "wrong"),
            basic(client_id, "ünïcödé"),
            basic("co_client_unknown", "wrong"),
            basic("\x00", "\x00"),
            {"Authorization": "Basic !!!"},
            {"Authorization": "Basic /w=="},
            {"Authorization": "Bearer x"},
            {},
        )
    ]
    assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}
    assert answers[0].json["error"] == "invalid_client"
    assert "Basic" in answers[0].headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": ["earn:write", "burn:write"]}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
    ],
)
def test_malformed_requests_are_refused(http, credentials, data, error) -> None:
    client_id, secret, _ = credentials()
    answer = http.post("/oauth/token", data=data, headers=basic(client_id, secret))
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_secrets_in_the_address_are_refused(http, credentials) -> None:
    client_id, secret, _ = credentials()
    answer = http.post("/oauth/token?grant_type=client_credentials", headers=basic(client_id, secret))
    assert answer.json["error"] in ("invalid_request", "unsupported_grant_type")


def test_secrets_and_tokens_are_stored_as_hashes_only(world, http, credentials) -> None:
    client_id, secret, _ = credentials()
    token = http.post("/oauth/token", data=GRANT, headers=basic(client_id, secret)).json["access_token"]
    for table in ("partners.oauth_client", "partners.access_token"):
        for value in (secret, token):
            assert world.count(f"{table} t WHERE t::text LIKE '%{value[12:40]}%'") == 0


@pytest.mark.parametrize("token", ["", "x", "co_at_live_x_00000000", "co_at_live_" + "a" * 43 + "_deadbeef", "ü"])
def test_a_token_that_is_not_ours_is_401(http, token) -> None:
    answer = http.get(
        "/v1/transactions?reference=a",
        headers={"Authorization": f"Bearer {token}".encode().decode("latin-1")},
    )
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_401_even_from_the_cache(world, credentials) -> None:
    client_id, secret, _ = credentials()
    now = clock.now()
    with world.transaction() as session:
        client = clients.authenticate(
            session, client_id=client_id, secret=secret, now=clock.now(), keyring=world.keyring
        )
        token = access_tokens.issue(
            session, client=client, scopes=["earn:write"], lifetime_s=60, now=now, keyring=world.keyring
        )
    token_hash = access_tokens.hash_of(world.keyring, token)
    cache = TokenCache()
    with world.transaction() as session:
        found = access_tokens.find_principal(session, token_hash=token_hash, now=now)
        assert access_tokens.find_principal(session, token_hash=token_hash, now=now + timedelta(seconds=61)) is None
    cache.put(token_hash, *found, asked_s=time.monotonic())
    assert cache.get(token_hash, now) is not None
    assert cache.get(token_hash, now + timedelta(seconds=61)) is None
    cache.put(token_hash, *found, asked_s=time.monotonic() - CACHE_S)
    assert cache.get(token_hash, now) is None, "a slow database's answer is old when it comes"


def test_a_revoked_clients_token_is_no_longer_found(world, http, credentials) -> None:
    client_id, secret, _ = credentials()
    token = http.post("/oauth/token", data=GRANT, headers=basic(client_id, secret)).json["access_token"]
    with world.transaction() as session:
        clients.revoke(session, act(now=clock.now()), client_id=client_id)
        token_hash = access_tokens.hash_of(world.keyring, token)
        assert access_tokens.find_principal(session, token_hash=token_hash, now=clock.now()) is None
    assert http.post("/oauth/token", data=GRANT, headers=basic(client_id, secret)).status_code == 401


def test_the_metadata_names_what_there_is(http) -> None:
    answer = http.get("/.well-known/oauth-authorization-server").json
    assert answer["token_endpoint"] == answer["issuer"] + "/oauth/token"
    assert answer["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "private_key_jwt", "none"]
    assert answer["authorization_response_iss_parameter_supported"] is True
    assert answer["code_challenge_methods_supported"] == ["S256"]
    assert answer["response_types_supported"] == ["code"]
    algorithms = {name: value for name, value in answer.items() if name.endswith("signing_alg_values_supported")}
    assert {tuple(value) for value in algorithms.values()} == {("ES256", "EdDSA", "PS256", "RS256")}
    taken = {algorithm for of_type in ALGORITHMS.values() for algorithm in of_type}
    assert set(answer["token_endpoint_auth_signing_alg_values_supported"]) <= taken


def test_an_independent_client_gets_in(app, credentials, monkeypatch) -> None:
    """requests-oauthlib, against a real server socket."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client_id, secret, _ = credentials()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with OAuth2Session(client=BackendApplicationClient(client_id=client_id)) as session:
            session.fetch_token(f"{base}/oauth/token", client_id=client_id, client_secret=secret)
            assert session.get(f"{base}/v1/transactions?reference=none").json() == {
                "data": [],
                "next_cursor": None,
            }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
