"""Webhooks through the operator's proxy, a real one, and whose fault it is when it fails."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from kit import settings
from kit.settings import SettingsError
from partners.accounts import Partner
from tests.conftest import World
from tests.webhooks.hostile import Receivers, answers, certificate, copy
from tests.webhooks.test_pump import UntilNothingIsDue, register
from webhooks import sender
from webhooks.pump import Pump

LOGIN, AT = "ann:p@ss:word", "ann:p%40ss%3Aword"


class Proxy:
    """Does CONNECT for who has the password, to the port at this machine whatever the name; fails where it says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_closing = False

    async def __call__(self, reader: Any, writer: Any) -> None:
        if self.is_closing:
            return
        head = (await reader.raw.readuntil(b"\r\n\r\n")).decode()
        host, _, port = head.split(" ")[1].rpartition(":")
        self.asked.append(host)
        if f"Proxy-Authorization: Basic {base64.b64encode(LOGIN.encode()).decode()}\r\n" not in head:
            await writer.say(b"HTTP/1.1 407 Who are you\r\n\r\n")
        elif host == "hangs.example":
            await asyncio.sleep(60)
        elif host != "hooks.example":
            await writer.say(f"HTTP/1.1 {host[4:7]} No\r\n\r\n".encode())
        else:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(port))
            await writer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(copy(reader.raw, far_writer), copy(far_reader, writer.raw))


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture
def partner(world: World) -> Partner:
    return world.partner("greengrocer")


@pytest.fixture
def url(receivers: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a receiver whose certificate is trusted here, and whose name nobody but the proxy resolves."""
    port = receivers.serve("receiver", answers(b"HTTP/1.1 204 No Content\r\n\r\n"), tls=certificate(tmp_path, days=30))
    trusting = ssl.create_default_context(cafile=tmp_path / "receiver30.pem")
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    return f"https://hooks.example:{port}/hook"


def run(world: World, proxy: str) -> list[Any]:
    """Pump through `proxy` until nothing is due; what the latest attempts came to, in the order of endpoints."""
    chosen = replace(world.settings, webhook_proxy=proxy, webhook_timeout_s=1)
    assert UntilNothingIsDue(chosen, world.database, world.keyring, redis_url=str(chosen.redis_url)).run(run_s=30)
    with world.transaction() as session:
        return session.execute(
            text("""
                SELECT a.error, d.state, d.attempts - d.by_hand AS tries, coalesce(s.failures, 0) AS failures,
                       d.due_at - a.started_at AS waits, a.remote_ip
                FROM webhooks.delivery d JOIN webhooks.endpoint e USING (endpoint_id)
                LEFT JOIN webhooks.endpoint_state s USING (endpoint_id)
                JOIN webhooks.attempt a ON a.delivery_id = d.delivery_id AND a.attempt_no = d.attempts
                ORDER BY e.created_at
            """)
        ).all()


def due_now(world: World) -> None:
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.delivery SET due_at = now() - interval '1 day'"))


def test_webhooks_go_through_the_proxy_which_resolves_names_but_opens_no_address_of_ours(
    world: World, partner: Partner, receivers: Receivers, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy = Proxy()
    port = receivers.serve("proxy", proxy)
    register(world, partner, url)
    for host in ("127.0.0.1", "169.254.169.254", "[::ffff:7f00:1]", "2130706433", "localhost"):
        register(world, partner, f"https://{host}:{port}/")
    world.earn(partner.partner_id, world.member(), 1)
    first, *others = run(world, f"http://{AT}@127.0.0.1:{port}")
    assert (first.state, first.error, first.remote_ip) == ("delivered", None, None)
    assert {(one.state, one.error) for one in others} == {
        ("pending", "the host's name leads to no address that we send webhooks to")
    }
    assert proxy.asked == ["hooks.example"]
    assert receivers.requests["receiver"] == 1
    assert "p%40ss" not in caplog.text
    assert "p@ss" not in caplog.text


def test_what_the_proxy_fails_at_is_tried_again_in_seconds_and_counts_for_nobody(
    world: World,
    partner: Partner,
    receivers: Receivers,
    url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webhooks.pump.PROBE_S", 0.05)
    proxy = Proxy()
    port = receivers.serve("proxy", proxy)
    register(world, partner, url)
    world.earn(partner.partner_id, world.member(), 1)
    proxy.is_closing = True
    broken = (f"http://{AT}@127.0.0.1:{port}", "http://127.0.0.1:1", "http://no-such.invalid:3128")
    said = [run(world, one)[0] for one in broken if due_now(world) is None]
    proxy.is_closing = False
    due_now(world)
    said += run(world, f"http://ann:wrong@127.0.0.1:{port}")
    assert [one.error for one in said] == ["our egress proxy does not answer"] * 3 + ["our egress proxy refuses us"]
    assert {(one.state, one.tries, one.failures) for one in said} == {("pending", 0, 0)}
    assert all(timedelta(seconds=5) <= one.waits < timedelta(seconds=8) for one in said)
    assert world.count("webhooks.traffic") == 0
    assert caplog.text.count("webhooks can't get out") == 4
    due_now(world)
    (last,) = run(world, f"http://{AT}@127.0.0.1:{port}")
    assert (last.state, last.tries) == ("delivered", 1)


def test_while_the_proxy_is_away_one_attempt_a_second_looks_for_it(world: World, partner: Partner) -> None:
    for n in range(20):
        register(world, partner, f"https://n{n}.example/")
    world.earn(partner.partner_id, world.member(), 1)
    chosen = replace(world.settings, webhook_proxy="http://127.0.0.1:1")
    Pump(chosen, world.database, world.keyring, redis_url=str(chosen.redis_url)).run(run_s=1.6)
    assert 20 <= world.count("webhooks.attempt") <= 23  # those that went together, then one by one


def test_a_host_that_the_proxy_does_not_reach_has_failed_itself(
    world: World, partner: Partner, receivers: Receivers
) -> None:
    port = receivers.serve("proxy", Proxy())
    for status in (403, 502, 503, 504, 400, 404, 429):
        register(world, partner, f"https://says{status}.example/")
    register(world, partner, "https://hangs.example/")
    world.earn(partner.partner_id, world.member(), 1)
    found = run(world, f"http://{AT}@127.0.0.1:{port}")
    assert [one.error for one in found] == [
        "our egress proxy lets nothing through to this host", *["our egress proxy could not reach the host"] * 3,
        *["our egress proxy does not open a way to this host"] * 3, "no complete answer within 1 s",
    ]  # fmt: skip
    assert {(one.state, one.tries, one.failures) for one in found} == {("pending", 1, 1)}


def test_a_delivery_fails_in_the_end_whatever_the_proxy_says(
    world: World, partner: Partner, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "MOST_OF_OURS", 2)
    port = receivers.serve("proxy", Proxy())
    register(world, partner, "https://says500.example/")
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.endpoint SET retry_delays_s = '{5}'"))
    world.earn(partner.partner_id, world.member(), 1)
    said = []
    for _ in range(4):
        said += run(world, f"http://{AT}@127.0.0.1:{port}")
        due_now(world)
        with world.transaction() as session:
            session.execute(text("UPDATE webhooks.endpoint_state SET probe_at = NULL"))
    assert [(one.state, one.tries) for one in said] == [("pending", 0), ("pending", 0), ("pending", 1), ("failed", 2)]
    assert {one.error for one in said} == {"our egress proxy refuses us"}


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http://proxy", "https://proxy:3128", "socks5://proxy:1080", "http://proxy:0", "http://proxy:99999",
     "http://proxy:3128/path", "http://proxy:3128?a", "http://proxy:3128#a", "http://a b:3128", "proxy:3128"],
)  # fmt: skip
def test_a_setting_that_is_no_proxy_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(SettingsError, match=r"COALITION_WEBHOOK_PROXY: expected http://host:port") as refused:
        settings.from_environment({"COALITION_WEBHOOK_PROXY": url})
    assert str(refused.value).endswith("got its value")


def test_the_proxy_is_a_secret_that_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text(f"http://{AT}@[::1]:3128\n")
    read = settings.from_environment({"COALITION_WEBHOOK_PROXY_FILE": str(file)})
    assert read.webhook_proxy == f"http://{AT}@[::1]:3128"
    assert "p%40ss" not in repr(read)
