"""What is kept of a request: masked, its owner's only, and with a remedy; limits, traces, ETags as HTTP shows them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from api import admission, kept_fields
from identity import client_settings, request_log
from kit import clock
from kit.http import rate_limits
from kit.http.rate_limits import Policy
from tests.conftest import CARD, World, act
from tests.service import Caller, basic


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


def limit(app, **policies: Policy) -> None:
    limiter, chosen = app.extensions["coalition.rate_limits"]
    app.extensions["coalition.rate_limits"] = (limiter, replace(chosen, **policies))


def shown(caller: Caller, answer) -> dict:
    return caller.get(f"/v1/requests/{answer.headers['Request-Id']}").json


def test_a_refused_request_is_shown_with_what_was_sent_and_a_remedy(grocer) -> None:
    sent = {"card": CARD, "points": 7, "reference": "B1"}
    refused = grocer.post("/v1/burns?dry_run=false", sent, key="k1")
    found = shown(grocer, refused)
    assert (found["status"], found["code"], found["path"], found["method"]) == (
        409, "insufficient_points", "/v1/burns", "POST",
    )  # fmt: skip
    assert found["sent"] == {"query": {"dry_run": ["false"]}, "body": {**sent, "card": "[redacted]"}}
    assert found["answer"] == refused.json
    assert (found["idempotency_key"], found["documentation"]) == ("k1", "/problems/insufficient_points")
    assert "available" in found["remedy"]


def test_a_posting_is_shown_with_the_transaction_it_made(grocer) -> None:
    earned = grocer.post("/v1/earns", {"card": CARD, "points": 7, "reference": "R1"})
    found = shown(grocer, earned)
    assert (found["status"], found["remedy"]) == (201, None)
    assert found["answer"] == {"transaction_id": earned.json["transaction_id"]}


def test_reads_that_worked_are_not_kept_and_others_are(grocer) -> None:
    worked = grocer.get("/v1/webhook-endpoints")
    failed = grocer.get("/v1/transactions/nonsense")
    assert shown(grocer, worked)["code"] == "request_not_found"
    assert shown(grocer, failed)["code"] == "malformed_id"


def test_another_partner_neither_sees_nor_replaces_a_request_of_the_same_name(grocer, caller) -> None:
    other = caller("fuelway")
    named = {"Request-Id": "same-name-1"}
    mine = grocer.post("/v1/burns", {"card": CARD, "points": 7, "reference": "B1"}, **named)
    assert mine.headers["Request-Id"] == "same-name-1"
    assert other.get("/v1/requests/same-name-1").status_code == 404
    other.post("/v1/earns", {"points": "x"}, **named)
    assert grocer.get("/v1/requests/same-name-1").json["code"] == "insufficient_points"
    assert other.get("/v1/requests/same-name-1").json["code"] == "invalid_request"
    for nonsense in ("short", "x" * 65, "a%00bcdefgh"):
        assert grocer.get(f"/v1/requests/{nonsense}").json["code"] == "request_not_found"


@pytest.mark.parametrize(
    "name",
    ["card", "cardNumber", "phone", "e-mail", "PIN", "otp_code", "client_secret", "name", "PINCode", "cardnumber"],
)
def test_telling_fields_are_masked(grocer, name) -> None:
    value = "7f3a-not-to-be-kept"
    refused = grocer.post("/v1/earns", {name: value, "deep": [{name: {"x": value}}], "points": 1})
    kept = grocer.get(f"/v1/requests/{refused.headers['Request-Id']}").text
    assert value not in kept.replace("e-mail", "")
    assert kept.count("[redacted]") == 2


@pytest.mark.parametrize("named", ["7001000000178503", "ann@example.com", "ann%2540example.com", "7001/0000/0017/8503"])
def test_whom_a_path_names_is_not_kept(grocer, named) -> None:
    refused = grocer.get(f"/v1/members/{named}/balance")
    kept = grocer.get(f"/v1/requests/{refused.headers['Request-Id']}").text
    assert refused.status_code in (404, 422)
    assert "8503" not in kept
    assert "ann" not in kept


def test_the_items_of_a_batch_are_kept_without_whom_they_name(grocer) -> None:
    item = {"kind": "capture", "card": CARD, "reference": "R1", "hold_id": "hld_01h45ytscbebyvny4gc8cr8ma2",
            "amount": {"minor": 1234, "currency": "GBP"}, "gebdat": "1990", CARD: 1}  # fmt: skip
    sent = grocer.post("/v1/batches", {"items": [item, "Ann"]})
    assert shown(grocer, sent)["sent"]["body"] == {
        "items": [
            {**{name: value for name, value in item.items() if name != CARD},
             **dict.fromkeys(("card", "gebdat", "[redacted]"), "[redacted]")},
            "[redacted]",
        ]
    }  # fmt: skip


def test_names_of_fields_that_are_somebodys_are_kept_nowhere(grocer) -> None:
    refused = grocer.post("/v1/earns", {CARD: 1, "ann@example.com": 2, "points": 1})
    kept = grocer.get(f"/v1/requests/{refused.headers['Request-Id']}")
    assert CARD not in kept.text
    assert "ann@" not in kept.text
    assert "/[redacted]" in {error["pointer"] for error in kept.json["answer"]["errors"]}


def test_kept_are_fields_that_no_route_takes_free_text_in(app) -> None:
    kept = kept_fields.of_app(app)
    assert {
        "points",
        "reference",
        "effective_at",
        "minor",
        "currency",
        "kind",
        "url",
        "hold_id",
        "limit",
    } <= kept.keys()
    free = {"card", "phone", "email", "external_id", "code", "pin", "name", "address", "reason", "cursor"}
    assert free.isdisjoint(kept)


def test_deep_and_large_bodies_are_kept_as_a_word_about_them(grocer) -> None:
    nested: dict = {}
    for _ in range(200):
        nested = {"a": nested}
    assert shown(grocer, grocer.post("/v1/earns", nested))["status"] == 422
    large = grocer.post("/v1/earns", {"reference": "R" * 9_000})
    assert re.fullmatch(r"\d+ bytes", shown(grocer, large)["sent"]["body"]["omitted"])
    for odd in (b"{", rb'{"reference": "a\u0000b\ud800"}'):
        broken = grocer.http.post("/v1/earns", data=odd, content_type="application/json",
                                  headers={"Authorization": f"Bearer {grocer.token}"})  # fmt: skip
        assert "not JSON" in shown(grocer, broken)["sent"]["body"]["omitted"]


def test_requests_are_forgotten_by_age(world: World, app, grocer) -> None:
    grocer.post("/v1/earns", {})
    with app.app_context():
        admission.write_out()
    count = world.count("partners.request")
    with world.transaction() as session:
        assert request_log.forget(session, now=clock.now(), days=1) == 0
        assert request_log.forget(session, now=clock.now() + timedelta(days=2), days=1) == count > 0


def test_answers_say_where_the_client_stands_with_its_limit(app, grocer) -> None:
    answer = grocer.get("/v1/webhook-endpoints")
    assert answer.headers["RateLimit-Policy"] == '"reads";q=10000;w=2'
    assert re.fullmatch(r'"reads";r=\d+;t=\d+', answer.headers["RateLimit"])
    assert '"writes"' in grocer.post("/v1/earns", {}).headers["RateLimit-Policy"]
    assert '"lookups"' in grocer.post("/v1/members/lookup", {"card": CARD}).headers["RateLimit-Policy"]


def test_beyond_its_limit_a_client_is_told_which_and_when(app, grocer, caller) -> None:
    limit(app, reads=Policy("reads", 1, 3))
    app.extensions["coalition.admission"].clients._known.clear()
    answers = [grocer.get("/v1/webhook-endpoints") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused = answers[-1]
    assert (refused.json["code"], refused.json["policy"], refused.json["retryable"]) == ("rate_limited", "reads", True)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"].startswith('"reads";r=0;')
    assert grocer.post("/v1/earns", {}).status_code == 422
    assert caller("fuelway").get("/v1/webhook-endpoints").status_code == 200


def test_a_client_may_be_granted_more(world: World, app, credentials, http) -> None:
    limit(app, reads=Policy("reads", 1, 2))
    client_id, secret, _ = credentials()
    with world.transaction() as session:
        client_settings.grant(session, act(), client_id=client_id, rate_limit_percent=200)
        with pytest.raises(client_settings.ClientNotFound):
            client_settings.grant(session, act(), client_id="nobody", rate_limit_percent=200)
    token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret))
    headers = {"Authorization": f"Bearer {token.json['access_token']}"}
    assert [http.get("/v1/event-types", headers=headers).status_code for _ in range(5)] == [200] * 4 + [429]


def test_signing_in_is_limited_and_refused_as_oauth_has_it(app, credentials, http) -> None:
    address = {"REMOTE_ADDR": "192.0.2.7"}
    limit(app, oauth=Policy("oauth", 1, 3), oauth_address=Policy("oauth-address", 1, 5))
    client_id, secret, _ = credentials()
    form = {"grant_type": "client_credentials"}

    def sign_in(name: str, **environ: str):
        return http.post("/oauth/token", data=form, headers=basic(name, secret), environ_overrides=address | environ)

    answers = [sign_in(client_id) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json["error"] == "temporarily_unavailable"
    assert "code" not in answers[-1].json
    assert int(answers[-1].headers["Retry-After"]) >= 1
    # From elsewhere the client signs in as before: nobody shuts it out by using its name.
    assert sign_in(client_id, REMOTE_ADDR="192.0.2.8").status_code == 200
    assert sign_in("another").status_code == 401
    assert sign_in("a third").status_code == 429
    # One host of IPv6 is a whole network of addresses.
    for number, status in enumerate([401] * 5 + [429] * 2):
        assert sign_in(f"client {number}", REMOTE_ADDR=f"2001:db8:0:1::{number}").status_code == status
    assert sign_in("a third", REMOTE_ADDR="2001:db8:0:2::1").status_code == 401


def test_every_limited_lookup_names_a_route_there_is(app) -> None:
    assert set(app.view_functions) >= admission.LOOKUPS
    assert rate_limits.policies(app.extensions["coalition"].settings).lookups.per_s < 1_000


@pytest.mark.parametrize(
    ("sent", "goes_on"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("nonsense", False), ("", False),
    ],
)  # fmt: skip
def test_a_trace_goes_on_through_us_or_begins_here(grocer, sent, goes_on) -> None:
    answer = grocer.post("/v1/earns", {}, traceparent=sent)
    named = answer.headers["traceresponse"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", named)
    assert (named[3:35] == "4bf92f3577b34da6a3ce929d0e0e4736") == goes_on
    assert named[36:52] != "00f067aa0ba902b7"
    assert shown(grocer, answer)["trace_id"] == named[3:35]


def test_a_change_needs_the_state_it_was_made_for(grocer) -> None:
    made = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})
    path = f"/v1/webhook-endpoints/{made.json['endpoint_id']}"
    first = made.headers["ETag"]
    assert grocer.get(path).headers["ETag"] == first
    bare = grocer.http.patch(path, json={"status": "disabled"}, headers={"Authorization": f"Bearer {grocer.token}"})
    assert (bare.status_code, bare.json["code"]) == (428, "precondition_required")
    changed = grocer.patch(path, {"status": "disabled"}, **{"If-Match": f'"other", {first}'})
    assert (changed.status_code, changed.json["status"]) == (200, "disabled")
    assert changed.headers["ETag"] == grocer.get(path).headers["ETag"] != first
    for stale in (first, f"W/{changed.headers['ETag']}", '"v999999999"', '""'):
        answer = grocer.patch(path, {"status": "enabled"}, **{"If-Match": stale})
        assert (answer.status_code, answer.json["code"]) == (412, "precondition_failed"), stale
    assert grocer.patch(path, {"status": "enabled"}, **{"If-Match": "v1"}).json["code"] == "malformed_request"
    missing = "/v1/webhook-endpoints/ep_01h45ytscbebyvny4gc8cr8ma2"
    assert grocer.patch(missing, {"status": "enabled"}, **{"If-Match": first}).status_code == 404
    assert grocer.get(path).json["status"] == "disabled"


def test_of_two_changes_at_once_one_is_made(app, grocer) -> None:
    made = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})
    path = f"/v1/webhook-endpoints/{made.json['endpoint_id']}"

    def change(_: int) -> int:
        caller = Caller(app.test_client(), grocer.token, grocer.partner_id)
        return caller.patch(path, {"status": "disabled"}, **{"If-Match": made.headers["ETag"]}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(change, range(6))) == [200] + [412] * 5
