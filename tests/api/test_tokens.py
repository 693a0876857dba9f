"""Codes, refresh tokens, device codes, revocation and introspection at the endpoints, as clients see them."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from sqlalchemy import text
from werkzeug.test import TestResponse

from api.oauth.token_grants import DEVICE_CODE
from identity import clients
from identity.clients import Client
from identity.oauth import assertions, codes, devices, kept_answers, keys
from kit import clock, ids
from tests.conftest import World, act
from tests.identity.oauth_kit import BACK, SCOPES, VERIFIER, App, basic, confirm_till


@pytest.fixture(params=[True, False], ids=["with a secret", "without"])
def app_(request, make_app) -> App:
    return make_app(secret=request.param)


def test_a_code_becomes_tokens_that_say_who_signed_in(app_: App, http) -> None:
    answer = app_.redeem(app_.code())
    assert answer.status_code == 200, answer.text
    body = answer.json
    assert body["scope"] == " ".join(SCOPES)
    assert body["authorization_details"] == [
        {"type": "coalition_spend", "points_per_purchase": 100, "points_per_day": 500}
    ]
    published = KeySet.import_key_set(http.get("/oauth/jwks").json)
    claims = jwt.decode(body["id_token"], published, algorithms=["ES256"]).claims
    assert (claims["aud"], claims["nonce"], claims["amr"]) == (app_.client.client_id, "n-1", ["otp"])
    assert claims["iss"] == http.get("/.well-known/openid-configuration").json["issuer"]
    info = http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {body['access_token']}"}).json
    assert info == {"sub": claims["sub"]}
    assert ids.show_our_own(app_.member_id) not in answer.text


def test_two_partners_see_different_names_of_one_member(make_app) -> None:
    subjects = set()
    member_id = ids.new()
    for code in ("greengrocer", "fuelway"):
        app = make_app(code=code)
        app.member_id = member_id
        token = app.redeem(app.code()).json["access_token"]
        subjects.add(app.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"}).json["sub"])
    assert len(subjects) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": codes.challenge_of(VERIFIER)},
        {"code_verifier": "short"},
        {"code_verifier": "ü" * 50},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": "https://evil.example/back"},
        {"code": "co_ac_nonsense"},
        {"code": "ünïcödé"},
    ],
)
def test_a_code_with_anything_wrong_is_refused_and_stays_good_for_its_owner(app_: App, wrong) -> None:
    code = app_.code()
    refused = app_.redeem(**{"code": code, **wrong})
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")
    assert app_.redeem(code).status_code == 200


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier"])
def test_a_code_without_its_proof_is_refused(app_: App, missing) -> None:
    refused = app_.redeem(**{"code": app_.code(), missing: ""})
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_request")


def test_a_challenge_is_not_made_plain_at_the_end(app_: App) -> None:
    code, challenge = app_.code(), codes.challenge_of(VERIFIER)
    for more in ({"code_challenge_method": "plain"}, {"code_challenge_method": "plain", "code_challenge": challenge}):
        assert app_.redeem(code, code_verifier=challenge, **more).json["error"] == "invalid_grant"
    assert app_.redeem(code).status_code == 200


def test_another_clients_code_is_refused(make_app) -> None:
    mine, other = make_app(), make_app(secret=False, code="fuelway")
    code = mine.code()
    assert other.redeem(code).json["error"] == "invalid_grant"
    assert other.redeem(code, client_id=mine.client.client_id).json["error"] == "invalid_client"
    assert mine.redeem(code).status_code == 200


def test_a_code_lives_a_minute(app_: App) -> None:
    code = app_.code()
    with app_.world.transaction() as session:
        session.execute(text("UPDATE partners.authorization_code SET used_at = NULL"))  # what the service may change
    _age(app_.world, "authorization_code", "expires_at", codes.LIFETIME)
    assert app_.redeem(code).json["error"] == "invalid_grant"


def test_nothing_lives_longer_than_it_should(make_app, till: App, http) -> None:
    """Authlib's defaults are ten days for most of them."""
    app = make_app(code="fuelway")
    got = app.redeem(app.code()).json
    begun = till.post("/oauth/device_authorization").json
    assert (got["expires_in"], begun["expires_in"], begun["interval"]) == (3600, 600, 5)
    claims = jwt.decode(got["id_token"], KeySet.import_key_set(http.get("/oauth/jwks").json), algorithms=["ES256"])
    assert claims.claims["exp"] - claims.claims["iat"] == 300
    seconds = {"authorization_code": 60, "access_token": 3600, "refresh_token": 60 * 86_400, "device_code": 600}
    for table, lives in seconds.items():
        with app.world.transaction() as session:
            left = session.scalars(text(f"SELECT extract(epoch FROM expires_at - now()) FROM partners.{table}")).all()
        assert left
        assert all(lives - 30 < one <= lives for one in left), (table, left)


def test_a_code_used_twice_ends_what_it_gave(app_: App) -> None:
    code = app_.code()
    first = app_.redeem(code).json
    assert app_.works(first["access_token"])
    assert app_.redeem(code).json["error"] == "invalid_grant"
    assert app_.refresh(first["refresh_token"]).json["error"] == "invalid_grant"
    app_.http.application.extensions.pop("coalition.tokens")  # what a process remembers for half a second
    assert not app_.works(first["access_token"])


def test_of_redemptions_at_once_one_gets_tokens(app_: App, app) -> None:
    code = app_.code()

    def redeem(_: int) -> int:
        return replace(app_, http=app.test_client()).redeem(code).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(redeem, range(8))) == {200: 1, 400: 7}
    assert app_.world.count("partners.oauth_grant WHERE revoked_at IS NULL") == 0, "the others may be a thief's"


def test_a_client_with_a_secret_keeps_its_refresh_token(make_app) -> None:
    app = make_app()
    token = app.redeem(app.code()).json["refresh_token"]
    for _ in range(3):
        answer = app.refresh(token).json
        assert "refresh_token" not in answer
        assert app.works(answer["access_token"])


def test_a_client_without_gets_a_new_one_and_the_same_answer_for_a_minute(make_app) -> None:
    app = make_app(secret=False)
    token = app.redeem(app.code()).json["refresh_token"]
    first = app.refresh(token).json
    assert first["refresh_token"] != token
    assert app.refresh(token).json["refresh_token"] == first["refresh_token"], "the answer was lost: it is given again"
    assert app.works(app.refresh(first["refresh_token"]).json["access_token"])


def test_an_answer_given_again_says_how_long_its_token_lives_from_then_on(make_app) -> None:
    app = make_app(secret=False)
    token = app.redeem(app.code()).json["refresh_token"]
    first = app.refresh(token).json
    _age(app.world, "refresh_token", "used_at", timedelta(seconds=30))
    again = app.refresh(token).json
    assert {**again, "expires_in": first["expires_in"]} == first
    assert first["expires_in"] - 35 <= again["expires_in"] <= first["expires_in"] - 30


def test_an_old_refresh_token_ends_the_whole_family(make_app) -> None:
    app = make_app(secret=False)
    token = app.redeem(app.code()).json["refresh_token"]
    newer = app.refresh(token).json["refresh_token"]
    _age(app.world, "refresh_token", "used_at", timedelta(seconds=61))
    assert app.refresh(token).json["error"] == "invalid_grant"
    assert app.refresh(newer).json["error"] == "invalid_grant", "the thief's or the owner's: nobody knows"


def test_refreshes_at_once_get_one_answer(make_app, app) -> None:
    mine = make_app(secret=False)
    token = mine.redeem(mine.code()).json["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: replace(mine, http=app.test_client()).refresh(token).json["access_token"], range(8))
        )
    assert len(set(answers)) == 1
    assert answers[0].startswith("co_at_")


def test_a_refresh_token_is_for_its_client_until_it_lies_idle(make_app) -> None:
    mine, other = make_app(), make_app(secret=False, code="fuelway")
    token = mine.redeem(mine.code()).json["refresh_token"]
    assert other.refresh(token).json["error"] == "invalid_grant"
    assert mine.refresh(token, scope="earn:write").json["error"] == "invalid_scope"
    assert mine.refresh(token, scope="openid").json["scope"] == "openid"
    _age(mine.world, "refresh_token", "expires_at", timedelta(days=61))
    assert mine.refresh(token).json["error"] == "invalid_grant"


def test_revoking_the_refresh_token_ends_the_grant_and_an_access_token_itself(app_: App) -> None:
    body = app_.redeem(app_.code()).json
    one, two = body["access_token"], app_.refresh(body["refresh_token"]).json
    assert app_.post("/oauth/revoke", token=one).status_code == 200
    assert not app_.works(one)
    assert app_.works(two["access_token"])
    app_.post("/oauth/revoke", token=two.get("refresh_token", body["refresh_token"]), token_type_hint="nonsense")
    app_.http.application.extensions.pop("coalition.tokens")
    assert not app_.works(two["access_token"])
    assert app_.post("/oauth/revoke", token="unknown").status_code == 200
    assert app_.post("/oauth/revoke").json["error"] == "invalid_request"


def test_nobody_revokes_anothers_token(make_app) -> None:
    mine, other = make_app(), make_app(code="fuelway")
    body = mine.redeem(mine.code()).json
    for token in (body["access_token"], body["refresh_token"]):
        assert other.post("/oauth/revoke", token=token).status_code == 200
    assert mine.works(body["access_token"])
    assert mine.refresh(body["refresh_token"]).status_code == 200


def test_introspection_tells_a_partner_of_its_own_tokens_only(make_app) -> None:
    mine, other = make_app(), make_app(code="fuelway")
    body = mine.redeem(mine.code()).json
    told = mine.post("/oauth/introspect", token=body["access_token"]).json
    assert (told["active"], told["client_id"], told["scope"]) == (True, mine.client.client_id, " ".join(SCOPES))
    assert told["authorization_details"] == body["authorization_details"]
    for asker, token in ((other, body["access_token"]), (mine, "unknown"), (mine, body["refresh_token"])):
        assert asker.post("/oauth/introspect", token=token).json == {"active": False}
    public = make_app(secret=False, code="bookshop")
    assert public.post("/oauth/introspect", token=body["access_token"]).status_code == 401


def test_a_client_may_use_its_own_grants_only(make_app, http, credentials) -> None:
    app = make_app()
    assert app.post("/oauth/token", grant_type="client_credentials").json["error"] == "unauthorized_client"
    client_id, secret, _ = credentials("fuelway")
    for form in (
        {"grant_type": "authorization_code", "code": app.code(), "redirect_uri": BACK, "code_verifier": VERIFIER},
        {"grant_type": "refresh_token", "refresh_token": "x"},
    ):
        answer = http.post("/oauth/token", data=form, headers=basic(client_id, secret))
        assert answer.json["error"] == "unauthorized_client"


def test_a_client_with_a_secret_cannot_go_without(make_app, http) -> None:
    app = make_app()
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": app.client.client_id}
    assert http.post("/oauth/token", data=form).json["error"] == "invalid_client"
    assert http.post("/oauth/token", data={**form, "client_secret": app.secret}).json["error"] == "invalid_client"


# Tills.


def _poll(till: App, begun: dict[str, Any]) -> dict[str, Any]:
    _age(till.world, "device_code", "poll_after", timedelta(seconds=devices.SLOWEST_S))
    return till.post("/oauth/token", grant_type=DEVICE_CODE, device_code=begun["device_code"]).json


def test_a_till_is_let_in_by_its_staff(till: App, http) -> None:
    begun = till.post("/oauth/device_authorization").json
    assert begun["verification_uri_complete"].endswith(begun["user_code"])
    assert _poll(till, begun)["error"] == "authorization_pending"
    confirm_till(till, begun["user_code"])
    got = _poll(till, begun)
    assert got["scope"] == "earn:write"
    answer = http.post("/v1/earns", json={}, headers={"Authorization": f"Bearer {got['access_token']}"})
    assert answer.json["code"] == "invalid_request", "the token is good for earns"
    assert till.refresh(got["refresh_token"]).status_code == 200
    assert _poll(till, begun)["access_token"] == got["access_token"], (
        "an answer that was lost costs nobody another visit"
    )
    _age(till.world, "device_code", "used_at", timedelta(seconds=30))
    assert got["expires_in"] - 35 <= _poll(till, begun)["expires_in"] <= got["expires_in"] - 30
    _age(till.world, "device_code", "used_at", kept_answers.REPEATED_FOR)
    assert _poll(till, begun)["error"] == "expired_token"
    assert till.refresh(got["refresh_token"]).json["error"] == "invalid_grant", "the code came twice: somebody has it"


def test_polls_at_once_get_one_answer(till: App, app) -> None:
    begun = till.post("/oauth/device_authorization").json
    confirm_till(till, begun["user_code"])
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}

    def poll(_: int) -> TestResponse:
        return replace(till, http=app.test_client()).post("/oauth/token", **form)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(poll, range(8)))
    assert Counter(answer.status_code for answer in answers) == {200: 8}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert till.refresh(answers[0].json["refresh_token"]).status_code == 200


def test_an_answer_is_not_repeated_to_a_till_that_was_put_out(till: App, world: World) -> None:
    begun = till.post("/oauth/device_authorization").json
    confirm_till(till, begun["user_code"])
    got = _poll(till, begun)
    assert till.post("/oauth/revoke", token=got["refresh_token"]).status_code == 200
    assert _poll(till, begun)["error"] == "expired_token"


@pytest.mark.parametrize("second", ["yes", "no"])
def test_of_two_answers_to_one_code_the_second_is_told_that_it_came_too_late(till: App, world: World, second) -> None:
    begun = till.post("/oauth/device_authorization").json
    asked = {"user_code": begun["user_code"], "partner_id": till.client.partner_id}

    def answer() -> None:
        with world.transaction() as session:
            if second == "no":
                devices.deny(session, keyring=world.keyring, now=clock.now(), **asked)
            else:
                devices.confirm(
                    session, act(world.keyring, now=clock.now()), staff_id=ids.new(), till="Till 5", **asked
                )

    with ThreadPoolExecutor(1) as pool:
        with world.transaction() as session:
            devices.confirm(session, act(world.keyring, now=clock.now()), staff_id=ids.new(), till="Till 4", **asked)
            late = pool.submit(answer)
            _wait_until_somebody_waits(world)
        with pytest.raises(devices.UserCodeUnknown):
            late.result()
    assert world.count("partners.oauth_grant") == 1
    assert _poll(till, begun)["scope"] == "earn:write"


def _wait_until_somebody_waits(world: World) -> None:
    end = time.monotonic() + 10
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        while not owner.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.parametrize("scope", ["nonsense", "earn:write nonsense", "burn:write", "openid", " "])
def test_a_till_may_not_ask_for_scopes_its_client_does_not_have(till: App, scope) -> None:
    answer = till.post("/oauth/device_authorization", scope=scope)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")


def test_a_till_that_asks_too_often_has_to_slow_down(till: App) -> None:
    begun = till.post("/oauth/device_authorization").json
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    errors = [till.post("/oauth/token", **form).json["error"] for _ in range(3)]
    assert errors == ["authorization_pending", "slow_down", "slow_down"]


def test_a_till_can_be_turned_away_or_be_too_late(till: App) -> None:
    denied, late = (till.post("/oauth/device_authorization").json for _ in range(2))
    with till.world.transaction() as session:
        devices.deny(
            session,
            user_code=denied["user_code"],
            partner_id=till.client.partner_id,
            now=clock.now(),
            keyring=till.world.keyring,
        )
    assert _poll(till, denied)["error"] == "access_denied"
    _age(till.world, "device_code", "expires_at", devices.LIFETIME)
    assert _poll(till, late)["error"] == "expired_token"
    assert _poll(till, {"device_code": "ünïcödé"})["error"] == "expired_token"


def test_another_partners_staff_cannot_see_the_code(till: App, world: World) -> None:
    begun = till.post("/oauth/device_authorization").json
    with world.transaction() as session, pytest.raises(devices.UserCodeUnknown):
        devices.waiting(
            session, user_code=begun["user_code"], partner_id=ids.new(), now=clock.now(), keyring=world.keyring
        )


def test_only_tills_begin_like_that(make_app, http, credentials) -> None:
    assert make_app(secret=False).post("/oauth/device_authorization").json["error"] == "unauthorized_client"
    client_id, secret, _ = credentials("fuelway")
    answer = http.post("/oauth/device_authorization", headers=basic(client_id, secret))
    assert answer.json["error"] == "invalid_client"


# Private keys and secrets.


@pytest.fixture
def signer(world: World) -> tuple[Client, ECKey]:
    key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client = clients.create_with_keys(
            session,
            act(now=clock.now()),
            partner_id=partner.partner_id,
            scopes=["earn:write"],
            jwks={"keys": [key.as_dict(private=False)]},
        )
    return client, key


def _assertion(client: Client, key: Any, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(clock.now().timestamp())
    body = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": "http://127.0.0.1:8000",
        "jti": ids.new().hex,
        "iat": now,
        "exp": now + 60,
        **claims,
    }
    return jwt.encode({"alg": "ES256", "kid": "k1", **(header or {})}, body, key, algorithms=["ES256", "HS256"])


def _sign_in(http, assertion: str, **more: Any) -> TestResponse:
    form = {"grant_type": "client_credentials", "client_assertion_type": assertions.TYPE, "client_assertion": assertion}
    return http.post("/oauth/token", data={**form, **more})


def test_a_client_signs_in_with_its_key_once_per_assertion(http, signer) -> None:
    assertion = _assertion(*signer)
    assert _sign_in(http, assertion).json["scope"] == "earn:write"
    assert _sign_in(http, assertion).json["error"] == "invalid_client"
    assert _sign_in(http, _assertion(*signer, aud=["http://127.0.0.1:8000/oauth/token"])).status_code == 200


def test_an_assertion_at_once_many_times_counts_once(app, signer) -> None:
    assertion = _assertion(*signer)
    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(lambda _: _sign_in(app.test_client(), assertion).status_code, range(8)))
    assert found == {200: 1, 401: 7}


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://evil.example"},
        {"aud": None},
        {"aud": {}},
        {"sub": "somebody"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1},
        {"exp": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"nbf": "x"},
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(http, signer, claims) -> None:
    assert _sign_in(http, _assertion(*signer, **claims)).json["error"] == "invalid_client"


def test_an_assertion_signed_by_anything_else_is_refused(http, signer) -> None:
    client, key = signer
    other = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    public = json.dumps(key.as_dict(private=False)).encode()
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    body = _assertion(client, key).split(".")[1]
    for bad in (
        _assertion(client, other),
        _assertion(client, key, header={"kid": "k2"}),
        _assertion(client, OctKey.import_key(public), header={"alg": "HS256"}),
        f"{head}.{body}.",
        _assertion(client, key)[:-4] + "AAAA",
        "ünïcödé",
        "a.b.c",
        "x" * 5_000,
    ):
        assert _sign_in(http, bad).json["error"] == "invalid_client", bad
    assert _sign_in(http, _assertion(client, key), client_id="other").json["error"] == "invalid_client"
    assert _sign_in(http, _assertion(client, key), client_assertion_type="x").json["error"] == "invalid_client"


def test_two_secrets_overlap_and_the_older_one_ends(world: World, http, credentials) -> None:
    client_id, secret, _ = credentials()
    form = {"grant_type": "client_credentials"}
    with world.transaction() as session:
        newer = clients.add_secret(session, act(world.keyring, now=clock.now()), client_id=client_id)
    for each in (secret, newer):
        assert http.post("/oauth/token", data=form, headers=basic(client_id, each)).status_code == 200
    with world.transaction() as session, pytest.raises(clients.SecretsOverlap):
        clients.add_secret(session, act(world.keyring, now=clock.now()), client_id=client_id)
    _age(world, "client_secret", "expires_at", timedelta(days=8))
    assert http.post("/oauth/token", data=form, headers=basic(client_id, secret)).status_code == 401
    assert http.post("/oauth/token", data=form, headers=basic(client_id, newer)).status_code == 200


def test_signing_keys_change_without_a_gap(world: World) -> None:
    now = clock.now()
    with world.transaction() as session:
        first = keys.current(session, now=now, keyring=world.keyring).kid
        second = keys.rotate(session, act(world.keyring, now=now))

        def at(hours: int) -> tuple[str, set[str]]:
            when = now + timedelta(hours=hours)
            published = keys.published(session, now=when, keyring=world.keyring)
            assert all("d" not in key for key in published)
            return keys.current(session, now=when, keyring=world.keyring).kid, {k["kid"] for k in published}

        assert [at(1), at(25), at(49)] == [(first, {first, second}), (second, {first, second}), (second, {second})]


def _age(world: World, table: str, column: str, by: timedelta) -> None:
    """Let time pass for one column, as the table's owner."""
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(f"UPDATE partners.{table} SET {column} = {column} - %s".encode(), (by,))
