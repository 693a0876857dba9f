"""What an endpoint asks for is what it is sent: the pump, a receiver of somebody else's making, and the API."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from kit import clock, ids
from tests import receiving
from tests.conftest import World, act
from tests.receiving import Received, Receiver
from tests.service import Caller
from tests.webhooks.test_pump import pump
from webhooks import deliveries, endpoints
from webhooks.fan_out import fan_out

PATH = "/v1/webhook-endpoints"


@pytest.fixture
def receiver(receiver: Receiver) -> Receiver:
    """One that answers with what no text is."""
    receiver.status, receiver.body_out = 200, b"no\x00\xff!"
    return receiver


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


def register(world: World, grocer: Caller, receiver: Receiver, path: str = "") -> tuple[str, str]:
    """An endpoint at the receiver, which is at no public address: its id and secret."""
    url = receiver.url + path
    with world.transaction() as session:
        endpoint, secret = endpoints.register(
            session,
            act(world.keyring, now=clock.now()),
            partner_id=grocer.partner_id,
            url=url,
            event_types=["*"],
        )
    receiving.trust(url, secret)
    return ids.show(ids.ENDPOINT, endpoint.endpoint_id), secret


Earn = Callable[..., None]


@pytest.fixture
def earn(world: World, grocer: Caller) -> Earn:
    """Let one member earn each of some points with the grocer."""
    member = world.member()

    def post(*points: int) -> None:
        for each in points:
            world.earn(grocer.partner_id, member, each)

    return post


def served_key(world: World, caller: Caller, keys_url: str) -> bytes:
    [key] = caller.http.get(keys_url.removeprefix(world.settings.issuer)).json["keys"]
    return base64.urlsafe_b64decode(key["x"] + "=")


def v1a(headers: dict[str, str], body: bytes) -> tuple[bytes, bytes]:
    """The signature v1a of a message, and what it is of."""
    [found] = [one for one in headers["webhook-signature"].split(" ") if one.startswith("v1a,")]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return base64.b64decode(found.removeprefix("v1a,")), signed


def test_messages_are_filtered_and_have_the_headers_and_signatures_of_both_secrets_and_v1a(
    world: World, grocer: Caller, receiver: Receiver, received: Received, earn: Earn
) -> None:
    endpoint_id, first = register(world, grocer, receiver)
    asked = {
        "filter": {"data": {"points": {"$gte": 100}}}, "headers": {"Authorization": "Bearer xyzzy"},
        "signatures": ["v1", "v1a"],
    }  # fmt: skip
    assert grocer.get(f"{PATH}/{endpoint_id}").json["keys_url"] is None
    keys_url = grocer.patch(f"{PATH}/{endpoint_id}", asked).json["keys_url"]
    assert grocer.get(PATH).json["data"][0]["keys_url"] == keys_url
    second = grocer.post(f"{PATH}/{endpoint_id}/rotate", {"grace_s": 60}).json["secret"]
    key = served_key(world, grocer, keys_url)
    received.trust_only(receiver.url, first, second, public_key=key)
    earn(99, 100, 101)
    pump(world)
    assert sorted(event["data"]["points"] for event in receiver.events()) == [100, 101]
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer xyzzy"}
    third = grocer.post(f"{PATH}/{endpoint_id}/rotate", {"grace_s": 0}).json["secret"]
    received.trust_only(receiver.url, third, public_key=key)
    earn(102)
    pump(world)
    headers, body = receiver.got[-1]
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(second).verify(body, headers)
    assert grocer.patch(f"{PATH}/{endpoint_id}", {"signatures": ["v1a"]}).status_code == 200
    received.trust_only(receiver.url, public_key=key)
    earn(103)
    pump(world)
    assert [event["data"]["points"] for event in receiver.events()[2:]] == [102, 103]


def test_what_one_partner_is_sent_does_not_hold_at_another(
    world: World, caller, receiver: Receiver, received: Received
) -> None:
    keys, member = {}, world.member()
    for name in ("greengrocer", "fuelway"):
        partner = caller(name)
        endpoint_id, _ = register(world, partner, receiver, f"/{name}")
        keys_url = partner.patch(f"{PATH}/{endpoint_id}", {"signatures": ["v1a"]}).json["keys_url"]
        key = keys[ids.show(ids.PARTNER, partner.partner_id)] = served_key(world, partner, keys_url)
        received.trust_only(f"{receiver.url}/{name}", public_key=key)
        world.earn(partner.partner_id, member, 1)
    pump(world)
    assert {event["data"]["partner_id"] for event in receiver.events()} == keys.keys()
    for headers, body in receiver.got:
        for partner_id, key in keys.items():
            public_key = Ed25519PublicKey.from_public_bytes(key)
            if partner_id == json.loads(body)["data"]["partner_id"]:
                public_key.verify(*v1a(headers, body))
            else:
                with pytest.raises(InvalidSignature):
                    public_key.verify(*v1a(headers, body))


def test_a_paused_endpoint_gets_what_it_missed_and_a_test_goes_to_one_alone(
    world: World, grocer: Caller, receiver: Receiver, earn: Earn
) -> None:
    endpoint_id, _ = register(world, grocer, receiver)
    register(world, grocer, receiver, "/other")
    tested = grocer.post(f"{PATH}/{endpoint_id}/test").json["event_id"]
    pump(world)
    assert [event["id"] for event in receiver.events()] == [tested]
    grocer.post(f"{PATH}/{endpoint_id}/pause")
    earn(1)
    pump(world)
    assert len(receiver.got) == 2, "the other hears of it"
    grocer.post(f"{PATH}/{endpoint_id}/resume")
    pump(world)
    assert len(receiver.got) == 3
    assert receiver.events()[1] == receiver.events()[2]


def test_an_answer_is_shown_as_text_and_a_delivery_that_waits_can_be_cancelled(
    world: World, grocer: Caller, receiver: Receiver, earn: Earn, caller
) -> None:
    endpoint_id, _ = register(world, grocer, receiver)
    receiver.status = 500
    earn(1)
    pump(world)
    [delivery] = grocer.get("/v1/webhook-deliveries", endpoint_id=endpoint_id, status="pending").json["data"]
    path = f"/v1/webhook-deliveries/{delivery['delivery_id']}"
    [attempt] = grocer.get(path).json["attempts"]
    assert (attempt["status_code"], attempt["response"], attempt["remote_ip"]) == (500, "no\ufffd!", "127.0.0.1")
    assert (attempt["dns_ms"], attempt["tls_ms"]) == (None, None), "an address, by http"
    assert 0 <= attempt["connect_ms"] + attempt["first_byte_ms"] <= attempt["duration_ms"]
    assert caller("fuelway").post(f"{path}/cancel").json["code"] == "delivery_not_found"
    for _ in range(2):
        assert grocer.post(f"{path}/cancel").json["status"] == "cancelled"
    assert grocer.post(f"{path}/retry").json["code"] == "delivery_cancelled"
    receiver.status = 200
    earn(1)
    pump(world)
    [arrived] = grocer.get("/v1/webhook-deliveries", endpoint_id=endpoint_id, status="delivered").json["data"]
    refused = grocer.post(f"/v1/webhook-deliveries/{arrived['delivery_id']}/cancel")
    assert (refused.status_code, refused.json["code"]) == (409, "already_delivered")
    assert len(receiver.got) == 2


def test_a_replay_is_carried_out_and_says_so(world: World, grocer: Caller, receiver: Receiver, earn: Earn) -> None:
    earn(1, 2, 3)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        assert deliveries.progress(session, endpoint_ids=[]).pending == 0
    endpoint_id, _ = register(world, grocer, receiver)
    asked = {"endpoint_id": endpoint_id, "since": "2020-01-01T00:00:00Z", "selection": "missing"}
    made = grocer.post("/v1/webhook-replays", asked).json
    pump(world)
    seen = grocer.get(f"/v1/webhook-replays/{made['replay_id']}").json
    assert (seen["status"], seen["processed"], seen["sent_again"], seen["percent"]) == ("done", 3, 3, 100)
    assert sorted(event["data"]["points"] for event in receiver.events()) == [1, 2, 3]
