"""The authorization server's endpoints, asked by somebody who wants to get in, or to learn who does.

Parameters that are odd, repeated or in the wrong place; what an error, its cost or the log gives away.
"""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import event
from werkzeug.test import TestResponse

from api.oauth.token_grants import DEVICE_CODE
from identity import clients
from identity.clients import Client
from identity.oauth import assertions
from kit import clock, ids
from tests.conftest import World, act
from tests.identity.oauth_kit import BACK, VERIFIER, App, basic, confirm_till
from tests.pin_openapi import pinned

PATHS = pinned()["paths"]
FORMS = {path: item["post"] for path, item in PATHS.items() if path.startswith("/oauth/")}
CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}
REQUIRED = {"/oauth/token": CLIENT_CREDENTIALS, "/oauth/revoke": {"token": "x"}, "/oauth/introspect": {"token": "x"}}


def fields_of(path: str) -> list[str]:
    """The parameters a form of the authorization server has."""
    [content] = FORMS[path]["requestBody"]["content"].values()
    return list(content["schema"]["properties"])


FIELDS = [(path, field) for path in FORMS for field in fields_of(path)]
pytestmark = pytest.mark.usefixtures("unlimited")
ODD = ["ü", "\x00", "\u202e", "x" * 20_000, " ", "{}", "%", "\r\nX: y", "[]" * 5_000]


def test_there_are_forms_to_try() -> None:
    assert len(FORMS) == 4
    assert len(FIELDS) > 20


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_no_value_of_a_parameter_is_a_fault_of_ours(http, credentials, path, field) -> None:
    client_id, secret, _ = credentials()
    for headers in (basic(client_id, secret), {}):
        for value in ODD:
            answer = http.post(path, data={**REQUIRED.get(path, {}), field: value}, headers=headers)
            assert (answer.status_code, answer.mimetype) in (
                (200, "application/json"), (400, "application/json"), (401, "application/json"),
            ), (value, answer.text)  # fmt: skip
            assert "error" in answer.json or answer.status_code == 200
            assert "X" not in answer.headers


@pytest.mark.parametrize("path", FORMS)
def test_no_body_is_a_fault_of_ours(http, credentials, path) -> None:
    client_id, secret, _ = credentials()
    form, media = b"application/x-www-form-urlencoded", "application/json"
    for body, content_type in (
        (b"grant_type=%ff&scope=%ED%A0%80&token=%FF%FE&client_id=%80", form.decode()),
        (b"&".join(b"a%d=1" % n for n in range(2_000)), form.decode()),
        (b"=&&=&%=%", form.decode()),
        (b"{}", media), (b"", media), (b"\xff" * 1_000, "text/plain"), (b"--x\r\n", "multipart/form-data; boundary=x"),
    ):  # fmt: skip
        answer = http.post(path, data=body, content_type=content_type, headers=basic(client_id, secret))
        assert answer.status_code in (200, 400, 401), (body[:40], answer.text)
    for headers in (basic(client_id, secret), {}):
        answer = http.post(path, data={**REQUIRED.get(path, {}), "more": "x" * 70_000}, headers=headers)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "Basic " + "A" * 2_000, "Basic", "Basic ", "Basic 4oKs", "basic \xff", "Basic Og==",
        "Basic " + base64.b64encode(b"%ff:%ff").decode(), "Basic " + base64.b64encode(b"\xed\xa0\x80:x").decode(),
        "Digest username=x", "Bearer co_at_live_x", "\x7f", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
def test_no_authorization_header_is_a_fault_of_ours(http, path, header) -> None:
    answer = http.post(path, data=REQUIRED[path], headers={"Authorization": header})
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_parameter_given_twice_is_refused(http, credentials, path, field) -> None:
    client_id, secret, _ = credentials()
    form: dict[str, Any] = {**REQUIRED.get(path, {}), field: ["a", "a"]}
    answer = http.post(path, data=form, headers=basic(client_id, secret))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert "more than once" in answer.json["error_description"]


@pytest.mark.parametrize("path", FORMS)
def test_parameters_in_the_address_are_refused(http, credentials, path) -> None:
    """An address stands in logs, in histories and in Referer."""
    client_id, secret, _ = credentials()
    for query in ({"client_id": client_id, "client_secret": secret}, {"token": "x"}, {"scope": "earn:write"}):
        answer = http.post(path, query_string=query, data=REQUIRED.get(path, {}), headers=basic(client_id, secret))
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
        assert secret not in answer.text
    assert http.get(path, query_string=CLIENT_CREDENTIALS, headers=basic(client_id, secret)).status_code == 405


def test_a_token_is_taken_from_its_header_only(http, caller, make_app) -> None:
    grocer, app = caller("fuelway"), make_app()
    token = app.redeem(app.code()).json["access_token"]
    assert http.get("/v1/event-types", query_string={"access_token": grocer.token}).status_code == 401
    assert http.get("/oauth/userinfo", query_string={"access_token": token}).status_code == 401
    assert http.post("/oauth/userinfo", data={"access_token": token}).status_code == 401
    assert http.post("/v1/members/lookup", data={"access_token": grocer.token}).status_code == 401
    cookies = http.application.test_client()
    cookies.set_cookie("access_token", grocer.token)
    assert cookies.get("/v1/event-types").status_code == 401
    both = grocer.get("/v1/event-types", access_token=grocer.token)
    assert (both.status_code, both.json["errors"][0]["pointer"]) == (422, "/access_token")
    kept = grocer.get(f"/v1/requests/{both.headers['Request-Id']}")
    assert kept.json["sent"]["query"] == {"access_token": "[redacted]"}
    assert grocer.token not in kept.text


def test_what_is_not_an_access_token_is_not_taken_for_one(http, make_app, world: World) -> None:
    app: App = make_app()
    code = app.code()
    got = app.redeem(code).json
    key, now = OctKey.import_key("x" * 32), int(clock.now().timestamp())
    claims = {"iss": "http://127.0.0.1:8000", "sub": app.client.client_id, "scope": "openid", "exp": now + 60}
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    signed = jwt.encode({"alg": "HS256", "typ": "at+jwt"}, claims, key)
    bare = f"{unsigned}.{signed.split('.')[1]}."
    for other in (got["id_token"], got["refresh_token"], code, app.secret, signed, bare):
        answer = http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {other}"})
        assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
    token = got["access_token"]
    for changed in (token[:-1], token.upper(), token.replace("_live_", "_test_"), token + "a"):
        assert http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {changed}"}).status_code == 401
    assert app.works(token)


# Who is there.


@pytest.fixture
def known(world: World, credentials, make_app, till: App) -> dict[str, Client]:
    """A client of each kind, and one that was revoked."""
    client_id, _, partner = credentials("fuelway")
    gone, _, _ = credentials(partner=partner)
    key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    with world.transaction() as session:
        signer = clients.create_with_keys(
            session, act(now=clock.now()), partner_id=partner.partner_id, scopes=None,
            jwks={"keys": [key.as_dict(private=False)]},
        )  # fmt: skip
        backend = clients.get(session, client_id)
        revoked = clients.get(session, gone)
        clients.revoke(session, act(now=clock.now()), client_id=gone)
    assert backend
    assert revoked
    return {
        "backend": backend, "signer": signer, "revoked": revoked, "app": make_app(code="bookshop").client,
        "on a device": make_app(code="bakery", secret=False).client, "till": till.client,
    }  # fmt: skip


UNKNOWN = "co_client_" + "A" * 22


def said(answer: TestResponse) -> tuple[Any, ...]:
    """All an answer says, but for what is of this request only."""
    own = ("Request-Id", "traceresponse", "Date", "RateLimit")
    return answer.status_code, answer.text, sorted((k, v) for k, v in answer.headers.items() if k not in own)


def forged(client_id: str) -> dict[str, str]:
    key, now = ECKey.generate_key("P-256", parameters={"kid": "k1"}), int(clock.now().timestamp())
    claims = {
        "iss": client_id, "sub": client_id, "aud": "http://127.0.0.1:8000", "jti": ids.new().hex, "exp": now + 60,
    }  # fmt: skip
    signed = jwt.encode({"alg": "ES256", "kid": "k1"}, claims, key)
    return {"client_assertion_type": assertions.TYPE, "client_assertion": signed}


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
def test_no_error_tells_which_clients_there_are(http, known, path) -> None:
    form = REQUIRED[path]

    def ask(client_id: str) -> list[tuple[Any, ...]]:
        return [
            said(http.post(path, data=form, headers=basic(client_id, "wrong"))),
            said(http.post(path, data={**form, **forged(client_id)})),
            said(http.post(path, data={**form, **forged(client_id), "client_id": client_id})),
        ]

    nobody = ask(UNKNOWN)
    assert {status for status, *_ in nobody} == {401}
    for name, client in known.items():
        assert ask(client.client_id) == nobody, name


@pytest.mark.parametrize("path", FORMS)
def test_a_name_alone_tells_of_no_client_that_has_to_prove_it(http, known, path) -> None:
    form = REQUIRED.get(path, {})
    nobody = said(http.post(path, data={**form, "client_id": UNKNOWN}))
    for name in ("backend", "signer", "revoked", "app"):
        assert said(http.post(path, data={**form, "client_id": known[name].client_id})) == nobody, name


def test_the_authorization_page_tells_of_apps_only(http, known) -> None:
    """An app's name is in every link to it, so it is no secret; the others' names are nowhere."""

    def ask(client_id: str) -> tuple[int, str]:
        query = {"client_id": client_id, "redirect_uri": "https://evil.example", "response_type": "code"}
        answer = http.get("/oauth/authorize", query_string=query, base_url="https://localhost")
        assert "Location" not in answer.headers
        return answer.status_code, answer.text

    for name in ("backend", "signer", "revoked", "till"):
        assert ask(known[name].client_id) == ask(UNKNOWN), name


@contextmanager
def statements(world_app: Any) -> Iterator[list[str]]:
    """What the database is asked while this lasts."""
    engine, found = world_app.extensions["coalition"].database.engine, []

    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", listen)


def test_an_unknown_client_costs_what_a_wrong_secret_costs(app, http, known, monkeypatch) -> None:
    """Time can't be compared in a test; what it goes into can: questions to the database, and comparisons."""
    compared: list[int] = []
    same = clients.same
    monkeypatch.setattr(clients, "same", lambda *both: compared.append(1) or same(*both))

    def cost(**how: Any) -> tuple[list[str], int]:
        compared.clear()
        with statements(app) as asked:
            assert http.post("/oauth/token", **how).status_code == 401
        return [one for one in asked if "partners." in one], len(compared)

    def by_secret(client_id: str) -> tuple[list[str], int]:
        return cost(data=CLIENT_CREDENTIALS, headers=basic(client_id, "wrong"))

    def by_key(client_id: str) -> tuple[list[str], int]:
        return cost(data={**CLIENT_CREDENTIALS, **forged(client_id)})

    assert by_secret(known["backend"].client_id) == by_secret(UNKNOWN)
    assert by_secret(UNKNOWN)[1] == 1
    assert len(by_secret(UNKNOWN)[0]) == 2
    assert by_key(known["signer"].client_id) == by_key(UNKNOWN)


# What the log gets to know.


def test_no_secret_is_logged_however_much_is(http, credentials, make_app, till: App, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    client_id, secret, _ = credentials("fuelway")
    app: App = make_app(code="bookshop")
    code, begun = app.code(), till.post("/oauth/device_authorization").json
    confirm_till(till, begun["user_code"])
    redeeming = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    poll = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    assertion = forged(client_id)["client_assertion"]
    own = http.post("/oauth/token", data=CLIENT_CREDENTIALS, headers=basic(client_id, secret)).json
    got, let_in = app.redeem(code).json, till.post("/oauth/token", **poll).json
    again = app.refresh(got["refresh_token"]).json
    app.post("/oauth/introspect", token=again["access_token"])
    app.post("/oauth/revoke", token=again["access_token"])
    for headers, form in (
        (basic(client_id, secret + "x"), CLIENT_CREDENTIALS),
        ({}, {**CLIENT_CREDENTIALS, **forged(client_id), "client_assertion": assertion}),
        (app.headers, redeeming),
        (basic(client_id, secret), {**CLIENT_CREDENTIALS, "scope": "nonsense"}),
    ):
        assert http.post("/oauth/token", data=form, headers=headers).status_code in (400, 401)
    http.get("/v1/event-types", headers={"Authorization": f"Bearer {own['access_token']}"})
    http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {own['access_token']}x"})
    secrets = [secret, str(app.secret), code, begun["device_code"], begun["user_code"], assertion, VERIFIER]
    for given in (own, got, let_in, again):
        secrets += [value for name, value in given.items() if name in ("access_token", "refresh_token")]
    assert len(secrets) == 13
    logged = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert len(logged) > 10
    for kept in secrets:
        assert not [line for line in logged if kept in line or base64.b64encode(kept.encode()).decode()[:40] in line]


def test_libraries_that_log_tokens_are_kept_quiet_whatever_the_level() -> None:
    """Authlib's debug lines name clients, codes and tokens."""
    program = (
        "import logging; from kit import logs; logs.configure('text'); logging.root.setLevel(logging.DEBUG)\n"
        "for name in ('authlib.oauth2.rfc6749', 'rq.worker', 'ours'): logging.getLogger(name).debug('of %s', name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "of ours" in done.stderr, "the level is as low as it says"
    assert done.stderr.count("of ") == 1
