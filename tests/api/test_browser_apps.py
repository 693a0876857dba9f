"""Apps in a browser: scripts of their registered origins read what they need, and nobody else's read anything."""

from __future__ import annotations

import pytest

from api.oauth.browser_apps import origin_of
from identity import clients
from kit import clock
from kit.http import cors, versions
from tests.conftest import act
from tests.identity.oauth_kit import BACK, App

HERE = "https://app.example"
ROUTES = ("/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/v1/me/balance", "/v1/me/transactions")


@pytest.fixture(autouse=True)
def _read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cors, "REMEMBERED_S", -1.0)


@pytest.fixture
def app_(make_app) -> App:
    return make_app(secret=False)


@pytest.mark.parametrize("path", ROUTES)
def test_its_browser_may_ask_and_see(app_: App, path: str) -> None:
    asks = {"Origin": HERE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = app_.http.options(path, headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == HERE
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert {"GET", "POST"} & set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    answer = app_.http.open(path, method="POST" if "/oauth/" in path else "GET", headers={"Origin": HERE})
    assert answer.status_code in (400, 401), "a refusal, too, it may read"
    assert answer.headers["Access-Control-Allow-Origin"] == HERE
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_it_signs_in_and_reads_the_balance(app_: App) -> None:
    form = {"grant_type": "authorization_code", "code": app_.code(), "redirect_uri": BACK, "code_verifier": "v" * 64}
    origin = {"Origin": HERE}
    got = app_.http.post("/oauth/token", data={**form, "client_id": app_.client.client_id}, headers=origin)
    assert got.status_code == 200, got.text
    assert got.headers["Access-Control-Allow-Origin"] == HERE
    info = app_.http.get("/oauth/userinfo", headers={**origin, "Authorization": f"Bearer {got.json['access_token']}"})
    assert (info.status_code, info.headers["Access-Control-Allow-Origin"]) == (200, HERE)


# What scripts see by themselves (Fetch standard §2.2.6), and what is for browsers and caches.
NOT_FOR_SCRIPTS = {
    "Cache-Control", "Content-Length", "Content-Type", "Vary", "X-Content-Type-Options", "Strict-Transport-Security",
}  # fmt: skip


def test_it_asks_for_a_version_and_sees_all_that_answers_say(app_: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = {"Origin": HERE, "Access-Control-Request-Method": "GET"}
    allowed = app_.http.options("/v1/me/balance", headers=asks).headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Coalition-Version", "Idempotency-Key", "Request-Id", "traceparent"} <= set(allowed)
    view = app_.http.application.view_functions["me.balance"]
    ends = versions.Deprecation(clock.now(), clock.now(), "https://example.com")
    monkeypatch.setattr(view, "deprecation", ends, raising=False)
    token = app_.redeem(app_.code()).json["access_token"]
    for authorization in (f"Bearer {token}", "Bearer none"):
        answer = app_.http.get("/v1/me/balance", headers={"Origin": HERE, "Authorization": authorization})
        seen = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        sent = {name for name, _ in answer.headers if not name.startswith("Access-Control-")}
        assert sent - NOT_FOR_SCRIPTS <= seen
        assert {"Deprecation", "Sunset", "Coalition-Version"} <= sent
    assert {"Retry-After", "RateLimit", "WWW-Authenticate"} <= seen


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/jwks"]
)
def test_where_libraries_begin_anybodys_script_reads(http, path: str) -> None:
    answer = http.get(path, headers={"Origin": "https://anybody.example"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "Origin" not in answer.headers.get("Vary", "")
    asks = {"Origin": "https://anybody.example", "Access-Control-Request-Method": "GET"}
    assert http.options(path, headers=asks).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.example", "https://app.example:8443", "https://app.example.evil", "null"],
)
@pytest.mark.parametrize("path", ROUTES)
def test_nobody_elses_script_reads_anything(app_: App, path: str, origin: str) -> None:
    for method in ("OPTIONS", "GET", "POST"):
        answer = app_.http.open(path, method=method, headers={"Origin": origin})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("path", ["/v1/transactions", "/v1/earns", "/oauth/introspect", "/oauth/authorize", "/docs"])
def test_other_routes_are_not_for_scripts(app_: App, path: str) -> None:
    answer = app_.http.get(path, headers={"Origin": HERE})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_app_with_a_secret_or_a_revoked_one_has_no_scripts(make_app, world) -> None:
    served = make_app(code="fuelway")
    assert "Access-Control-Allow-Origin" not in served.http.get("/oauth/userinfo", headers={"Origin": HERE}).headers
    gone = make_app(secret=False)
    with world.transaction() as session:
        clients.revoke(session, act(now=clock.now()), client_id=gone.client.client_id)
    assert "Access-Control-Allow-Origin" not in gone.http.get("/oauth/userinfo", headers={"Origin": HERE}).headers


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://App.Example/back?x=1", "https://app.example"),
        ("https://app.example:443/", "https://app.example"),
        ("https://app.example:8443/", "https://app.example:8443"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_do(uri: str, origin: str) -> None:
    assert origin_of(uri) == origin
