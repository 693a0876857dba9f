"""The pages of the authorization server, through a browser's eyes: consent, refusal, tills, and what was agreed to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from console import cookies
from identity import clients
from identity.clients import Client
from identity.oauth import codes
from identity.sign_in import session_store
from identity.sign_in.people import Subject
from identity.token_cache import CACHE_S
from kit import clock, ids
from partners import brands, locations, staff
from tests.conftest import World, act, audited
from tests.service import basic

BACK = "https://app.example/back?kept=1"
VERIFIER = "v" * 64
SPENDING = json.dumps([{"type": "coalition_spend", "points_per_purchase": 100, "points_per_day": 500}])
HERE = "https://localhost"


class Browser:
    """A member's or staff member's browser."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.http.get(path, query_string=query, base_url=HERE)

    def submit(self, shown: TestResponse, **fields: str) -> TestResponse:
        """Send the form on a page as it stands, with these fields filled in."""
        action = re.search(r'<form method="post" action="([^"]+)"', shown.text)[1]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', shown.text))
        return self.http.post(action, data={**hidden, **fields}, base_url=HERE)


@pytest.fixture
def browser(app, world: World) -> Callable[..., Browser]:
    """A browser; signed in, where a subject is named."""

    def make(subject: Subject | None = None) -> Browser:
        http = app.test_client()
        if subject:
            if subject.kind == "staff":
                _hire(world, subject)
            with world.transaction() as session:
                token = session_store.begin(
                    session,
                    subject,
                    methods=("otp",),
                    user_agent="test",
                    replaces=None,
                    now=clock.now(),
                    keyring=world.keyring,
                )
            http.set_cookie(cookies.OF_KIND[subject.kind], token, domain="localhost", secure=True)
        return Browser(http)

    return make


def _hire(world: World, subject: Subject) -> None:
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO partners.staff (staff_id, partner_id, email, name, role, created_at)
                VALUES (:id, :partner_id, :email, 'Ann', 'manager', now())
            """),
            {"id": subject.subject_id, "partner_id": subject.partner_id, "email": f"{subject.subject_id.hex}@x.test"},
        )


@pytest.fixture
def member(world: World) -> Subject:
    return Subject("member", world.member(), None)


@pytest.fixture
def shop(world: World) -> tuple[Client, str]:
    """An app on a server, with its secret."""
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        made, secret = clients.create_app(
            session,
            act(world.keyring, now=clock.now()),
            partner_id=partner.partner_id,
            name="Green <app>",
            redirect_uris=[BACK],
            on_a_server=True,
        )
    return made, str(secret)


def asking(client: Client, **more: Any) -> dict[str, Any]:
    return {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": BACK,
        "scope": "openid balance:read history:read",
        "state": "s-1 &=ü",
        "code_challenge": codes.challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **more,
    }


def sent_back(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == "https://app.example/back"
    query = parse_qs(location.query, strict_parsing=True)
    assert query.pop("kept") == ["1"]
    assert query.pop("iss") == ["http://127.0.0.1:8000"]
    return {name: value for name, (value,) in query.items()}


def test_a_member_agrees_and_the_app_sees_the_balance(browser, member, shop, http, world) -> None:
    client, secret = shop
    at = browser(member)
    shown = at.get("/oauth/authorize", **asking(client))
    assert "Green &lt;app&gt;" in shown.text
    assert "form-action 'self' https://app.example" in shown.headers["Content-Security-Policy"]
    got = sent_back(at.submit(shown, decision="allow"))
    assert got["state"] == "s-1 &=ü"
    form = {
        "grant_type": "authorization_code",
        "code": got["code"],
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    tokens = http.post("/oauth/token", data=form, headers=basic(client.client_id, secret)).json
    world.earn(client.partner_id, member.subject_id, 30)
    station = world.partner("fuelway")
    world.earn(station.partner_id, member.subject_id, 12)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert http.get("/v1/me/balance", headers=bearer).json["available"] == 42

    def history() -> list[tuple[int, str]]:
        return [(t["points"], t["brand"]) for t in http.get("/v1/me/transactions", headers=bearer).json["data"]]

    assert history() == [(12, "Fuelway"), (30, "Greengrocer")]
    with world.transaction() as session:
        brands.add(session, act(now=clock.now()), partner_id=station.partner_id, name="Fuel & Go")
    assert history() == [(12, "Fuel & Go"), (30, "Greengrocer")], "the brand, where there is one"
    with world.transaction() as session:
        brands.add(session, act(now=clock.now()), partner_id=station.partner_id, name="Wash & Go")
    assert history() == [(12, "Fuelway"), (30, "Greengrocer")], "several: no entry says which"
    assert http.post("/v1/earns", json={}, headers=bearer).json["code"] == "insufficient_scope"


def test_no_is_told_to_the_app(browser, member, shop) -> None:
    at = browser(member)
    got = sent_back(at.submit(at.get("/oauth/authorize", **asking(shop[0])), decision="deny"))
    assert (got["error"], got["state"]) == ("access_denied", "s-1 &=ü")


def test_who_is_not_signed_in_is_led_there_and_back(browser, shop) -> None:
    answer = browser().get("/oauth/authorize", **asking(shop[0]))
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in/member?next=/oauth/authorize")


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "co_client_unknown"},
        {"client_id": "\x00"},
        {"client_id": ""},
        {"redirect_uri": "https://app.example/back"},
        {"redirect_uri": "https://app.example/back?kept=1&more=2"},
        {"redirect_uri": "https://app.example/back?kept=1#x"},
        {"redirect_uri": "https://app.example.evil/back?kept=1"},
        {"redirect_uri": "https://app.example@evil.example/back?kept=1"},
        {"redirect_uri": "https://APP.example/back?kept=1"},
        {"redirect_uri": "http://app.example/back?kept=1"},
        {"redirect_uri": "https://app.example/back/../evil?kept=1"},
        {"redirect_uri": "https://app.example/back/?kept=1"},
        {"redirect_uri": "https://app.example/%62ack?kept=1"},
        {"redirect_uri": "https://app.example/back?kept=1&"},
        {"redirect_uri": "https://app.example/back?kept=1%00"},
        {"redirect_uri": "https://app.example:443/back?kept=1"},
        {"redirect_uri": "https://app.example./back?kept=1"},
        {"redirect_uri": "https://evil.app.example/back?kept=1"},
        {"redirect_uri": "https://app.example\\.evil.example/back?kept=1"},
        {"redirect_uri": "https://\u0430pp.example/back?kept=1"},
        {"redirect_uri": "//app.example/back?kept=1"},
        {"redirect_uri": "/back?kept=1"},
        {"redirect_uri": " https://app.example/back?kept=1"},
        {"redirect_uri": "https://app.example/back?kept=1\r\nX: y"},
        {"redirect_uri": "HTTPS://app.example/back?kept=1"},
        {"redirect_uri": "http://127.0.0.1/back?kept=1"},
        {"redirect_uri": "https://app.example/back?kept=1" + "x" * 5_000},
        {"redirect_uri": None},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"redirect_uri": [BACK, BACK]},
        {"client_id": ["a", "b"]},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_the_apps(browser, member, shop, change) -> None:
    answer = browser(member).get("/oauth/authorize", **asking(shop[0], **change))
    assert answer.status_code == 422
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "openid earn:write"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge_method": ["S256", "plain"]}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "openid nonsense"}, "invalid_scope"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
        ({"response_type": ["code", "code"]}, "invalid_request"),
        ({"scope": ["openid", "openid"]}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://x"}, "request_uri_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "nonsense"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"nonce": "\x00"}, "invalid_request"),
        ({"nonce": "n" * 1001}, "invalid_request"),
        ({"scope": "spend"}, "invalid_authorization_details"),
        ({"authorization_details": SPENDING}, "invalid_authorization_details"),
        ({"scope": "spend", "authorization_details": "["}, "invalid_authorization_details"),
        (
            {"scope": "spend", "authorization_details": SPENDING.replace("}", ', "points_per_day": 9}')},
            "invalid_authorization_details",
        ),
        ({"scope": "spend", "authorization_details": "[" * 1999}, "invalid_authorization_details"),
        ({"scope": "spend", "authorization_details": SPENDING.replace("100", "1e2")}, "invalid_authorization_details"),
        ({"scope": "spend", "authorization_details": SPENDING.replace("500", "50")}, "invalid_authorization_details"),
        ({"scope": "spend", "authorization_details": SPENDING.replace("100", "0")}, "invalid_authorization_details"),
        ({"scope": "spend", "authorization_details": SPENDING.replace("_spend", "")}, "invalid_authorization_details"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
def test_the_app_is_told_what_is_wrong_with_its_request(browser, member, shop, change, error) -> None:
    assert sent_back(browser(member).get("/oauth/authorize", **asking(shop[0], **change)))["error"] == error


def test_an_app_on_a_device_too_proves_that_the_code_is_its_own(browser, member, world) -> None:
    with world.transaction() as session:
        client, _ = clients.create_app(
            session,
            act(now=clock.now()),
            partner_id=world.partner("desk").partner_id,
            name="Desk",
            redirect_uris=[BACK],
        )
    at = browser(member)
    for change in ({"code_challenge": None}, {"code_challenge_method": None}, {"code_challenge_method": "plain"}):
        assert sent_back(at.get("/oauth/authorize", **asking(client, **change)))["error"] == "invalid_request"
    assert at.get("/oauth/authorize", **asking(client)).status_code == 200


def test_a_code_of_one_sign_in_is_of_no_use_in_another(browser, member, shop, http, world) -> None:
    """Code injection: the attacker's own browser at the same app, with a code that was given to the victim."""
    client, secret = shop

    def begin(subject: Subject, verifier: str) -> str:
        at = browser(subject)
        shown = at.get("/oauth/authorize", **asking(client, code_challenge=codes.challenge_of(verifier)))
        return sent_back(at.submit(shown, decision="allow"))["code"]

    def end(code: str, verifier: str) -> Any:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": verifier}
        return http.post("/oauth/token", data=form, headers=basic(client.client_id, secret))

    victims = begin(member, "v" * 64)
    attackers = begin(Subject("member", world.member("7001000000178511"), None), "a" * 64)
    assert end(victims, "a" * 64).json["error"] == "invalid_grant"
    assert end(attackers, "v" * 64).json["error"] == "invalid_grant"
    assert end(victims, "v" * 64).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "max_age", "display", "claims",
     "code_challenge", "code_challenge_method", "authorization_details", "response_mode", "login_hint"],
)  # fmt: skip
def test_no_value_of_a_parameter_is_a_fault_of_ours(browser, member, shop, name) -> None:
    at = browser(member)
    for value in ("ü", "\x00", "\u202e", "x" * 5_000, "[" * 1_999, "\r\nX: y", "-1", "9" * 400, "{}", ""):
        answer = at.get("/oauth/authorize", **asking(shop[0], **{name: value}))
        assert answer.status_code in (200, 303, 422), (value, answer.text)
        assert "X" not in answer.headers
    raw = "&".join(f"{key}=a" for key in asking(shop[0]) if key != name) + f"&{name}=%ff%ED%A0%80"
    assert at.http.get(f"/oauth/authorize?{raw}", base_url=HERE).status_code == 422
    assert at.get("/oauth/authorize", **asking(shop[0], **{name: "x" * 9_000})).status_code == 422


def test_prompt_none_without_a_member_is_told_to_the_app(browser, shop) -> None:
    assert sent_back(browser().get("/oauth/authorize", **asking(shop[0], prompt="none")))["error"] == "login_required"


def test_a_loopback_app_may_come_back_on_any_port(browser, member, world) -> None:
    with world.transaction() as session:
        client, secret = clients.create_app(
            session,
            act(now=clock.now()),
            partner_id=world.partner("desk").partner_id,
            name="Desk",
            redirect_uris=["http://127.0.0.1/back"],
        )
    assert secret is None
    at = browser(member)
    for uri, status in (
        ("http://127.0.0.1:49152/back", 200),
        ("http://127.0.0.1:1/back", 200),
        ("http://127.0.0.2:1/back", 422),
        ("http://localhost:1/back", 422),
        ("http://127.0.0.1:99999/back", 422),
        ("http://127.0.0.1:+1/back", 422),
        ("http://127.0.0.1:\u0661/back", 422),
        ("http://127.0.0.1:1@evil.example/back", 422),
        ("http://evil.example#@127.0.0.1:1/back", 422),
        ("http://127.0.0.1.evil.example:1/back", 422),
        ("http://[::1]:1/back", 422),
        ("http://127.1:1/back", 422),
        ("http://2130706433:1/back", 422),
        ("http://127.0.0.1:1/back#x", 422),
        ("http://127.0.0.1:1/back?x=1", 422),
        ("http://127.0.0.1:1/other", 422),
        ("https://127.0.0.1:1/back", 422),
    ):
        assert at.get("/oauth/authorize", **asking(client, redirect_uri=uri)).status_code == status, uri


def test_the_same_wish_of_an_app_with_a_secret_is_not_asked_twice(browser, member, shop, world) -> None:
    at = browser(member)
    wish = asking(shop[0], scope="openid spend", authorization_details=SPENDING)
    shown = at.get("/oauth/authorize", **wish)
    assert "100 per purchase and 500 per day" in shown.text
    sent_back(at.submit(shown, decision="allow"))
    assert "code" in sent_back(at.get("/oauth/authorize", **wish))
    assert "code" in sent_back(at.get("/oauth/authorize", **{**wish, "prompt": "none"}))
    assert at.get("/oauth/authorize", **{**wish, "prompt": "consent"}).status_code == 200
    assert world.count("partners.oauth_grant") == 1


def test_what_the_page_showed_is_what_is_agreed_to(browser, member, shop, world) -> None:
    at = browser(member)
    shown = at.get("/oauth/authorize", **asking(shop[0]))
    sealed = re.search(r'name="request" value="([^"]+)"', shown.text)[1]
    assert at.submit(shown, decision="allow", request=sealed[:-2] + "AA").status_code == 422
    assert at.submit(shown, decision="allow", csrf_token="x.y").status_code == 403
    other = browser(Subject("member", world.member("7001000000178511"), None))
    own = other.get("/oauth/authorize", **asking(shop[0]))
    stolen = other.submit(own, decision="allow", request=sealed)
    assert (stolen.status_code, "Location" in stolen.headers) == (422, False)
    assert world.count("partners.oauth_grant") == 0


def test_a_member_sees_and_withdraws_consents(browser, member, shop, world) -> None:
    at = browser(member)
    wish = asking(shop[0], scope="openid spend", authorization_details=SPENDING)
    sent_back(at.submit(at.get("/oauth/authorize", **wish), decision="allow"))
    listed = at.get("/consents")
    assert "100 per purchase, 500 per day" in listed.text
    stranger = browser(Subject("member", world.member("7001000000178511"), None))
    assert "not given any app your consent" in stranger.get("/consents").text
    action = re.search(r'action="(/consents/[^"]+)"', listed.text)[1]
    token = re.search(r'name="csrf_token" value="([^"]+)"', stranger.get("/sign-out").text)[1]
    assert stranger.http.post(action, data={"csrf_token": token}, base_url=HERE).status_code == 404
    assert at.submit(listed).status_code == 303
    assert "not given any app your consent" in at.get("/consents").text
    withdrawn, given = audited(world.database)
    assert [(entry["action"], entry["subject"]) for entry in (given, withdrawn)] == [
        ("consent.given", shop[0].client_id), ("consent.withdrawn", shop[0].client_id),
    ]  # fmt: skip
    assert given["kind"] == withdrawn["kind"] == "member"
    assert given["actor_id"] == withdrawn["actor_id"]
    assert given["facts"]["most_per_purchase"] == 100
    assert given["facts"]["grant_id"] == withdrawn["facts"]["grant_id"]


def test_staff_let_a_till_in_and_turn_it_out(browser, world, http) -> None:
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client = clients.create_tills(
            session, act(now=clock.now()), partner_id=partner.partner_id, name="Tills", scopes=["earn:write"]
        )
    begun = http.post("/oauth/device_authorization", data={"client_id": client.client_id}).json
    stranger = browser(Subject("staff", ids.new(), world.partner("fuelway").partner_id))
    refused = stranger.submit(stranger.get("/device"), user_code=begun["user_code"])
    assert (refused.status_code, "none of your tills" in refused.text) == (422, True)
    at = browser(Subject("staff", ids.new(), partner.partner_id))
    page = at.get("/device", user_code=begun["user_code"])
    assert begun["user_code"] in page.text
    seen = at.submit(page, user_code=begun["user_code"].lower())
    assert "issue points" in seen.text
    assert at.submit(seen, till="High Street 4", decision="allow").status_code == 303
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": begun["device_code"],
        "client_id": client.client_id,
    }
    got = http.post("/oauth/token", data=poll).json
    assert got["scope"] == "earn:write"
    tills = at.get("/device/tills")
    assert "High Street 4" in tills.text
    assert "No till is approved" in stranger.get("/device/tills").text
    assert at.submit(tills).status_code == 303
    again = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"], "client_id": client.client_id}
    assert http.post("/oauth/token", data=again).json["error"] == "invalid_grant"
    turned_out, let_in = audited(world.database)
    assert (let_in["action"], turned_out["action"]) == ("till.let_in", "till.turned_out")
    assert let_in["kind"] == "staff"
    assert "High Street" not in str([let_in, turned_out])


def test_a_till_is_one_of_the_partners_and_works_only_where_that_may(browser, world, http) -> None:
    partner, other = world.partner("greengrocer"), world.partner("fuelway")
    mine = {"code": "HS", "name": "High Street", "territory": "GB", "address": "1 High Street"}
    with world.transaction() as session:
        client = clients.create_tills(
            session, act(now=clock.now()), partner_id=partner.partner_id, name="Tills", scopes=["earn:write"]
        )
        shop, strange = (locations.add(session, act(), partner_id=who.partner_id, **mine) for who in (partner, other))
        tills = [
            locations.add_till(session, act(now=clock.now()), location_id=where.location_id, code=code)
            for where, code in ((shop, "4"), (shop, "5"), (strange, "6"))
        ]
        locations.set_till(session, act(), till_id=tills[1].till_id, status="blocked")
    begun = http.post("/oauth/device_authorization", data={"client_id": client.client_id}).json
    at = browser(Subject("staff", ids.new(), partner.partner_id))
    seen = at.submit(at.get("/device"), user_code=begun["user_code"])
    assert re.findall(r"<option value=\"(.*)\">(.*)</option>", seen.text) == [
        (str(tills[0].till_id), "High Street, till 4")
    ], "neither the blocked one nor another partner's"
    for wrong in ("High Street 4", str(tills[1].till_id), str(tills[2].till_id)):
        assert at.submit(seen, till=wrong, decision="allow").status_code == 404
    assert at.submit(seen, till=str(tills[0].till_id), decision="allow").status_code == 303
    assert "High Street, till 4" in at.get("/device/tills").text
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": begun["device_code"],
        "client_id": client.client_id,
    }
    token = http.post("/oauth/token", data=poll).json["access_token"]

    def status() -> int:
        time.sleep(CACHE_S + 0.05)
        return int(http.get("/v1/me/balance", headers={"Authorization": f"Bearer {token}"}).status_code)

    assert status() == 403, "a good token, for something else"
    with world.transaction() as session:
        locations.set_till(session, act(), till_id=tills[0].till_id, status="blocked")
    assert status() == 401
    with world.transaction() as session:
        locations.set_till(session, act(), till_id=tills[0].till_id, status="active")
    assert status() == 403
    with world.transaction() as session:
        locations.change(session, act(), location_id=shop.location_id, status="closed")
    assert status() == 401


def test_a_till_can_be_turned_away_on_the_page(browser, world, http) -> None:
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client = clients.create_tills(
            session, act(now=clock.now()), partner_id=partner.partner_id, name="Tills", scopes=None
        )
    begun = http.post("/oauth/device_authorization", data={"client_id": client.client_id}).json
    at = browser(Subject("staff", ids.new(), partner.partner_id))
    seen = at.submit(at.get("/device"), user_code=begun["user_code"])
    at.submit(seen, till="", decision="deny")
    assert "No till is approved" in at.get("/device/tills").text
    assert at.submit(at.get("/device"), user_code=begun["user_code"]).status_code == 422


def test_the_coalitions_own_staff_let_no_till_in(browser) -> None:
    assert browser(Subject("staff", ids.new(), None)).get("/device").status_code == 403


def test_a_cashier_lets_tills_in_and_turns_none_out(world: World, browser, http) -> None:
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        client = clients.create_tills(
            session, act(now=clock.now()), partner_id=partner.partner_id, name="Tills", scopes=None
        )
    begun = http.post("/oauth/device_authorization", data={"client_id": client.client_id}).json
    office, cashier = (Subject("staff", ids.new(), partner.partner_id) for _ in range(2))
    boss, at = browser(office), browser(cashier)
    with world.transaction() as session:
        staff.change(session, act(), staff_id=cashier.subject_id, role="cashier")
    seen = at.submit(at.get("/device"), user_code=begun["user_code"])
    assert at.submit(seen, till="Till 4", decision="allow").status_code == 303
    page = boss.get("/device/tills")
    assert "Revoke" in page.text
    assert "Revoke" not in at.get("/device/tills").text
    path = re.search(r"/device/tills/[^/]+/end", page.text)[0]
    token = re.search(r'name="csrf_token" value="([^"]+)"', at.get("/device").text)[1]
    refused = at.http.post(path, data={"csrf_token": token}, base_url=HERE)
    assert (refused.status_code, "admin, manager" in refused.text) == (403, True)
    assert world.count("partners.oauth_grant WHERE revoked_at IS NULL") == 1
    assert boss.submit(page).status_code == 303
    assert world.count("partners.oauth_grant WHERE revoked_at IS NULL") == 0
