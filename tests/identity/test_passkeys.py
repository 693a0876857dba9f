"""Passkeys, with an authenticator in software: what it signs is checked by the library the service uses."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from identity.sign_in import passkeys
from identity.sign_in.passkeys import PasskeysUnavailable
from tests.identity.sign_in_kit import BE, BS, HTTPS, UP, UV, Authenticator, Browser, encode, member, staff
from tests.identity.test_sign_in import ANN, BOB, age, who
from tests.service import shut
from wsgi import create_app

KEYS = "/passkeys/staff"


@pytest.fixture
def ann(world):
    return staff(world, ANN)


@pytest.fixture
def signed_in(ann, browser, mailbox) -> Browser:
    """Ann's browser, signed in by a code."""
    assert ann
    browser.sign_in(mailbox, "staff", ANN)
    return browser


@pytest.fixture
def device(signed_in) -> Authenticator:
    """Ann's device, with a passkey of hers."""
    made = Authenticator()
    answer = register(signed_in, made)
    assert answer.status_code == 201, answer.text
    return made


def register(browser: Browser, device: Authenticator, *, kind: str = "staff", name: str = "My phone", **told):
    path = f"/passkeys/{kind}"
    token = browser.token("/sign-out")
    options = browser.send_json(f"{path}/options", {}, token=token)
    assert options.status_code == 200, options.text
    credential = device.create(options.json, **told)
    return browser.send_json(path, {"credential": credential, "name": name}, token=token)


def challenge(browser: Browser, kind: str = "staff") -> dict:
    answer = browser.send_json(f"/sign-in/{kind}/passkey/options", {}, token=browser.token(f"/sign-in/{kind}"))
    assert answer.status_code == 200, answer.text
    return answer.json


def answer_with(browser: Browser, credential: dict, *, kind: str = "staff", then: str = ""):
    body = {"credential": credential, "next": then}
    return browser.send_json(f"/sign-in/{kind}/passkey", body, token=browser.token(f"/sign-in/{kind}"))


def refused(answer) -> bool:
    return (answer.status_code, answer.json["code"], answer.json["detail"]) == (
        403, "passkey_refused", "the passkey was not accepted",
    )  # fmt: skip


def test_a_passkey_signs_in_without_an_address(site, ann, device) -> None:
    browser = Browser(site)
    options = challenge(browser)
    assert (options["rpId"], options["userVerification"], options["allowCredentials"]) == ("localhost", "required", [])
    device.count = 1
    answer = answer_with(browser, device.get(options), then="/device")
    assert (answer.status_code, answer.json) == (200, {"next": "/device"})
    visitor = who(site, browser, "staff", max_age_s=60)
    assert (visitor.subject_id, visitor.methods) == (ann, ("hwk", "mfa"))


def test_a_passkey_that_is_kept_in_an_account_says_so(site, world, signed_in) -> None:
    device = Authenticator()
    assert register(signed_in, device, flags=UP | UV | BE | BS).status_code == 201
    assert world.count("partners.passkey WHERE backed_up AND transports = '{internal}'") == 1
    browser = Browser(site)
    assert answer_with(browser, device.get(challenge(browser), flags=UP | UV | BE | BS)).status_code == 200
    assert who(site, browser, "staff").methods == ("swk", "mfa")


def test_a_members_passkey_is_not_a_staffs(site, world, mailbox) -> None:
    member_id = member(world, BOB)
    browser, device = Browser(site), Authenticator()
    browser.sign_in(mailbox, "member", BOB)
    token = browser.token("/sign-out")
    options = browser.send_json("/passkeys/member/options", {}, token=token).json
    assert (options["user"]["name"], options["attestation"]) == ("b***@example.com", "none")
    assert member_id.hex not in json.dumps(options)
    assert register(browser, device, kind="member").status_code == 201
    assert answer_with(Browser(site), device.get(challenge(browser, "member")), kind="member").status_code == 403
    elsewhere = Browser(site)
    assert refused(answer_with(elsewhere, device.get(challenge(elsewhere)), kind="staff"))
    assert answer_with(elsewhere, device.get(challenge(elsewhere, "member")), kind="member").status_code == 200
    assert who(site, elsewhere, "member").subject_id == member_id


@pytest.mark.parametrize(
    "told",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost"},
        {"origin": "https://localhost:8443"},
        {"crossOrigin": True},
        {"challenge": encode(bytes(32))},
        {"challenge": ""},
        {"challenge": {}},
        {"type": "webauthn.create"},
        {"rp_id": "evil.example"},
        {"flags": UP},
        {"flags": UV},
        {"flags": UP | UV | BS},
        {"user_handle": b"somebody else"},
        {"user_handle": None},
    ],
)
def test_an_assertion_that_is_not_for_here_and_now_is_refused(site, device, told) -> None:
    browser = Browser(site)
    assert refused(answer_with(browser, device.get(challenge(browser), **told)))
    assert browser.cookie("staff") is None


@pytest.mark.parametrize(
    "told",
    [
        {"origin": "https://evil.example"},
        {"crossOrigin": True},
        {"challenge": encode(bytes(32))},
        {"type": "webauthn.get"},
        {"rp_id": "evil.example"},
        {"flags": UP},
        {"flags": UV},
    ],
)
def test_a_registration_that_is_not_for_here_and_now_is_refused(world, signed_in, told) -> None:
    assert refused(register(signed_in, Authenticator(), **told))
    assert world.count("partners.passkey") == 0


def test_another_key_or_a_changed_answer_is_refused(site, device) -> None:
    stranger = Authenticator()
    stranger.user_handle, browser = device.user_handle, Browser(site)
    assert refused(answer_with(browser, stranger.get(challenge(browser))))
    stranger.credential_id = device.credential_id
    assert refused(answer_with(browser, stranger.get(challenge(browser))))
    options = challenge(browser)
    right, wrong = device.get(options), device.get(options, origin="https://evil.example")
    right["response"]["clientDataJSON"] = wrong["response"]["clientDataJSON"]
    assert refused(answer_with(browser, right))


def test_an_assertion_is_good_once_and_in_its_browser(site, device) -> None:
    browser, other = Browser(site), Browser(site)
    challenge(other)
    assertion = device.get(challenge(browser))
    assert refused(answer_with(other, assertion))
    name = browser.cookie("browser")
    assert answer_with(browser, assertion).status_code == 200
    browser.set_cookie("browser", name)
    assert refused(answer_with(browser, assertion))


def test_a_challenge_is_used_up_by_a_wrong_answer(site, device) -> None:
    browser = Browser(site)
    options = challenge(browser)
    assert refused(answer_with(browser, device.get(options, flags=UP)))
    assert refused(answer_with(browser, device.get(options)))


def test_a_challenge_is_good_for_five_minutes(site, world, device) -> None:
    browser = Browser(site)
    assertion = device.get(challenge(browser))
    age(world, "passkey_challenge", "expires_at", minutes=5)
    assert refused(answer_with(browser, assertion))


def test_a_challenge_to_sign_in_does_not_register(signed_in) -> None:
    device, token = Authenticator(), signed_in.token("/sign-out")
    options = signed_in.send_json(f"{KEYS}/options", {}, token=token).json
    options["challenge"] = challenge(signed_in)["challenge"]
    body = {"credential": device.create(options), "name": "x"}
    assert refused(signed_in.send_json(KEYS, body, token=token))


def test_a_challenge_of_another_session_does_not_register(signed_in, mailbox) -> None:
    device = Authenticator()
    old = signed_in.send_json(f"{KEYS}/options", {}, token=signed_in.token("/sign-out")).json
    name = signed_in.cookie("browser")
    signed_in.sign_in(mailbox, "staff", ANN)
    signed_in.set_cookie("browser", name)
    body = {"credential": device.create(old), "name": "x"}
    assert refused(signed_in.send_json(KEYS, body, token=signed_in.token("/sign-out")))


def test_a_counter_that_goes_back_is_refused_and_logged(site, world, device, caplog) -> None:
    for count, welcome in ((5, True), (6, True), (6, False), (3, False), (0, False), (7, True)):
        browser = Browser(site)
        device.count = count
        caplog.clear()
        answer = answer_with(browser, device.get(challenge(browser)))
        assert answer.status_code == (200 if welcome else 403), count
        logged = [r for r in caplog.records if "counter went back" in r.message and r.levelno == logging.WARNING]
        assert len(logged) == (0 if welcome else 1)
    assert world.count("partners.passkey WHERE sign_count = 7") == 1


def test_of_two_copies_with_one_count_at_once_one_gets_in(site, device) -> None:
    device.count, answers = 9, []
    ready = [(browser, device.get(challenge(browser)), browser.token("/sign-in/staff"))
             for browser in (Browser(site) for _ in range(4))]  # fmt: skip

    def send(browser, credential, token) -> None:
        body = {"credential": credential, "next": ""}
        answers.append(browser.send_json("/sign-in/staff/passkey", body, token=token).status_code)

    threads = [threading.Thread(target=send, args=each) for each in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 403, 403, 403]


def test_who_has_left_does_not_get_in_with_a_passkey(site, world, device) -> None:
    with world.transaction() as session:
        session.execute(text("UPDATE partners.staff SET ended_at = now()"))
    browser = Browser(site)
    assert refused(answer_with(browser, device.get(challenge(browser))))


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"response": None},
        {"response": {}},
        {"response": {"clientDataJSON": 1}},
        {"response": {"clientDataJSON": "!!"}},
        {"response": {"clientDataJSON": encode(b"[]")}},
        {"response": {"clientDataJSON": encode(b"\xff")}},
        {"response": {"clientDataJSON": encode(b"[" * 30_000)}},
        {"response": {"clientDataJSON": encode(b'{"type": 1, "challenge": null, "origin": []}')}},
    ],
)
def test_what_is_no_credential_is_refused(site, signed_in, credential) -> None:
    browser = Browser(site)
    challenge(browser)
    assert refused(answer_with(browser, credential))
    body = {"credential": credential, "name": "x"}
    assert refused(signed_in.send_json(KEYS, body, token=signed_in.token("/sign-out")))


@pytest.mark.parametrize(
    "part", ["clientDataJSON", "authenticatorData", "signature", "userHandle", "rawId", "id", "type"]
)
def test_a_mangled_assertion_is_refused(site, device, part) -> None:
    browser = Browser(site)
    for value in (None, 7, [], {}, "", "!", "é", "AAAA", "A" * 5_000):
        credential = device.get(challenge(browser))
        (credential if part in credential else credential["response"])[part] = value
        assert refused(answer_with(browser, credential)), value


@pytest.mark.parametrize("value", [None, 7, "", "!", "AAAA", encode(b"\xa0"), encode(b"\x80"), encode(b"\xff" * 99)])
def test_a_mangled_attestation_is_refused(signed_in, value) -> None:
    device, token = Authenticator(), signed_in.token("/sign-out")
    credential = device.create(signed_in.send_json(f"{KEYS}/options", {}, token=token).json)
    credential["response"]["attestationObject"] = value
    assert refused(signed_in.send_json(KEYS, {"credential": credential, "name": "x"}, token=token))


@pytest.mark.parametrize("body", ["x", [], {}, {"credential": "x"}, {"credential": {}, "more": 1}, {"next": "/"}])
def test_a_body_that_is_not_the_pages_is_refused(site, signed_in, body) -> None:
    browser = Browser(site)
    token = browser.token("/sign-in/staff")
    assert browser.send_json("/sign-in/staff/passkey", body, token=token).json["code"] == "invalid_request"
    assert signed_in.send_json(KEYS, body, token=signed_in.token("/sign-out")).json["code"] == "invalid_request"
    plain = browser.http.post(
        "/sign-in/staff/passkey", data="{}", base_url=HTTPS, headers={"X-CSRF-Token": token}
    )  # fmt: skip
    assert plain.status_code == 415


def test_passkeys_need_the_token_of_a_page(site, signed_in, device) -> None:
    browser = Browser(site)
    credential = device.get(challenge(browser))
    for path in ("/sign-in/staff/passkey", "/sign-in/staff/passkey/options"):
        answer = browser.send_json(path, {"credential": credential}, token="x")
        assert (answer.status_code, answer.json["code"]) == (403, "cross_site_request")
    for path in (KEYS, f"{KEYS}/options"):
        assert signed_in.send_json(path, {}, token="x").json["code"] == "cross_site_request"
    assert answer_with(browser, credential, then="//evil.example").json["code"] == "malformed_destination"
    assert answer_with(browser, credential).status_code == 200


def test_passkeys_are_listed_renamed_and_removed(site, world, signed_in, device) -> None:
    page = signed_in.get(KEYS)
    assert "<h2>My phone</h2>" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    path = page.text.partition(f'action="{KEYS}/')[2].partition("/name")[0]
    assert path.startswith("pky_")
    renamed = signed_in.post(f"{KEYS}/{path}/name", {"name": " Old <phone> "}, page=KEYS)
    assert (renamed.status_code, renamed.location) == (303, KEYS)
    assert "<h2>Old &lt;phone&gt;</h2>" in signed_in.get(KEYS).text
    for name in ("", " ", "x" * 61):
        assert signed_in.post(f"{KEYS}/{path}/name", {"name": name}, page=KEYS).status_code == 422
    assert signed_in.post(f"{KEYS}/{path}/remove", {}, page=KEYS).status_code == 303
    assert world.count("partners.passkey") == 0
    assert "no passkey yet" in signed_in.get(KEYS).text
    browser = Browser(site)
    assert refused(answer_with(browser, device.get(challenge(browser))))


def test_somebody_elses_passkey_is_not_there(site, world, signed_in, device, mailbox) -> None:
    path = signed_in.get(KEYS).text.partition(f'action="{KEYS}/')[2].partition("/name")[0]
    staff(world, BOB)
    bob = Browser(site)
    bob.sign_in(mailbox, "staff", BOB)
    assert "My phone" not in bob.get(KEYS).text
    for wanted in (path, "pky_x", "mbr_01h45ytscbebyvny4gc8cr8ma2"):
        codes = [bob.post(f"{KEYS}/{wanted}/{verb}", fields, page="/sign-out").status_code
                 for verb, fields in (("name", {"name": "x"}), ("remove", {}))]  # fmt: skip
        assert codes == [404, 404] if wanted == path else codes == [422, 422]
    assert world.count("partners.passkey WHERE name = 'My phone'") == 1
    assert device.user_handle


def test_a_passkey_is_registered_once(site, world, signed_in, device, mailbox) -> None:
    again = register(signed_in, device)
    assert (again.status_code, again.json["code"]) == (409, "passkey_known")
    staff(world, BOB)
    bob = Browser(site)
    bob.sign_in(mailbox, "staff", BOB)
    assert register(bob, device).json["code"] == "passkey_known"
    token = signed_in.token("/sign-out")
    options = signed_in.send_json(f"{KEYS}/options", {}, token=token).json
    assert [item["id"] for item in options["excludeCredentials"]] == [encode(device.credential_id)]


def test_a_person_has_up_to_ten_passkeys(world, signed_in) -> None:
    token, device = signed_in.token("/sign-out"), Authenticator()
    eleventh = signed_in.send_json(f"{KEYS}/options", {}, token=token).json
    for _ in range(10):
        assert register(signed_in, Authenticator()).status_code == 201
    assert signed_in.send_json(f"{KEYS}/options", {}, token=token).json["code"] == "too_many_passkeys"
    body = {"credential": device.create(eleventh), "name": "x"}
    assert signed_in.send_json(KEYS, body, token=token).json["code"] == "too_many_passkeys"
    assert world.count("partners.passkey") == 10


def test_a_name_that_is_none_is_refused(signed_in) -> None:
    for name in ("", " ", "x" * 61):
        assert register(signed_in, Authenticator(), name=name).json["code"] == "malformed_passkey_name"
    assert register(signed_in, Authenticator(), name="a\x00b").json["code"] == "invalid_request"


def test_passkeys_are_for_who_proved_lately_that_it_is_them(world, browser, signed_in) -> None:
    token = signed_in.token("/sign-out")
    age(world, "session", "authenticated_at", minutes=11)
    assert browser.get(KEYS).location == f"/sign-in/staff?next={KEYS}"
    for path in (KEYS, f"{KEYS}/options"):
        assert browser.send_json(path, {}, token=token).json["code"] == "sign_in_needed"
    for verb in ("name", "remove"):
        assert browser.http.post(f"{KEYS}/x/{verb}", base_url=HTTPS).status_code == 303


def test_the_plain_address_leads_to_whoever_is_signed_in(site, signed_in) -> None:
    assert signed_in.get("/passkeys").location == KEYS
    assert Browser(site).get("/passkeys").location == "/passkeys/member"


@pytest.mark.parametrize(
    ("issuer", "rp_id", "origin"),
    [
        ("https://points.example", "points.example", "https://points.example"),
        ("https://points.example:443", "points.example", "https://points.example"),
        ("https://points.example:8443", "points.example", "https://points.example:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
    ],
)
def test_a_site_is_its_host_and_origin(issuer, rp_id, origin) -> None:
    assert vars(passkeys.site(issuer)) == {"rp_id": rp_id, "origin": origin}


@pytest.mark.parametrize(
    "issuer", ["http://points.example", "http://127.0.0.1:8000", "https://10.0.0.1", "https://[::1]"]
)
def test_where_browsers_have_no_passkeys_none_are_offered(world, mailbox, issuer) -> None:
    with pytest.raises(PasskeysUnavailable):
        passkeys.site(issuer)
    staff(world, ANN)
    site = create_app(replace(world.settings, public_url=issuer, smtp_url=mailbox.url))
    try:
        browser = Browser(site)
        assert "Use a passkey" not in browser.get("/sign-in/staff").text
        token = browser.token("/sign-in/staff")
        answer = browser.send_json("/sign-in/staff/passkey/options", {}, token=token)
        assert answer.json["code"] == "passkeys_unavailable"
        browser.sign_in(mailbox, "staff", ANN)
        assert "Passkeys do not work at this address" in browser.get(KEYS).text
    finally:
        shut(site)


def test_half_an_attestation_is_refused(signed_in) -> None:
    device, token = Authenticator(), signed_in.token("/sign-out")
    options = signed_in.send_json(f"{KEYS}/options", {}, token=token).json
    credential = device.create(options)
    raw = credential["response"]["attestationObject"]
    credential["response"]["attestationObject"] = raw[: len(raw) // 2]
    assert refused(signed_in.send_json(KEYS, {"credential": credential, "name": "x"}, token=token))
