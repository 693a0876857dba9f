"""What an endpoint asks for: set, shown, changed, refused; and nothing half-done."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kit import clock, ids
from tests.conftest import NOW, World
from tests.service import Caller
from webhooks import endpoints
from webhooks.fan_out import fan_out

URL = "https://hooks.example.com/x"
PATH = "/v1/webhook-endpoints"
ASKED = {
    "url": URL,
    "event_types": ["points.*"],
    "filter": {"data": {"points": {"$gte": 100}}},
    "body": "thin",
    "ordering": "strict",
    "on_exhausted": "hold",
    "batch_size": 10,
    "retry_delays_s": [1, 86400],
    "rate_per_s": 1000,
    "timeout_s": 30,
    "metadata": {"team": "loyalty"},
}


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


def register(grocer: Caller, **settings: Any) -> dict[str, Any]:
    answer = grocer.post(PATH, {"url": URL, **settings})
    assert answer.status_code == 201, answer.text
    return answer.json


def row(world: World, endpoint_id: str) -> Any:
    with world.transaction() as session:
        return session.execute(
            text("SELECT * FROM webhooks.endpoint WHERE endpoint_id = :id"),
            {"id": ids.parse(ids.ENDPOINT, endpoint_id)},
        ).one()


def test_what_is_asked_for_is_shown_and_can_be_changed_one_by_one(world: World, grocer: Caller) -> None:
    made = register(grocer, **ASKED)
    assert {name: made[name] for name in ASKED} == ASKED
    path = f"{PATH}/{made['endpoint_id']}"
    changes = {
        "url": "https://hooks.example.com/y",
        "event_types": ["points.burned", "points.earned"],
        "filter": None,
        "body": "full",
        "batch_size": 1,
        "ordering": "member",
        "on_exhausted": "skip",
        "retry_delays_s": None,
        "rate_per_s": None,
        "timeout_s": None,
        "metadata": {},
    }
    for name, value in changes.items():
        answer = grocer.patch(path, {name: value})
        assert answer.status_code == 200, answer.text
        assert answer.json[name] == value
    seen = grocer.get(path).json
    assert {name: seen[name] for name in changes} == changes
    assert seen["health"] == {
        "failures": 0, "failing_since": None, "open_until": None, "last_sequence": 0, "backlog": 0,
        "oldest_due_at": None,
    }  # fmt: skip
    plain = register(grocer)
    assert (plain["body"], plain["ordering"], plain["on_exhausted"], plain["batch_size"]) == ("full", "none", "skip", 1)
    with world.transaction() as session:
        [entry] = [
            json.loads(content)
            for content in session.scalars(text("SELECT content FROM partners.audit_entry"))
            if '"changed":["url"]' in content
        ]
    assert (entry["action"], entry["subject"]) == ("webhook_endpoint.changed", made["endpoint_id"])


def test_values_of_headers_are_sealed_and_never_shown_or_logged(world: World, grocer: Caller) -> None:
    # `url` is a name whose value the log of requests keeps elsewhere.
    headers = {"Authorization": "Bearer xyzzy-1", "url": "xyzzy-2"}
    made = register(grocer, headers=headers)
    path = f"{PATH}/{made['endpoint_id']}"
    changed = grocer.patch(path, {"headers": {**headers, "X-Shop": "xyzzy-3"}, "metadata": {"kind": "xyzzy-4"}})
    assert changed.json["header_names"] == ["Authorization", "X-Shop", "url"]
    kept = row(world, made["endpoint_id"])
    opened = world.keyring.unseal(bytes(kept.sealed_headers), purpose=endpoints.HEADERS_PURPOSE)
    assert json.loads(opened) == {**headers, "X-Shop": "xyzzy-3"}
    assert "xyzzy" not in json.dumps([made, {**changed.json, "metadata": {}}, grocer.get(path).json["header_names"]])
    logged = grocer.get(f"/v1/requests/{changed.headers['Request-Id']}")
    assert (logged.status_code, logged.json["sent"]["body"].keys()) == (200, {"headers", "metadata"})
    assert "xyzzy" not in logged.text
    assert b"xyzzy" not in bytes(kept.sealed_headers)
    assert grocer.patch(path, {"headers": {}}).json["header_names"] == []
    assert row(world, made["endpoint_id"]).sealed_headers is None


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\r\nX-B: b"}, {"X-A": "a\nb"}, {"X-A\r\nHost": "b"}, {"X A": "b"}, {"": "b"}, {"X-Ä": "b"},
        {"X-A": "ä"}, {"X-A": " a"}, {"X-A": "a\t"}, {"X-A": ""}, {"X:A": "b"}, {"x" * 101: "b"},
        {"X-A": "a", "x-a": "b"}, {"Host": "b"}, {"webhook-id": "b"}, {"Webhook-Signature": "b"},
        {"Coalition-Version": "b"}, {"Content-Length": "1"}, {"content-type": "b"}, {"Transfer-Encoding": "b"},
        {"Connection": "b"}, {"TE": "b"}, {"Upgrade": "b"}, {"Expect": "b"}, {"Accept-Encoding": "gzip"},
        {"Proxy-Authorization": "b"}, {"traceparent": "b"}, {f"X-{n}": "b" for n in range(21)},
        {"X-A": "a" * 4096},
    ],
)  # fmt: skip
def test_headers_that_would_say_more_than_one_are_refused(world: World, grocer: Caller, headers) -> None:
    answer = grocer.post(PATH, {"url": URL, "headers": headers})
    assert (answer.status_code, answer.json["code"]) == (422, "headers_refused"), answer.text
    assert world.count("webhooks.endpoint") == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"filter": {"data": {"colour": 1}}}, "filter_refused"),
        ({"filter": []}, "filter_refused"),
        ({"filter": {"data": {"awards": {"$exists": True}}}, "event_types": ["points.burned"]}, "filter_refused"),
        ({"event_types": ["member.*"]}, "filter_refused"),  # that which it has names a field they haven't
        ({"batch_size": 2}, "batches_unordered"),
        ({"batch_size": 101}, "invalid_request"),
        ({"ordering": "total"}, "invalid_request"),
        ({"body": "fat"}, "invalid_request"),
        ({"status": "gone"}, "invalid_request"),
        ({"retry_delays_s": []}, "invalid_request"),
        ({"retry_delays_s": [0]}, "invalid_request"),
        ({"retry_delays_s": [86401]}, "invalid_request"),
        ({"retry_delays_s": [1.5]}, "invalid_request"),
        ({"retry_delays_s": [1] * 21}, "invalid_request"),
        ({"rate_per_s": 0}, "invalid_request"),
        ({"timeout_s": 31}, "invalid_request"),
        ({"timeout_s": True}, "invalid_request"),
        ({"headers": ["X-A"]}, "invalid_request"),
        ({"headers": {"X-A": 1}}, "invalid_request"),
        ({"metadata": {"a": None}}, "invalid_request"),
        ({"metadata": {str(n): "" for n in range(51)}}, "metadata_refused"),
        ({"metadata": {"a": "x" * 8192}}, "metadata_refused"),
        ({"url": "http://hooks.example.com/x"}, "endpoint_url_refused"),
        ({"url": "https://169.254.169.254/latest"}, "endpoint_url_refused"),
        ({"url": "https://2130706433/"}, "endpoint_url_refused"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "endpoint_url_refused"),
        ({"url": "https://u:p@hooks.example.com/"}, "endpoint_url_refused"),
        ({}, "invalid_request"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_nothing_of_it_is_done(grocer: Caller, change, code: str) -> None:
    made = register(grocer, filter={"data": {"points": 5}}, event_types=["points.*"])
    path = f"{PATH}/{made['endpoint_id']}"
    before = grocer.get(path)
    answer = grocer.patch(path, {"rate_per_s": 7, **change} if change else {})
    assert (answer.status_code, answer.json["code"]) == (422, code), answer.text
    after = grocer.get(path)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_a_refused_filter_says_where(grocer: Caller) -> None:
    answer = grocer.post(PATH, {"url": URL, "filter": {"data": {"points": {"$gt": None}}}})
    assert (answer.json["pointer"], answer.json["problem"]) == ("/data/points/$gt", "wrong_operand")


def test_whoever_changed_it_in_between_is_not_overwritten(grocer: Caller) -> None:
    made = grocer.post(PATH, {"url": URL})
    path = f"{PATH}/{made.json['endpoint_id']}"
    assert grocer.patch(path, {"timeout_s": 5}, **{"If-Match": made.headers["ETag"]}).status_code == 200
    stale = grocer.patch(path, {"timeout_s": 6}, **{"If-Match": made.headers["ETag"]})
    assert (stale.status_code, grocer.get(path).json["timeout_s"]) == (412, 5)


def tell(world: World, grocer: Caller, times: int = 1) -> None:
    member = world.member()
    for _ in range(times):
        world.earn(grocer.partner_id, member, 5)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)


def lanes(world: World) -> list[tuple[int, bool]]:
    with world.transaction() as session:
        rows = session.execute(
            text("SELECT lane, due_at <= :now FROM webhooks.delivery ORDER BY position"), {"now": clock.now()}
        )
        return [tuple(each) for each in rows]


def test_what_gathered_while_it_was_paused_goes_behind_what_is_new(world: World, grocer: Caller) -> None:
    path = f"{PATH}/{register(grocer)['endpoint_id']}"
    assert grocer.post(f"{path}/pause").json["status"] == "paused"
    tell(world, grocer, 3)
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.delivery SET due_at = now() + interval '1 day', lane = 1"))
        session.execute(
            text("""
                UPDATE webhooks.delivery SET claim_id = gen_random_uuid()
                WHERE position = (SELECT max(position) FROM webhooks.delivery)
            """)
        )
        session.execute(
            text("""
                INSERT INTO webhooks.endpoint_state
                    (endpoint_id, failures, failing_since, warned, probe_at, last_sequence)
                SELECT endpoint_id, 9, :now, 50, :now, 3 FROM webhooks.endpoint
                ON CONFLICT (endpoint_id) DO UPDATE
                SET failures = 9, failing_since = :now, warned = 50, probe_at = :now, last_sequence = 3
            """),
            {"now": NOW},
        )
    health = grocer.get(path).json["health"]
    assert (health["failures"], health["backlog"], health["last_sequence"]) == (9, 3, 3)
    assert health["open_until"] == health["failing_since"] == NOW.isoformat()
    assert grocer.post(f"{path}/pause").json["status"] == "paused"
    assert lanes(world) == [(1, False)] * 3
    assert grocer.post(f"{path}/resume").json["status"] == "enabled"
    assert lanes(world) == [(2, True), (2, True), (1, False)], "one was on its way"
    health = grocer.get(path).json["health"]
    assert (health["failures"], health["failing_since"], health["open_until"]) == (0, None, None)
    assert health["last_sequence"] == 3


def test_each_way_to_set_a_status_does_the_same(world: World, grocer: Caller) -> None:
    endpoint_id = register(grocer)["endpoint_id"]
    path = f"{PATH}/{endpoint_id}"
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.endpoint SET status = 'disabled', status_reason = 'gone'"))
    assert grocer.get(path).json["status_reason"] == "gone"
    enabled = grocer.post(f"{path}/enable")
    assert (enabled.json["status"], enabled.json["status_reason"]) == ("enabled", None)
    assert enabled.headers["ETag"] == grocer.get(path).headers["ETag"]
    for verb, status in (("disable", "disabled"), ("pause", "paused"), ("resume", "enabled"), ("disable", "disabled")):
        assert grocer.post(f"{path}/{verb}").json["status"] == status
    for status in ("paused", "enabled", "disabled"):
        assert grocer.patch(path, {"status": status}).json["status"] == status


def test_the_ordering_changes_only_while_nothing_waits_in_it(world: World, grocer: Caller) -> None:
    made = register(grocer)
    path = f"{PATH}/{made['endpoint_id']}"
    tell(world, grocer)
    refused = grocer.patch(path, {"ordering": "strict", "timeout_s": 3})
    assert (refused.status_code, refused.json["code"]) == (409, "ordering_in_use")
    assert grocer.get(path).json["timeout_s"] is None
    assert grocer.patch(path, {"ordering": "none"}).status_code == 200, "that is no change"
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.delivery SET state = 'delivered', completed_at = now()"))
    assert grocer.patch(path, {"ordering": "strict"}).json["ordering"] == "strict"


def test_a_rotation_lets_the_former_secret_sign_for_a_time(world: World, grocer: Caller) -> None:
    made = register(grocer)
    path = f"{PATH}/{made['endpoint_id']}/rotate"
    first = grocer.post(path)
    assert first.json["secret"] not in (made["secret"], None)
    ends = datetime.fromisoformat(first.json["former_until"])
    assert timedelta(hours=23) < ends - datetime.now(UTC) <= timedelta(days=1)
    kept = row(world, made["endpoint_id"])
    open_ = {"purpose": endpoints.SECRET_PURPOSE}
    assert world.keyring.unseal(bytes(kept.sealed_secret), **open_).decode() == first.json["secret"]
    assert world.keyring.unseal(bytes(kept.former_sealed_secret), **open_).decode() == made["secret"]
    own = "whsec_" + base64.b64encode(bytes(64)).decode()
    second = grocer.post(path, {"grace_s": 0, "secret": own})
    assert (second.json["secret"], second.json["former_until"]) == (own, None)
    assert row(world, made["endpoint_id"]).former_sealed_secret is None
    assert "secret" not in grocer.get(f"{PATH}/{made['endpoint_id']}").json
    again = grocer.post(path, {"secret": own})
    assert (again.status_code, again.json["code"]) == (422, "secret_refused")
    with world.transaction() as session:
        contents = "".join(session.scalars(text("SELECT content FROM partners.audit_entry")))
    assert contents.count('"webhook_endpoint.secret_rotated"') == 2
    assert "whsec_" not in contents
    logged = grocer.get(f"/v1/requests/{second.headers['Request-Id']}")
    assert (logged.status_code, "whsec_" in logged.text) == (200, False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"secret": "whsec_" + base64.b64encode(bytes(23)).decode()}, "secret_refused"),
        ({"secret": "whsec_" + base64.b64encode(bytes(65)).decode()}, "secret_refused"),
        ({"secret": base64.b64encode(bytes(32)).decode()}, "secret_refused"),
        ({"secret": "whsec_" + "ä" * 44}, "secret_refused"),
        ({"secret": "whsec_" + "-" * 44}, "secret_refused"),
        ({"secret": "whsec_"}, "secret_refused"),
        ({"secret": ""}, "invalid_request"),
        ({"grace_s": -1}, "invalid_request"),
        ({"grace_s": 604801}, "invalid_request"),
        ({"grace_s": 1.5}, "invalid_request"),
    ],
)
def test_a_secret_that_is_none_changes_nothing(world: World, grocer: Caller, body: dict[str, Any], code: str) -> None:
    made = register(grocer)
    before = row(world, made["endpoint_id"])
    answer = grocer.post(f"{PATH}/{made['endpoint_id']}/rotate", body)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert row(world, made["endpoint_id"]) == before


def test_a_test_is_an_event_and_only_for_an_endpoint_that_hears(world: World, grocer: Caller) -> None:
    made = register(grocer)
    path = f"{PATH}/{made['endpoint_id']}"
    sent = grocer.post(f"{path}/test")
    assert sent.status_code == 202
    with world.transaction() as session:
        event = session.execute(text("SELECT * FROM kit.event WHERE type = 'webhook_endpoint.test'")).one()
    assert (ids.show(ids.EVENT, event.event_id), event.partner_id) == (sent.json["event_id"], grocer.partner_id)
    assert ids.show_fields(event.data)["endpoint_id"] == made["endpoint_id"]
    for verb in ("pause", "disable"):
        grocer.post(f"{path}/{verb}")
        refused = grocer.post(f"{path}/test")
        assert (refused.status_code, refused.json["code"]) == (409, "endpoint_not_enabled")
    assert world.count("kit.event") == 1


def test_figures_by_time_are_summed_up_by_buckets(world: World, grocer: Caller) -> None:
    made = register(grocer)
    with world.transaction() as session:
        for minutes, (good, bad) in {0: (1, 0), 5: (2, 1), 60: (0, 3), -24 * 60: (9, 9)}.items():
            session.execute(
                text("""
                    INSERT INTO webhooks.traffic
                        (endpoint_id, began_at, succeeded, failed, given_up, duration_ms, slowest_ms)
                    VALUES (:id, :at, :good, :bad, :bad, 10 * (:good + :bad), 10 + :good)
                """),
                {"id": ids.parse(ids.ENDPOINT, made["endpoint_id"]), "at": NOW + timedelta(minutes=minutes),
                 "good": good, "bad": bad},
            )  # fmt: skip
    path = f"{PATH}/{made['endpoint_id']}/stats"
    for far in ({"until": "0001-01-01T00:00:00Z"}, {"since": "0001-01-01T00:00:00+14:00"}):
        assert grocer.get(path, bucket="day", **far).status_code in (200, 422), far
    span = {"since": NOW.isoformat(), "until": (NOW + timedelta(hours=2)).isoformat()}
    found = grocer.get(path, **span).json["data"]
    first = {"began_at": NOW.isoformat(), "succeeded": 3, "failed": 1, "given_up": 1, "average_ms": 10,
             "slowest_ms": 12}  # fmt: skip
    assert (found[0], [each["failed"] for each in found]) == (first, [1, 3])
    assert len(grocer.get(path, **span, bucket="5m").json["data"]) == 3
    days = grocer.get(path, **{**span, "since": (NOW - timedelta(days=3)).isoformat()}, bucket="day").json["data"]
    assert [each["succeeded"] for each in days] == [9, 3]
    assert grocer.get(path).json["data"] == []
    for wrong in ({"since": span["until"], "until": span["since"]}, {"since": "2020-01-01T00:00:00Z"}):
        answer = grocer.get(path, **wrong)
        assert (answer.status_code, answer.json["code"]) == (422, "too_many_buckets")
    assert grocer.get(path, bucket="week").json["code"] == "invalid_request"


def test_endpoint_number_101_is_refused(world: World, grocer: Caller) -> None:
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO webhooks.endpoint
                    (endpoint_id, partner_id, url, event_types, sealed_secret, status, created_at)
                SELECT gen_random_uuid(), :partner, 'https://x.example', '{*}', '', 'disabled', now()
                FROM generate_series(1, 99)
            """),
            {"partner": grocer.partner_id},
        )
    register(grocer)
    answer = grocer.post(PATH, {"url": URL})
    assert (answer.status_code, answer.json["code"], answer.json["most"]) == (409, "too_many_endpoints", 100)
    assert world.count("webhooks.endpoint") == 100


def test_another_partner_changes_rotates_and_tests_nothing(world: World, grocer: Caller, caller) -> None:
    made = register(grocer)
    before = row(world, made["endpoint_id"])
    fuel: Caller = caller("fuel-station")
    path = f"{PATH}/{made['endpoint_id']}"
    for verb in ("pause", "resume", "enable", "disable", "rotate", "test"):
        assert fuel.post(f"{path}/{verb}").json["code"] == "endpoint_not_found"
    assert fuel.patch(path, {"url": "https://thief.example/"}).status_code == 404
    assert fuel.get(f"{path}/stats").status_code == 404
    assert (row(world, made["endpoint_id"]), world.count("kit.event")) == (before, 0)
