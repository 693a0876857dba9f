"""The sandbox beside live: one address, two coalitions, and nothing that crosses between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from flask import Flask
from werkzeug.test import Client

from coalition import programme
from kit import clock, logins, sandbox, secret_key, wakeup
from kit.db import Database
from kit.http import rate_limits
from kit.http.mount import Mount
from kit.root_key import WrongSecretKey
from kit.sandbox import NoSandbox
from kit.settings import Settings
from kit.terminal import open_database
from ops import onboarding, sandbox_setup
from ops.onboarding import Onboarded
from tests.conftest import CARD, Recycled, World, act
from tests.identity.sign_in_kit import HTTPS, Mailbox, staff
from tests.service import Caller, basic, shut
from wsgi import create_app


class Caretaker(Client):
    """A client that reads an answer to its end and closes it, as servers do."""

    def open(self, *args, **kwargs):
        return super().open(*args, buffered=True, **kwargs)


@dataclass(frozen=True)
class Pair:
    """Live and its sandbox, as one process serves both."""

    live: Flask
    sandbox: Flask
    settings: Settings
    client: Client

    def sign_in(self, made: tuple[str, str], root: str = "") -> str:
        answer = self.client.post(
            f"{root}/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(*made)
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json["access_token"])

    def get(self, path: str, token: str):
        return self.client.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def other_books(recycled: Recycled, fresh_database: Callable[[], str]) -> Iterator[Recycled]:
    """The sandbox beside the coalition that tests use again and again."""
    live = replace(recycled.world.settings, public_url=HTTPS, sandbox_database_url=fresh_database())
    settings = sandbox.settings_of(live)
    sandbox_setup.open_books(settings)
    made = Recycled(World(settings, Database(str(settings.database_url)), logins.keyring(settings)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def mounted(recycled: Recycled, other_books: Recycled) -> Iterator[Pair]:
    """Both, as one process serves them."""
    settings = other_books.world.settings
    live, test = create_app(replace(recycled.world.settings, public_url=HTTPS)), create_app(settings)
    yield Pair(live, test, settings, Caretaker(Mount(live, test, path=sandbox.PATH)))
    for app in (live, test):
        shut(app)


@pytest.fixture
def pair(world: World, other_books: Recycled, mounted: Pair) -> Pair:
    """Both, with nothing in their books, and a browser that has seen neither."""
    other_books.clean()
    return replace(mounted, client=Caretaker(mounted.client.application))


@pytest.fixture
def grocer(pair: Pair) -> Onboarded:
    return onboard(pair, "Corner Grocer")


def onboard(pair: Pair, name: str) -> Onboarded:
    with open_database(pair.settings, migrate=False) as desk, desk.database.transaction() as session:
        things = onboarding.Desk(session, programme.get(session), act(desk.keyring, now=clock.now(), reason="a trial"))
        return onboarding.onboard(things, name=name, code=onboarding.code_of(name))


def test_a_new_partner_spends_another_partners_points_at_once(pair: Pair, grocer: Onboarded) -> None:
    token = pair.sign_in((grocer.client_id, grocer.client_secret), "/sandbox")
    rich, careful, _ = grocer.members
    headers = {"Authorization": f"Bearer {token}"}
    for n, body in enumerate(({"card": rich.card}, {"card": careful.card, "pin": careful.pin})):
        answer = pair.client.post(
            "/sandbox/v1/burns", json={**body, "points": 100, "reference": f"R{n}"},
            headers={**headers, "Idempotency-Key": f"k{n}"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        assert answer.json["available_after"] == onboarding.SAMPLE_POINTS - 100
    answer = pair.client.post(
        "/sandbox/v1/earns", headers={**headers, "Idempotency-Key": "e"},
        json={"card": rich.card, "amount": {"minor": 1066, "currency": "GBP"}, "reference": "R9"},
    )  # fmt: skip
    assert answer.json["points"] == 10


def test_a_new_partner_is_given_members_by_the_ids_it_knows_them_by(pair: Pair, grocer: Onboarded) -> None:
    token = pair.sign_in((grocer.client_id, grocer.client_secret), "/sandbox")
    given = grocer.as_data("https://example.com", logins.keyring(pair.settings))["members"]
    for sample, points in zip(given, (onboarding.SAMPLE_POINTS, onboarding.SAMPLE_POINTS, 0), strict=True):
        answer = pair.get(f"/sandbox/v1/members/{sample['member_id']}/balance", token)
        assert (answer.status_code, answer.json.get("available")) == (200, points)


def test_new_partners_share_the_neighbour_and_nothing_else(pair: Pair, grocer: Onboarded) -> None:
    baker = onboard(pair, "24h Bakery & Sons")
    assert baker.partner.code == "p-24h-bakery-sons"
    assert {each.card for each in baker.members}.isdisjoint({each.card for each in grocer.members})
    with open_database(pair.settings, migrate=False) as desk, desk.database.transaction() as session:
        codes = {partner.code for partner in onboarding.accounts.everybody(session)}
    assert codes == {"sandbox-fuel", "corner-grocer", "p-24h-bakery-sons"}


def test_a_token_of_the_other_is_refused_and_named(pair: Pair, world: World, credentials, grocer: Onboarded) -> None:
    live_client, live_secret, _ = credentials()
    live = pair.sign_in((live_client, live_secret))
    test = pair.sign_in((grocer.client_id, grocer.client_secret), "/sandbox")
    assert live.startswith("co_at_live_")
    assert test.startswith("co_at_test_")
    for path, token, says in (("/sandbox", live, "is for live; here is the sandbox"),
                              ("", test, "is for the sandbox; here is live")):  # fmt: skip
        answer = pair.get(f"{path}/v1/transactions?reference=R", token)
        assert answer.status_code == 401
        assert says in answer.json["detail"]
    for path, secret in (("/sandbox", live_secret), ("", grocer.client_secret)):
        answer = pair.client.post(
            f"{path}/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(live_client, secret)
        )
        assert answer.status_code == 401
        assert "this client secret is for" in answer.json["error_description"]


def test_nothing_of_live_is_readable_in_the_sandbox(pair: Pair, credentials, grocer: Onboarded) -> None:
    client_id, secret, partner = credentials()
    caller = Caller(pair.live.test_client(), pair.sign_in((client_id, secret)), partner.partner_id)
    member = caller.post("/v1/members", {"card": CARD}).json["member_id"]
    earned = caller.post("/v1/earns", {"card": CARD, "points": 10, "reference": "R-1"}).json["transaction_id"]
    test = pair.sign_in((grocer.client_id, grocer.client_secret), "/sandbox")
    for path in (f"members/{member}", f"members/{member}/balance", f"transactions/{earned}"):
        assert caller.get(f"/v1/{path}").status_code == 200
        assert pair.get(f"/sandbox/v1/{path}", test).status_code == 404
    assert pair.get("/sandbox/v1/transactions?reference=R-1", test).json["data"] == []
    headers = {"Authorization": f"Bearer {test}"}
    assert pair.client.post("/sandbox/v1/members/lookup", json={"card": CARD}, headers=headers).status_code == 404


def test_neither_has_the_others_names_in_redis(pair: Pair, world: World) -> None:
    live, test = world.keyring, logins.keyring(pair.settings)
    assert live.root != test.root
    assert wakeup.channel(live) != wakeup.channel(test)
    assert rate_limits.key_prefix(live) != rate_limits.key_prefix(test)
    with world.transaction() as session:
        assert programme.get(session).programme_id != sandbox_setup.open_books(pair.settings).programme_id


def test_the_authorization_server_there_has_an_issuer_of_its_own(pair: Pair) -> None:
    issuer = f"{HTTPS}/sandbox"
    for path in (
        "/.well-known/oauth-authorization-server/sandbox",
        "/.well-known/openid-configuration/sandbox",
        "/sandbox/.well-known/oauth-authorization-server",
        "/sandbox/.well-known/openid-configuration",
    ):
        found = pair.client.get(path).json
        assert found["issuer"] == issuer
        assert found["token_endpoint"] == f"{issuer}/oauth/token"
    assert pair.client.get("/.well-known/oauth-authorization-server").json["issuer"] == HTTPS
    here, there = (pair.client.get(f"{root}/oauth/jwks").json for root in ("", "/sandbox"))
    assert here != there


def test_its_description_leads_to_itself(pair: Pair) -> None:
    found = pair.client.get("/sandbox/openapi.json").json
    assert found["servers"] == [{"url": "/sandbox"}]
    flows = found["components"]["securitySchemes"]["oauth2"]["flows"]
    assert {url for flow in flows.values() for name, url in flow.items() if name.endswith("Url")} == {
        "/sandbox/oauth/token", "/sandbox/oauth/authorize"
    }  # fmt: skip
    assert pair.client.get("/openapi.json").json["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    "path", ["sign-in/member", "sign-in/staff/code", "sign-out", "docs", "problems/", "problems/unauthenticated"]
)
def test_its_pages_lead_nowhere_else(pair: Pair, path: str) -> None:
    answer = pair.client.get(f"/sandbox/{path}")
    assert answer.status_code == 200
    links = re.findall(r'(?:href|src|action|data-options|data-result)="([^"]*)"', answer.text)
    assert links
    for link in links:
        assert link.startswith("/sandbox/"), link
        if not re.search("action|data-", link) and "sign-in" not in link and "sign-out" not in link:
            assert pair.client.get(link).status_code == 200, link


def test_who_has_to_sign_in_there_is_led_there_with_cookies_of_its_own(pair: Pair) -> None:
    answer = pair.client.get("/sandbox/consents")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sandbox/sign-in/member?next=/consents"
    page = pair.client.get(answer.headers["Location"])
    [cookie] = page.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-coalition-browser-sandbox=")
    assert "Path=/;" in cookie
    assert "Sandbox: nothing here is real." in page.text
    live = pair.client.get("/sign-in/member")
    assert live.headers["Set-Cookie"].startswith("__Host-coalition-browser=")
    assert "Sandbox" not in live.text


def test_who_signs_in_there_is_led_from_page_to_page_of_it(
    pair: Pair, other_books: Recycled, grocer: Onboarded, mailbox: Mailbox
) -> None:
    staff(other_books.world, "bo@example.com", grocer.partner.partner_id)
    test = create_app(replace(pair.settings, smtp_url=mailbox.url))
    person = Caretaker(Mount(pair.live, test, path=sandbox.PATH))

    def fill_in(path: str, **fields: str) -> str:
        """Fill in the form on the page at `path`, and say where that leads."""
        page = person.get(path, base_url=HTTPS)
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        [action] = re.findall(r'<form method="post" action="([^"]*)"', page.text)
        answer = person.post(action, data={**hidden, **fields}, base_url=HTTPS)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    begin = person.get("/sandbox/device", base_url=HTTPS).headers["Location"]
    done = fill_in(fill_in(begin, email="bo@example.com"), code=mailbox.code())
    [onwards] = re.findall(r'<a href="([^"]*)">Continue</a>', person.get(done, base_url=HTTPS).text)
    assert onwards == "/sandbox/device"
    assert person.get(onwards, base_url=HTTPS).status_code == 200
    assert person.get("/device", base_url=HTTPS).headers["Location"].startswith("/sign-in/"), "live knows nobody"
    assert fill_in("/sandbox/sign-in/staff", email="nobody@example.com").startswith("/sandbox/sign-in/staff/code")
    shut(test)


def test_only_what_is_below_its_path_is_its_own() -> None:
    def says(name: bytes):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [name + environ["SCRIPT_NAME"].encode() + b" " + environ["PATH_INFO"].encode()]

        return app

    mount = Mount(says(b"live"), says(b"test"), path="/sandbox")
    both = Caretaker(mount)
    for path, answer in (
        ("/v1/x", b"live /v1/x"),
        ("/sandboxes", b"live /sandboxes"),
        ("/sandbox", b"test/sandbox /"),
        ("/sandbox/v1/x", b"test/sandbox /v1/x"),
        ("/.well-known/openid-configuration/sandbox", b"test/sandbox /.well-known/openid-configuration"),
    ):
        assert both.get(path).data == answer
        assert mount.is_sandbox(path) == answer.startswith(b"test")


def test_its_limits_are_lower_and_its_places_fewer(world: World) -> None:
    settings = sandbox.settings_of(replace(world.settings, web_threads=8, rate_limit_reads_per_s=20))
    assert settings.is_sandbox
    assert settings.web_threads == 4
    assert settings.rate_limit_reads_per_s == 20
    assert settings.rate_limit_writes_per_s == sandbox.WRITES_PER_S
    assert str(settings.database_url).rpartition("/")[2].partition("?")[0].endswith("_sandbox")
    for kind in ("none", "only"):
        with pytest.raises(NoSandbox):
            sandbox.settings_of(replace(world.settings, sandbox=kind))


def test_books_founded_as_live_are_not_opened_as_a_sandbox(world: World) -> None:
    test = secret_key.of(replace(world.settings, sandbox="only"))
    with pytest.raises(WrongSecretKey, match="live's and not a sandbox's"), world.transaction() as session:
        programme.ensure(session, now=clock.now(), currency="GBP", time_zone="UTC", key=test)


def test_live_has_nothing_that_is_the_sandboxs(caller) -> None:
    grocer: Caller = caller()
    headers = {"Authorization": f"Bearer {grocer.token}"}
    for answer in (
        grocer.get("/v1/sandbox-faults"),
        grocer.get("/v1/test-clock"),
        grocer.http.put("/v1/test-clock", headers=headers, json={"now": clock.now().isoformat()}),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "sandbox_only")
    grocer.post("/v1/members", {"card": CARD})
    earned = grocer.post("/v1/earns", {"card": CARD, "points": 5, "reference": "sandbox:insufficient_points"})
    assert earned.status_code == 201, "a name like any other"
