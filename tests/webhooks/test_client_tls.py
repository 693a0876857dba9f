"""Client certificates at real receivers that ask for one: each endpoint presents its own, and its key stays ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from kit import clock
from partners.accounts import Partner
from tests import receiving
from tests.conftest import World, act
from tests.webhooks import certificates
from tests.webhooks.certificates import asks_for_one, pair
from tests.webhooks.hostile import Receivers
from tests.webhooks.test_egress_proxy import AT, Proxy
from tests.webhooks.test_pump import UntilNothingIsDue, pump
from tests.webhooks.test_receiver_tokens import earn, newest
from webhooks import authentication, client_tls, endpoints, sender

NOT_ACCEPTED = "the host did not accept our client certificate, or wants one"


class Strict(threading.Thread):
    """A receiver that ends each handshake with the alert that OpenSSL has for it, as most servers do."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self._tls, self._socket = tls, socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):  # closed
            while True:
                self._refuse(self._socket.accept()[0])

    def _refuse(self, made: socket.socket) -> None:
        made.settimeout(5)
        connection = self._tls.wrap_socket(made, server_side=True, do_handshake_on_connect=False)
        with suppress(ssl.SSLError):
            connection.do_handshake()
        with socket.socket(fileno=connection.detach()) as raw, suppress(OSError):
            raw.settimeout(5)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65_536):  # or the alert may be lost with the connection
                pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join(5)


class Receiver:
    """Answers 204 again and again; keeps whose certificate each request came under."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, reader: Any, writer: Any) -> None:
        shown = writer.raw.get_extra_info("peercert")
        [(_, name)] = [part for group in shown["subject"] for part in group]
        while True:
            path = (await reader.request()).split(b" ", 2)[1].decode()
            self.seen.append((path, name))
            await writer.say(b"HTTP/1.1 204 So\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture
def partner(world: World) -> Partner:
    return world.partner("greengrocer")


def parsed(asked: dict[str, str]) -> authentication.Authentication:
    return authentication.parse({"type": "mtls", **asked}, now=clock.now())


def registered(world: World, partner: Partner, url: str, asked: dict[str, str] | None, **more: Any) -> UUID:
    with world.transaction() as session:
        made, secret = endpoints.register(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, url=url, event_types=["*"],
            settings={**more, **({"authentication": parsed(asked)} if asked else {})},
        )  # fmt: skip
    receiving.trust(url, secret)
    return made.endpoint_id


def trust(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let this process trust the receiver's certificate, with a client certificate and without."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "server.pem"))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context())


@pytest.mark.parametrize("contexts", [1, 64])
def test_endpoints_at_one_host_present_each_its_own_certificate(
    world: World,
    partner: Partner,
    receivers: Receivers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contexts: int,
) -> None:
    monkeypatch.setattr(sender, "MOST_TLS", contexts)
    ann, bob = pair("ann"), pair("bob")
    tls = asks_for_one(tmp_path, "localhost", ann["certificate"], bob["certificate"])
    trust(monkeypatch, tmp_path)
    receiver = Receiver()
    url = f"https://localhost:{receivers.serve('receiver', receiver, tls=tls)}"
    made = [registered(world, partner, f"{url}/{name}", asked) for name, asked in (("ann", ann), ("bob", bob))]
    earn(world, partner, 10)
    pump(world)
    assert {one.state for endpoint in made for one in newest(world, endpoint)} == {"delivered"}
    assert sorted(receiver.seen) == [("/ann", "ann")] * 10 + [("/bob", "bob")] * 10


@pytest.mark.parametrize(
    ("version", "without"),
    [(ssl.TLSVersion.TLSv1_2, "the host and we could not agree on TLS"), (ssl.TLSVersion.TLSv1_3, NOT_ACCEPTED)],
)
def test_a_receiver_that_wants_another_certificate_has_failed(
    world: World,
    partner: Partner,
    receivers: Receivers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: ssl.TLSVersion,
    without: str,
) -> None:
    ann, stranger = pair("ann"), pair("stranger")
    tls = asks_for_one(tmp_path, "localhost", ann["certificate"])
    tls.maximum_version = version
    trust(monkeypatch, tmp_path)
    receiver, strict = Receiver(), Strict(tls)
    strict.start()
    port = receivers.serve("receiver", receiver, tls=tls)
    right, *others = (
        registered(world, partner, f"https://localhost:{port}/", asked) for asked in (ann, stranger, None)
    )
    told, untold = (
        registered(world, partner, f"https://localhost:{strict.port}/", asked) for asked in (stranger, None)
    )
    earn(world, partner)
    pump(world)
    strict.close()
    assert [(one.state, one.status_code) for one in newest(world, right)] == [("delivered", 204)]
    assert receiver.seen == [("/", "ann")]
    for endpoint in (*others, told, untold):
        [found] = newest(world, endpoint)
        assert (found.state, found.status_code) == ("pending", None)
    assert newest(world, told)[0].error == NOT_ACCEPTED
    assert newest(world, untold)[0].error == without


def test_a_receiver_that_nobody_vouches_for_is_shown_no_certificate(
    world: World, partner: Partner, receivers: Receivers, tmp_path: Path
) -> None:
    ann, receiver = pair("ann"), Receiver()
    tls = asks_for_one(tmp_path, "localhost", ann["certificate"])
    endpoint = registered(world, partner, f"https://localhost:{receivers.serve('receiver', receiver, tls=tls)}/", ann)
    earn(world, partner)
    pump(world)
    [found] = newest(world, endpoint)
    assert (found.state, found.error) == ("pending", "the host's certificate is not valid")
    assert receiver.seen == []


def test_a_new_certificate_is_presented_with_the_next_message(
    world: World, partner: Partner, receivers: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, newer = pair("ann"), pair("ann of next year")
    tls = asks_for_one(tmp_path, "localhost", ann["certificate"], newer["certificate"])
    trust(monkeypatch, tmp_path)

    class Rotates(Receiver):
        async def __call__(self, reader: Any, writer: Any) -> None:
            await asyncio.to_thread(self.rotate)
            await super().__call__(reader, writer)

        def rotate(self) -> None:
            if not self.seen:
                with world.transaction() as session:
                    endpoints.change(
                        session, act(world.keyring, now=clock.now()), endpoint_id=endpoint,
                        partner_id=partner.partner_id, settings={"authentication": parsed(newer)},
                        expected_version=None,
                    )  # fmt: skip

    receiver = Rotates()
    port = receivers.serve("receiver", receiver, tls=tls)
    endpoint = registered(world, partner, f"https://localhost:{port}/", ann, ordering="strict")
    earn(world, partner, 3)
    pump(world)
    assert [name for _, name in receiver.seen] == ["ann", "ann of next year", "ann of next year"]


def test_it_is_presented_to_the_receiver_through_the_proxy(
    world: World, partner: Partner, receivers: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = pair("ann"), pair("bob")
    tls = asks_for_one(tmp_path, "hooks.example", ann["certificate"], bob["certificate"])
    trust(monkeypatch, tmp_path)
    receiver, proxy = Receiver(), Proxy()
    url = f"https://hooks.example:{receivers.serve('receiver', receiver, tls=tls)}"
    for name, asked in (("ann", ann), ("bob", bob)):
        registered(world, partner, f"{url}/{name}", asked)
    earn(world, partner, 3)
    chosen = replace(world.settings, webhook_proxy=f"http://{AT}@127.0.0.1:{receivers.serve('proxy', proxy)}")
    assert UntilNothingIsDue(chosen, world.database, world.keyring, redis_url=str(chosen.redis_url)).run(run_s=30)
    assert sorted(receiver.seen) == [("/ann", "ann")] * 3 + [("/bob", "bob")] * 3
    assert set(proxy.asked) == {"hooks.example"}


def test_a_key_lies_on_no_disk_but_encrypted_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    load, seen = ssl.SSLContext.load_cert_chain, []

    def looked_at(self: ssl.SSLContext, path: str, **more: Any) -> None:
        seen.append((Path(path), stat.S_IMODE(Path(path).stat().st_mode), Path(path).read_text()))
        load(self, path, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", looked_at)
    key = certificates.new_key()
    client_tls.context(certificates.certificate("ann", key), certificates.key_pem(key))
    [(path, mode, content)] = seen
    assert (mode, path.exists()) == (0o600, False)
    assert content.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "BEGIN PRIVATE KEY" not in content
