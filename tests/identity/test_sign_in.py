"""Signing in with a code by mail: who gets in, who doesn't, and what an attacker learns (nothing)."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import quote

import pytest
from sqlalchemy import text

from api.jobs import forget_what_is_over
from console import safe_redirects, sessions
from console.sessions import SignInNeeded
from identity.mails import Mail
from identity.sign_in import codes, purge, session_store
from kit import clock
from kit.settings import to_environment
from tests.identity.sign_in_kit import HTTPS, Browser, member, staff, unescape
from tests.service import shut
from wsgi import create_app

ANN, BOB = "ann@example.com", "bob@example.com"
KINDS = [("staff", ANN), ("member", BOB)]


@pytest.fixture
def people(world):
    return {"staff": staff(world, ANN), "member": member(world, BOB)}


def age(world, table: str, column: str, **delta: int) -> None:
    """Let time pass for the rows of `table`: as owner, since the service may not."""
    with world.transaction() as session:
        session.execute(text("SET LOCAL ROLE NONE"))
        session.execute(
            text(f"UPDATE partners.{table} SET {column} = {column} - :delta"), {"delta": timedelta(**delta)}
        )


def who(site, browser: Browser, kind: str, **more):
    with site.test_request_context("/", base_url=HTTPS, headers={"Cookie": cookies(browser)}):
        return sessions.required(kind, **more)


def cookies(browser: Browser) -> str:
    names = ("browser", "member", "staff")
    return "; ".join(f"__Host-coalition-{name}={value}" for name in names if (value := browser.cookie(name)))


@pytest.mark.parametrize(("kind", "email"), KINDS)
def test_a_code_that_was_mailed_signs_in(world, site, browser, mailbox, people, kind, email) -> None:
    asked = browser.ask(kind, f" {email.upper()} ", "/oauth/authorize?client_id=a&scope=openid%20spend")
    assert asked.status_code == 303
    assert asked.location == f"/sign-in/{kind}/code?next=/oauth/authorize%3Fclient_id%3Da%26scope%3Dopenid%2520spend"
    message = mailbox.wait(1)[0]
    assert (message["To"], message["Subject"]) == (email, "Your code to sign in")
    entered = browser.enter(kind, mailbox.code(), "/oauth/authorize?client_id=a&scope=openid%20spend")
    assert (entered.status_code, entered.location.partition("?")[0]) == (303, f"/sign-in/{kind}/done")
    assert 'content="0;url=/oauth/authorize?client_id=a&scope=openid%20spend"' in unescape(
        browser.get(entered.location)
    )
    visitor = who(site, browser, kind, max_age_s=60)
    assert (visitor.kind, visitor.subject_id, visitor.partner_id) == (kind, people[kind], None)
    assert visitor.methods == ("otp",)
    verified = world.count("coalition.member_identifier WHERE kind = 'email' AND verified_at IS NOT NULL")
    assert verified == (1 if kind == "member" else 0)


@pytest.mark.usefixtures("people")
def test_cookies_are_for_us_alone(browser, mailbox) -> None:
    browser.ask("staff", ANN)
    answers = [browser.enter("staff", mailbox.code())]
    browser.ask("member", BOB)
    answers.append(browser.enter("member", mailbox.code(2)))
    for answer, ours in zip(answers, ("staff", "member"), strict=True):
        set_now = {}
        for header in answer.headers.getlist("Set-Cookie"):
            set_now.update(SimpleCookie(header))
        assert set(set_now) == {"__Host-coalition-browser", f"__Host-coalition-{ours}"}
        for cookie in set_now.values():
            assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
            assert (cookie["path"], cookie["domain"]) == ("/", "")
    kept = SimpleCookie("; ".join(answers[1].headers.getlist("Set-Cookie")))["__Host-coalition-member"]["max-age"]
    assert kept == str(90 * 86_400)
    assert "Max-Age" not in "".join(answers[0].headers.getlist("Set-Cookie"))


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("kind", ["staff", "member"])
def test_an_address_nobody_has_is_answered_like_one_somebody_has(site, mailbox, kind) -> None:
    answers = []
    for email in (dict(KINDS)[kind], "nobody@example.com", ANN if kind == "member" else BOB):
        browser = Browser(site)
        steps = [browser.ask(kind, email), browser.get(f"/sign-in/{kind}/code"), browser.enter(kind, "00000000")]
        token = 'name="csrf_token" value="'
        answers.append(
            [(step.status_code, step.location, "".join(part.partition('"')[2] if i else part for i, part in enumerate(
                step.text.split(token)))) for step in steps]
        )  # fmt: skip
    assert answers[0] == answers[1] == answers[2]
    assert [status for status, _, _ in answers[0]] == [303, 200, 422]
    mailbox.wait(1)


def test_who_has_left_gets_no_code_and_loses_the_session(world, site, browser, mailbox, people) -> None:
    partner = world.partner("greengrocer")
    staff_id = staff(world, "cat@example.com", partner.partner_id)
    browser.sign_in(mailbox, "staff", "cat@example.com")
    assert who(site, browser, "staff").partner_id == partner.partner_id
    browser.ask("staff", "cat@example.com")
    last = mailbox.code(2)
    with world.transaction() as session:
        session.execute(
            text("UPDATE partners.partner SET status = 'left' WHERE partner_id = :id"), {"id": partner.partner_id}
        )
    assert browser.enter("staff", last).status_code == 422
    with pytest.raises(SignInNeeded):
        who(site, browser, "staff")
    Browser(site).ask("staff", "cat@example.com")
    with world.transaction() as session:
        session.execute(text("UPDATE partners.partner SET status = 'active'"))
    assert who(site, browser, "staff").subject_id == staff_id
    with world.transaction() as session:
        session.execute(text("UPDATE partners.staff SET ended_at = now() WHERE staff_id = :id"), {"id": staff_id})
    with pytest.raises(SignInNeeded):
        who(site, browser, "staff")
    Browser(site).ask("staff", "cat@example.com")
    mailbox.wait(2)
    assert people


def test_a_member_merged_into_another_is_signed_out(world, site, browser, mailbox, people) -> None:
    browser.sign_in(mailbox, "member", BOB)
    with world.transaction() as session:
        session.execute(text("SET LOCAL ROLE NONE"))
        session.execute(text("UPDATE coalition.wallet SET state = 'merged'"))
    with pytest.raises(SignInNeeded):
        who(site, browser, "member")
    assert people


@pytest.mark.parametrize("email", [
    "", "ann", "@example.com", "ann@", "a nn@example.com", "ann@example.com,bob@x", "\N{KELVIN SIGN}im@example.com",
    "<ann@example.com>", "a" * 250 + "@example.com",
])  # fmt: skip
def test_what_is_no_address_is_refused_with_the_form(browser, email) -> None:
    answer = browser.ask("staff", email)
    assert (answer.status_code, "not an e-mail address" in answer.text) == (422, True)


@pytest.mark.usefixtures("people")
def test_a_code_is_good_only_in_the_browser_that_asked(site, browser, mailbox) -> None:
    browser.ask("staff", ANN)
    code = mailbox.code()
    other = Browser(site)
    assert other.enter("staff", code).status_code == 422
    other.ask("staff", "nobody@example.com")
    assert other.enter("staff", code).status_code == 422
    assert browser.enter("member", code).status_code == 422
    assert browser.enter("staff", code).status_code == 303


@pytest.mark.usefixtures("people")
def test_a_code_is_good_once(site, browser, mailbox) -> None:
    browser.ask("staff", ANN)
    name = browser.cookie("browser")
    assert browser.enter("staff", mailbox.code()).status_code == 303
    again = Browser(site)
    again.set_cookie("browser", name)
    assert again.enter("staff", mailbox.code()).status_code == 422


@pytest.mark.usefixtures("people")
def test_a_code_is_good_for_ten_minutes(world, browser, mailbox) -> None:
    browser.ask("staff", ANN)
    age(world, "sign_in_code", "expires_at", minutes=10)
    assert browser.enter("staff", mailbox.code()).status_code == 422


@pytest.mark.usefixtures("people")
def test_five_tries_are_all_there_are(browser, mailbox) -> None:
    browser.ask("staff", ANN)
    code = mailbox.code()
    wrong = ["", "x", "0" * 8, "1" * 8, "٢" * 8]
    assert [browser.enter("staff", guess).status_code for guess in wrong] == [422] * 5
    assert browser.enter("staff", code).status_code == 422


@pytest.mark.usefixtures("people")
def test_of_many_who_enter_a_code_at_once_one_gets_in(world, mailbox, browser) -> None:
    browser.ask("staff", ANN)
    code, name, got_in = mailbox.code(), browser.cookie("browser"), []

    def enter() -> None:
        with world.transaction() as session:
            got_in.append(
                codes.redeem(session, kind="staff", code=code, browser=name, now=clock.now(), keyring=world.keyring)
            )

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([subject for subject in got_in if subject]) == 1
    assert len(got_in) == 8


@pytest.mark.usefixtures("people")
def test_many_guesses_at_once_are_five(world, mailbox, browser) -> None:
    browser.ask("staff", ANN)
    mailbox.code()
    name = browser.cookie("browser")

    def guess() -> None:
        with world.transaction() as session:
            codes.redeem(session, kind="staff", code="0", browser=name, now=clock.now(), keyring=world.keyring)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.count("partners.sign_in_code WHERE tries = 5") == 1
    assert browser.enter("staff", mailbox.code()).status_code == 422


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("email", [ANN, "nobody@example.com"])
def test_nobody_is_flooded_with_mail(world, site, email) -> None:
    assert [Browser(site).ask("staff", email).status_code for _ in range(6)] == [303] * 5 + [429]
    refused = Browser(site).ask("staff", email)
    assert refused.headers["Retry-After"] == "900"
    assert Browser(site).ask("staff", "other@example.com").status_code == 303
    for _ in range(3):
        age(world, "sign_in_code", "asked_at", minutes=15)
        assert [Browser(site).ask("staff", email).status_code for _ in range(5)] == [303] * 5
    age(world, "sign_in_code", "asked_at", minutes=15)
    assert Browser(site).ask("staff", email).headers["Retry-After"] == "86400"


def test_at_once_only_five_codes_leave_for_one_address(world) -> None:
    staff(world, ANN)
    sent = []

    def ask() -> None:
        try:
            with world.transaction() as session:
                sent.append(
                    codes.ask(
                        session,
                        kind="staff",
                        address=ANN,
                        browser="b",
                        peer="192.0.2.1",
                        now=clock.now(),
                        keyring=world.keyring,
                    )
                )
        except codes.TooManyCodes:
            sent.append(None)

    threads = [threading.Thread(target=ask) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([code for code in sent if code]) == 5
    assert len(sent) == 9


class Asking:
    """Codes asked for from here and there; whether each was let through."""

    def __init__(self, world: World) -> None:
        self.world, self.browsers = world, 0

    def __call__(self, address: str, *, peer: str = "192.0.2.1", kind: str = "member", browser: str = "") -> bool:
        self.browsers += 1
        who = {"kind": kind, "address": address, "browser": browser or f"b{self.browsers}", "peer": peer}
        with contextlib.suppress(codes.TooManyCodes), self.world.transaction() as session:
            codes.ask(session, **who, now=clock.now(), keyring=self.world.keyring)
            return True
        return False


def test_who_asks_for_many_codes_shuts_out_nobody_else(world) -> None:
    ask = Asking(world)
    asked = [ask(f"a{n}@example.com", peer=f"192.0.2.{n % 250}") for n in range(40)]
    assert asked == [True] * 30 + [False] * 10, "a network is one sender, whether anybody has the addresses or not"
    assert ask("ann@example.com", peer="198.51.100.1")
    assert ask("ann@example.com", kind="staff"), "staff are counted apart"
    assert [ask(f"{n}@example.com", peer=f"2001:db8:1:{n:x}::1") for n in range(31)] == [True] * 30 + [False]
    assert ask("ann@example.com", peer="2001:db8:2::1")


def test_nobody_is_shut_out_by_who_asks_for_their_address_elsewhere(world) -> None:
    ask = Asking(world)
    assert [ask(ANN, peer="192.0.2.1") for _ in range(6)] == [True] * 5 + [False]
    assert ask(ANN, peer="198.51.100.1")


def test_a_browser_asks_for_few_codes(world) -> None:
    ask = Asking(world)
    asked = [ask(f"a{n}@example.com", peer=f"10.0.{n}.1", browser="one") for n in range(11)]
    assert asked == [True] * 10 + [False]
    assert ask("a11@example.com", browser="another")


def test_members_who_ask_from_everywhere_leave_staff_alone(world, monkeypatch) -> None:
    monkeypatch.setitem(codes.MOST_OF_A_KIND, "member", (3, timedelta(minutes=1)))
    ask = Asking(world)
    assert [ask(f"{n}@example.com", peer=f"10.{n}.0.1") for n in range(4)] == [True] * 3 + [False]
    assert ask(ANN, peer="10.9.0.1", kind="staff")


def test_how_many_may_be_asked_for_tells_nobody_which_addresses_are_known(world) -> None:
    staff(world, ANN)
    asked = {}
    for n, address in enumerate((ANN, "nobody@example.com")):
        ask = Asking(world)
        asked[address] = [ask(address, kind="staff", peer=f"10.{n}.0.1") for _ in range(7)]
    assert asked[ANN] == asked["nobody@example.com"]


def test_a_mail_server_that_is_away_does_not_show(world, mailbox, caplog) -> None:
    staff(world, ANN)
    site = create_app(replace(world.settings, public_url=HTTPS, smtp_url="smtp://127.0.0.1:1"))
    try:
        assert Browser(site).ask("staff", ANN).status_code == 303
        site.extensions["coalition.mailer"].close()
    finally:
        shut(site)
    said = [record for record in caplog.records if record.message == "mail not sent"]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert ANN not in str(said[0].facts)
    assert mailbox.messages == []


def test_mail_that_finds_no_place_is_dropped_and_said_so(site, mailbox, caplog) -> None:
    mailer, said = site.extensions["coalition.mailer"], Mail("Your code to sign in", "1234 5678")
    mailer._places = threading.BoundedSemaphore(1)
    with mailer._places:
        mailer.send(said, to=ANN)
    assert [record.facts for record in caplog.records] == [{"reason": "too many waiting"}]
    mailer.send(said, to=ANN)
    assert mailbox.code() == "1234 5678"


@pytest.mark.usefixtures("people")
def test_nothing_secret_is_stored_or_logged(world, browser, mailbox, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    browser.ask("staff", ANN)
    code, names = mailbox.code(), [browser.cookie("browser")]
    browser.enter("staff", code)
    names += [browser.cookie("browser"), browser.cookie("staff")]
    for secret in (*names, code.replace(" ", ""), ANN):
        for table in ("session", "sign_in_code"):
            assert world.count(f"partners.{table} t WHERE t::text LIKE '%{secret}%'") == 0
        assert not [r for r in caplog.records if secret in f"{r.getMessage()} {getattr(r, 'facts', '')}"]


@pytest.mark.usefixtures("people")
def test_each_authentication_has_a_new_session_and_ends_the_last(world, site, browser, mailbox) -> None:
    browser.set_cookie("staff", "A" * 43)  # somebody else's choice
    names = [browser.cookie("staff")]
    began = []
    for _ in range(2):
        browser.sign_in(mailbox, "staff", ANN)
        names.append(browser.cookie("staff"))
        began.append(who(site, browser, "staff"))
    assert len(set(names)) == 3
    assert began[0].session_id != began[1].session_id
    assert world.count("partners.session WHERE ended_at IS NULL") == 1
    with world.transaction() as session:
        since = session.scalar(text("SELECT count(DISTINCT created_at) FROM partners.session"))
    assert since == 1
    old = Browser(site)
    old.set_cookie("staff", names[1])
    with pytest.raises(SignInNeeded):
        who(site, old, "staff")


@pytest.mark.usefixtures("people")
def test_member_and_staff_are_apart(site, browser, mailbox) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    swapped = Browser(site)
    swapped.set_cookie("member", browser.cookie("staff"))
    with pytest.raises(SignInNeeded):
        who(site, swapped, "member")
    browser.sign_in(mailbox, "member", BOB)
    assert {who(site, browser, kind).kind for kind in ("staff", "member")} == {"staff", "member"}


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("kind", "column", "delta"),
    [
        ("staff", "last_seen_at", {"minutes": 31}),
        ("staff", "expires_at", {"hours": 12}),
        ("member", "last_seen_at", {"days": 15}),
        ("member", "expires_at", {"days": 90}),
    ],
)
def test_a_session_ends_when_it_is_idle_or_old(world, site, browser, mailbox, kind, column, delta) -> None:
    browser.sign_in(mailbox, kind, dict(KINDS)[kind])
    who(site, browser, kind)
    age(world, "session", column, **delta)
    with pytest.raises(SignInNeeded):
        who(site, browser, kind)


@pytest.mark.usefixtures("people")
def test_a_session_in_use_goes_on(world, site, browser, mailbox) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    for _ in range(3):
        age(world, "session", "last_seen_at", minutes=20)
        who(site, browser, "staff")


@pytest.mark.usefixtures("people")
def test_what_is_sensitive_asks_to_sign_in_again(world, site, browser, mailbox) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    age(world, "session", "authenticated_at", minutes=11)
    assert who(site, browser, "staff").kind == "staff"
    with pytest.raises(SignInNeeded, match="sign in again"):
        who(site, browser, "staff", max_age_s=600)
    answer = browser.get("/passkeys/staff?a=b%26c")
    assert (answer.status_code, answer.location) == (303, "/sign-in/staff?next=/passkeys/staff%3Fa%3Db%2526c")
    browser.sign_in(mailbox, "staff", ANN)
    assert browser.get("/passkeys/staff").status_code == 200


def test_who_sends_a_form_unsigned_is_led_to_a_page_not_to_the_form(browser) -> None:
    answer = browser.http.post("/passkeys/staff/x/remove", base_url=HTTPS)
    assert (answer.status_code, answer.location) == (303, "/sign-in/staff?next=/passkeys/staff")
    answer = browser.http.post("/passkeys/staff/options", json={}, base_url=HTTPS)
    assert (answer.status_code, answer.json["code"]) == (401, "sign_in_needed")


@pytest.mark.usefixtures("people")
def test_signing_out_ends_this_session_or_all(world, site, browser, mailbox) -> None:
    other = Browser(site)
    for each in (browser, other):
        each.sign_in(mailbox, "staff", ANN)
    held = Browser(site)
    held.set_cookie("staff", browser.cookie("staff"))
    assert browser.post("/sign-out", {"kind": "staff", "where": "here"}).status_code == 303
    assert browser.cookie("staff") is None
    assert "You are signed out" in browser.get("/sign-out").text
    with pytest.raises(SignInNeeded):
        who(site, held, "staff")
    browser.sign_in(mailbox, "staff", ANN)
    assert "signed in" in other.get("/passkeys/staff").text
    other.post("/sign-out", {"kind": "staff", "where": "everywhere"})
    for each in (browser, other):
        with pytest.raises(SignInNeeded):
            who(site, each, "staff")
    assert world.count("partners.session WHERE ended_at IS NULL") == 0


@pytest.mark.parametrize("then", [
    "//evil.example", "/\\evil.example", "\\/evil.example", "https:evil.example", "https://evil.example",
    "evil.example", "%2f%2fevil.example", "/%2fevil.example", "/%252fevil.example", "/%5cevil.example", "/\tevil",
    "/\n/evil", "/a\r\nb: c", "/\x00", "/a\x7f", "javascript:alert(1)", "/é", "/%0d%0ax", "?x", "/a b",
    "/" + "a" * 4_000,
])  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(browser, then) -> None:
    with pytest.raises(safe_redirects.MalformedDestination):
        safe_redirects.checked(then)
    for path in ("/sign-in/staff", "/sign-in/staff/code", "/sign-in/staff/done"):
        answer = browser.get(f"{path}?next={quote(then)}")
        assert (answer.status_code, answer.location) == (422, None)
    for path, field in (("/sign-in/staff", "email"), ("/sign-in/staff/code", "code")):
        answer = browser.post(path, {field: ANN, "next": then})
        assert (answer.status_code, answer.location) == (422, None)


@pytest.mark.parametrize("then", ["/", "/a/b?c=d&e=%2F%2Fx#f", "/device?user_code=ABCD-EFGH", "/a?next=https://x/"])
def test_paths_of_ours_are_gone_to(then) -> None:
    assert safe_redirects.checked(then) == then


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example"])
def test_a_visitor_at_a_misleading_address_comes_back_to_a_plain_one(site, path) -> None:
    with (
        site.test_request_context("/", environ_overrides={"PATH_INFO": path}, base_url=HTTPS),
        pytest.raises(SignInNeeded) as raised,
    ):
        sessions.required("staff")
    assert raised.value.fields["location"] == "/sign-in/staff?next=/passkeys/staff"


def test_a_form_needs_a_token_of_this_browser(site, browser) -> None:
    token, foreign = browser.token("/sign-in/staff"), Browser(site).token("/sign-in/staff")
    fields = {"email": ANN, "next": ""}

    def send(**more):
        return browser.http.post("/sign-in/staff", data={**fields, **more}, base_url=HTTPS).status_code

    assert send() == 403
    for wrong in ("", "x", ".", token + "0", token[:-1], foreign, "x" + token, token.upper(), "ü.ü"):
        assert send(csrf_token=wrong) == 403, wrong
    assert send(csrf_token=token) == 303
    bare = Browser(site)
    assert bare.http.post("/sign-in/staff", data={**fields, "csrf_token": token}, base_url=HTTPS).status_code == 403


@pytest.mark.usefixtures("people")
def test_a_form_of_another_session_is_refused(site, browser, mailbox) -> None:
    before = browser.token("/sign-in/staff")
    browser.sign_in(mailbox, "staff", ANN)
    first = browser.token("/sign-out")
    browser.sign_in(mailbox, "staff", ANN)
    other = Browser(site)
    other.sign_in(mailbox, "staff", ANN)
    for token in (before, first, other.token("/sign-out")):
        fields = {"kind": "staff", "where": "here", "csrf_token": token}
        assert browser.http.post("/sign-out", data=fields, base_url=HTTPS).status_code == 403
    assert who(site, browser, "staff").kind == "staff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": HTTPS, "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),  # what our own pages send: no-referrer
        ({"Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://localhost.evil.example"}, 403),
        ({"Origin": "https://["}, 403),
        ({"Origin": "https://localhost:1"}, 403),
    ],
)
def test_a_form_comes_from_our_own_pages(browser, headers, status) -> None:
    assert browser.post("/sign-in/staff", {"email": ANN, "next": ""}, headers=headers).status_code == status


@pytest.mark.parametrize(
    "fields",
    [
        {"email": ANN},
        {"next": ""},
        {"email": ANN, "next": "", "more": "x"},
        {"email": [ANN, BOB], "next": ""},
        {"email": "a" * 5_000, "next": ""},
        {"email": "a\x00b@example.com", "next": ""},
    ],
)
def test_a_form_that_is_not_the_pages_is_refused(browser, fields) -> None:
    answer = browser.post("/sign-in/staff", fields)
    assert (answer.status_code, "malformed_form" in answer.text) == (422, True)


@pytest.mark.parametrize("fields", [{"kind": "partner", "where": "here"}, {"kind": "staff", "where": "there"}])
@pytest.mark.usefixtures("people")
def test_a_sign_out_of_nothing_known_is_refused(browser, mailbox, fields) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    assert browser.post("/sign-out", fields).status_code == 422


@pytest.mark.parametrize("path", ["/sign-in/partner", "/sign-in/", "/passkeys/partner"])
def test_there_are_two_kinds_of_visitors(browser, path) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "ü" * 43, "A" * 5_000, "'--"])
def test_a_cookie_that_is_none_of_ours_is_nobodys(site, value) -> None:
    header = f"__Host-coalition-staff={value}; __Host-coalition-browser={value}".encode().decode("latin-1")
    with site.test_request_context("/", base_url=HTTPS, headers={"Cookie": header}):
        assert sessions.visitor("staff") is None


def test_what_a_browser_calls_itself_is_kept_short_and_plain(world, site, browser, mailbox) -> None:
    staff(world, ANN)
    browser.http.environ_base["HTTP_USER_AGENT"] = "<b>\tNetscape</b>" + "x" * 500
    browser.sign_in(mailbox, "staff", ANN)
    visitor = who(site, browser, "staff")
    with world.transaction() as session:
        (found,) = session_store.listing(session, kind="staff", subject_id=visitor.subject_id, now=clock.now())
    assert found.user_agent.startswith("<b>Netscape</b>xxx")
    assert len(found.user_agent) == 120
    assert "&lt;b&gt;Netscape" in browser.get("/passkeys/staff").text


def test_the_nightly_job_forgets_it(world, browser, mailbox, people, monkeypatch) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    age(world, "session", "expires_at", hours=12)
    for name, value in to_environment(world.settings).items():
        monkeypatch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level  # a job sets them up for a process of its own
    try:
        forget_what_is_over()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert world.count("partners.session") == 0
    assert people


def test_what_is_over_is_forgotten(world, browser, mailbox, people) -> None:
    browser.sign_in(mailbox, "staff", ANN)
    browser.sign_in(mailbox, "staff", ANN)
    with world.transaction() as session:
        assert purge.forget(session, now=clock.now()) == 1  # the session that the second replaced
        assert purge.forget(session, now=clock.now() + timedelta(minutes=31)) == 1
        assert purge.forget(session, now=clock.now() + timedelta(days=1, minutes=1)) == 2
    assert [world.count(f"partners.{table}") for table in ("session", "sign_in_code")] == [0, 0]
    assert people
