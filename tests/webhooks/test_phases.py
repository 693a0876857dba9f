"""What the time of an attempt went into: real receivers, each slow in one phase."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kit.secrets import Keyring
from tests import receiving
from tests.webhooks.hostile import Behaviour, Receivers, certificate, copy, keeps_open_for_one
from webhooks.addresses import LOOPBACK
from webhooks.connections import Answer
from webhooks.phases import Phases
from webhooks.sender import Sender

SLOW_S = 0.2
SLOW_MS = 200
KEPT = b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n"


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up, each of which took SLOW_S."""
    looked_up, resolve = [], socket.getaddrinfo

    def slowly(host: str, *said: Any, **more: Any) -> Any:
        looked_up.append(host)
        time.sleep(SLOW_S)
        return resolve(host, *said, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    return looked_up


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of receivers whose certificate is trusted here."""
    context = certificate(tmp_path, days=30)
    trusting = ssl.create_default_context(cafile=tmp_path / "receiver30.pem")
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    return context


def answers_each(*, behind_s: float = 0) -> Behaviour:
    """Takes one request after the other, and answers each behind so many seconds."""

    async def behave(reader, writer) -> None:
        while True:
            await reader.request()
            await asyncio.sleep(behind_s)
            await writer.say(KEPT)

    return behave


def shaking_hands_late(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sni_callback = lambda *_: time.sleep(SLOW_S)
    return context


def sent(*urls: str, at_once: bool = False, proxy: str | None = None) -> list[Answer]:
    """A post to each of the URLs by one sender, all at once or one after the other; what came of them."""

    async def send() -> list[Answer]:
        async with Sender(keyring=Keyring(bytes(32)), timeout_s=10, allowed=lambda: LOOPBACK, proxy=proxy) as sender:

            def post(url: str) -> Any:
                return asyncio.create_task(sender.post(url, body=b"{}", headers={}))

            if at_once:
                return list(await asyncio.gather(*map(post, urls)))
            return [await post(url) for url in urls]

    for url in urls:
        receiving.current().expect_wrong(url)  # nobody signs what is sent here
    found = asyncio.run(send())
    for answer in found:
        assert sum(took for took in vars(answer.phases).values() if took is not None) <= answer.duration_ms
    return found


def test_by_http_to_an_address_there_is_neither_dns_nor_tls(receivers: Receivers) -> None:
    port = receivers.serve("receiver", answers_each(behind_s=SLOW_S))
    [answer] = sent(f"http://127.0.0.1:{port}/")
    assert answer.succeeded
    assert (answer.phases.dns_ms, answer.phases.tls_ms) == (None, None)
    assert (answer.phases.connect_ms or 0) < SLOW_MS <= (answer.phases.first_byte_ms or 0)


def test_a_kept_connection_has_only_the_wait_for_the_first_byte(receivers: Receivers, tls: ssl.SSLContext) -> None:
    port = receivers.serve("receiver", answers_each(behind_s=SLOW_S), tls=tls)
    first, second = sent(*[f"https://localhost:{port}/"] * 2)
    assert None not in vars(first.phases).values()
    assert second.phases == Phases(first_byte_ms=second.phases.first_byte_ms)
    assert (second.phases.first_byte_ms or 0) >= SLOW_MS
    assert second.remote_ip == first.remote_ip == "127.0.0.1"


def test_a_slow_look_up_counts_for_all_who_wait_for_it_and_is_remembered(
    receivers: Receivers, slow_names: list[str]
) -> None:
    port = receivers.serve("receiver", keeps_open_for_one)
    url = f"http://localhost:{port}/"
    for answer in sent(url, url, at_once=True):
        assert answer.succeeded
        assert (answer.phases.dns_ms or 0) >= SLOW_MS
    slow_names.clear()
    first, again = sent(url, url)
    assert slow_names.count("localhost") == 1
    assert again.is_new, "the receiver let go of the connection, and the request was made once more"
    assert (again.phases.dns_ms or 0) < SLOW_MS <= (first.phases.dns_ms or 0)
    assert again.phases.dns_ms is not None


def test_a_slow_handshake_counts_as_tls_and_nothing_else(receivers: Receivers, tls: ssl.SSLContext) -> None:
    port = receivers.serve("receiver", answers_each(), tls=shaking_hands_late(tls))
    [answer] = sent(f"https://localhost:{port}/")
    assert answer.succeeded
    assert (answer.phases.tls_ms or 0) >= SLOW_MS
    assert None not in vars(answer.phases).values()


def unheard_of(receivers: Receivers, folder: Path) -> str:
    return "https://no-such.invalid/"


def refusing(receivers: Receivers, folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        return f"https://localhost:{nobody.getsockname()[1]}/"


def distrusted(receivers: Receivers, folder: Path) -> str:
    return f"https://localhost:{receivers.serve('distrusted', answers_each(), tls=certificate(folder, days=-1))}/"


def silent(receivers: Receivers, folder: Path) -> str:
    async def hangs_up(reader, writer) -> None:
        await reader.request()

    return f"http://localhost:{receivers.serve('silent', hangs_up)}/"


@pytest.mark.parametrize(
    ("receiver", "ended"),
    [(unheard_of, []), (refusing, ["dns_ms"]), (distrusted, ["dns_ms", "connect_ms"]),
     (silent, ["dns_ms", "connect_ms"])],
)  # fmt: skip
def test_of_an_attempt_that_fails_there_are_the_phases_that_ended(
    receivers: Receivers, tmp_path: Path, receiver: Callable[[Receivers, Path], str], ended: list[str]
) -> None:
    [answer] = sent(receiver(receivers, tmp_path))
    assert answer.error
    assert [name for name, took in vars(answer.phases).items() if took is not None] == ended


def test_through_a_proxy_the_tunnel_is_the_connection_and_names_are_not_looked_up(
    receivers: Receivers, tls: ssl.SSLContext, slow_names: list[str]
) -> None:
    async def tunnel(reader, writer) -> None:
        await reader.raw.readuntil(b"\r\n\r\n")
        await asyncio.sleep(SLOW_S)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await writer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(copy(reader.raw, far_writer), copy(far_reader, writer.raw))

    port = receivers.serve("receiver", answers_each(), tls=shaking_hands_late(tls))
    proxy = receivers.serve("proxy", tunnel)
    receiving.current().expect_wrong(f"https://localhost:{port}/")
    [answer] = sent("https://hooks.example/", proxy=f"http://localhost:{proxy}")
    assert answer.succeeded
    assert "hooks.example" not in slow_names
    assert answer.phases.dns_ms is None, "that of the proxy is not the receiver's"
    assert (answer.phases.connect_ms or 0) >= SLOW_MS
    assert (answer.phases.tls_ms or 0) >= SLOW_MS
    assert answer.phases.first_byte_ms is not None
