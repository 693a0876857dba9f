"""What verifies the deliveries of all tests can fail: a message that is not signed as it should be is found."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import text

from kit import clock
from tests.conftest import World
from tests.interop import npm
from tests.receiving import Archive, Received, Receiver
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import signing
from webhooks.endpoints import SECRET_PURPOSE

BODY = b'{"id":"evt_1","type":"points.earned","data":{}}'
Headers = dict[str, str]


def post(receiver: Receiver, headers: Headers, body: bytes = BODY) -> None:
    connection = HTTPConnection("127.0.0.1", receiver.server_port, timeout=10)
    connection.request("POST", "/hook", body, headers)
    assert connection.getresponse().status == 204
    connection.close()


def tampered(headers: Headers) -> Headers:
    version, signature = headers["webhook-signature"].split(",")
    other = "A" if signature[0] != "A" else "B"
    return {**headers, "webhook-signature": f"{version},{other}{signature[1:]}"}


@pytest.fixture
def signed() -> Callable[..., Headers]:
    def sign(*secrets: str, at: int = 0) -> Headers:
        now = int(clock.now().timestamp())
        return signing.headers(secrets, message_id="evt_1", timestamp=now + at, body=BODY)

    return sign


def test_what_is_tampered_with_late_unsigned_half_signed_or_unasked_for_fails_the_test(
    receiver: Receiver, received: Received, signed: Callable[..., Headers]
) -> None:
    old, new = signing.new_secret(), signing.new_secret()
    received.trust(receiver.url, old)
    post(receiver, signed(old))
    received.check()
    for wrong in (
        tampered(signed(old)), signed(new), signed(old, at=-301), signed(old, at=301), signed(old, new), {},
        {**signed(old), "webhook-id": "evt_2"},
    ):  # fmt: skip
        post(receiver, wrong)
        with pytest.raises(AssertionError, match="do not verify"):
            received.check()
    post(receiver, signed(old), BODY + b" ")
    with pytest.raises(AssertionError, match="No matching signature"):
        received.check()
    received.trust_only(receiver.url, new, old)
    post(receiver, signed(new, old))
    received.check()
    post(receiver, signed(new))
    with pytest.raises(AssertionError, match="do not verify"):
        received.check()


def test_a_delivery_to_an_endpoint_that_nobody_knows_fails_the_test(
    receiver: Receiver, received: Received, signed: Callable[..., Headers]
) -> None:
    post(receiver, signed(signing.new_secret()))
    with pytest.raises(AssertionError, match="no endpoint was registered here"):
        received.check()


def test_a_pump_that_signs_with_another_secret_or_without_the_coalitions_key_is_found(
    world: World, partner, receiver: Receiver, received: Received
) -> None:
    endpoint, secret = register(world, partner, receiver.url)
    member = world.member()
    received.trust_only(
        receiver.url, secret, public_key=world.keyring.public_key(purpose=signing.purpose(partner.partner_id))
    )
    world.earn(partner.partner_id, member, 1)
    pump(world)
    with pytest.raises(AssertionError, match=r"signatures \['v1'\], not \['v1', 'v1a'\]"):
        received.check()
    received.trust_only(receiver.url, secret)
    sealed = world.keyring.seal(signing.new_secret().encode(), purpose=SECRET_PURPOSE)
    with world.transaction() as session:
        session.execute(
            text("UPDATE webhooks.endpoint SET sealed_secret = :sealed WHERE endpoint_id = :id"),
            {"sealed": sealed, "id": endpoint.endpoint_id},
        )
    world.earn(partner.partner_id, member, 1)
    pump(world)
    with pytest.raises(AssertionError, match="No matching signature"):
        received.check()


def test_node_finds_what_is_tampered_with_too(
    world: World, partner, tmp_path: Path, receiver: Receiver, signed: Callable[..., Headers]
) -> None:
    folder = npm.install(Path(__file__).parents[1] / "interop" / "standardwebhooks", tmp_path)
    archive = Archive(tmp_path / "deliveries.jsonl")
    secret, key = signing.new_secret(), world.keyring.public_key(purpose=signing.purpose(partner.partner_id))
    mine = Received(archive)
    mine.trust(receiver.url, secret, public_key=key)
    headers = signing.headers(
        [secret],
        signer=lambda message: world.keyring.sign(message, purpose=signing.purpose(partner.partner_id)),
        message_id="evt_1",
        timestamp=int(clock.now().timestamp()),
        body=BODY,
    )
    mine.take((receiver.server_port, "/hook"), headers, BODY)
    mine.check()
    archive.verify(folder)
    kept = archive.path.read_text("utf-8")
    for part in headers["webhook-signature"].split(" "):
        other = part[:-5] + ("AAAA=" if part[-5:] != "AAAA=" else "BBBB=")
        archive.path.write_text(kept.replace(part, other), "utf-8")
        with pytest.raises(AssertionError, match=r"Node.js does not verify: .*evt_1"):
            archive.verify(folder)
