"""The client's webhook verification against our signatures, Standard Webhooks' own vector, and forgeries."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from coalition_client import WebhookRejected, webhooks
from coalition_client.events import PointsEarned

from coalition.event_types import EVENT_TYPES
from webhooks import signing

SECRET = signing.new_secret()
NOW = 1_800_000_000
EARNED = EVENT_TYPES["points.earned"].example
BODY = json.dumps(EARNED).encode()


def signed(
    body: bytes = BODY, *, secret: str = SECRET, at: int = NOW, message_id: str = EARNED["id"]
) -> dict[str, str]:
    return signing.headers([secret], message_id=message_id, timestamp=at, body=body)


def test_what_we_sign_is_believed_and_read() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    event = webhooks.verify(BODY, headers, SECRET, now=NOW + 299)
    assert (event.id, event.type) == (EARNED["id"], "points.earned")
    assert event.timestamp == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert isinstance(event.data, PointsEarned)
    assert event.data.points == 100


def test_the_vector_of_standard_webhooks_holds() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    with pytest.raises(WebhookRejected, match="no event"):  # the signature is right; it is no event of ours
        webhooks.verify(b'{"test": 2432232314}', headers, secret, now=1614265330)


def test_while_secrets_change_either_is_good() -> None:
    old = signing.new_secret()
    both = {
        **signed(),
        "webhook-signature": f"{signed(secret=old)['webhook-signature']} v1a,x {signed()['webhook-signature']}",
    }
    assert webhooks.verify(BODY, both, SECRET, now=NOW).id == EARNED["id"]
    assert webhooks.verify(BODY, signed(), old, SECRET, now=NOW).id == EARNED["id"]


@pytest.mark.parametrize("place", range(5))
def test_the_right_signature_may_stand_at_any_place(place: int) -> None:
    others = [signed(secret=signing.new_secret())["webhook-signature"] for _ in range(2)]
    listed = [*others, "v1,", "", "v1a,x"]
    listed[place:place] = [signed()["webhook-signature"]]
    many = {**signed(), "webhook-signature": " ".join(listed)}
    assert webhooks.verify(BODY, many, SECRET, now=NOW).id == EARNED["id"]
    assert webhooks.verify(BODY, many, signing.new_secret(), SECRET, now=NOW).id == EARNED["id"]
    with pytest.raises(WebhookRejected):
        webhooks.verify(BODY, many, signing.new_secret(), now=NOW)


def test_a_type_of_tomorrow_is_plain_data() -> None:
    for changed in ({"type": "points.doubled"}, {"version": 9}):
        body = json.dumps({**EARNED, **changed}).encode()
        assert webhooks.verify(body, signed(body), SECRET, now=NOW).data == EARNED["data"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(secret=signing.new_secret()),
        signed(BODY + b" "),
        signed(at=NOW - 301),
        signed(at=NOW + 301),
        signed(message_id="evt_another"),
        {**signed(), "webhook-id": "evt_another"},
        {**signed(), "webhook-timestamp": "soon"},
        {**signed(), "webhook-timestamp": "٣"},
        {**signed(), "webhook-signature": ""},
        {**signed(), "webhook-signature": "v1,é"},
        {**signed(), "webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")},
    ],
)
def test_anything_else_is_rejected(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRejected):
        webhooks.verify(BODY, headers, SECRET, now=NOW)


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_",), ("whsec_c2hvcnQ=",), ("whsec_***",)])
def test_a_secret_that_is_none_is_the_caller_s_mistake(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="secret"):
        webhooks.verify(BODY, signed(), *secrets, now=NOW)
