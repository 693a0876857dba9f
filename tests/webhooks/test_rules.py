"""Signing, the retry schedule and addresses: pure rules."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from webhooks import schedule, signing
from webhooks.addresses import LOOPBACK, AddressRefused, EndpointUrlRefused, check_address, check_url
from webhooks.event_types import matches

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_the_signature_is_the_standards_own_vector() -> None:
    signature = signing.sign(
        secret="MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(max_size=200))
def test_the_standards_package_accepts_what_we_sign(text: str) -> None:
    secret, body = signing.new_secret(), text.encode("utf-8", "ignore")
    now = int(datetime.now(UTC).timestamp())
    headers = signing.headers(secret=secret, message_id="evt_1", timestamp=now, body=body)
    Webhook(secret).verify(body, headers, json_parse=False)
    assert headers["webhook-signature"].startswith("v1,")


def test_the_schedule_is_the_documented_one_and_ends() -> None:
    waits = [schedule.next_delay(n, now=NOW, jitter=0) for n in range(1, 11)]
    hours = timedelta(hours=1)
    assert waits == [
        timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
        2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        "-1",
        "1e30",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "",
        "99999999999999999999",
        "３",
        "Wed, 21 Oct 2099 07:28:00",
        "Wed, 99 Oct 2099 99:99:99 GMT",
        "Wed, 21 Oct 9999",
        "Mon, 02 Mar 2026 13:00:00 GMT" + " " * 50,
    ],
)
def test_a_nonsense_retry_after_changes_nothing(header: str) -> None:
    assert schedule.next_delay(1, now=NOW, jitter=0, retry_after=header) == timedelta(seconds=5)


def test_retry_after_may_be_a_date() -> None:
    at = schedule.next_delay(1, now=NOW, jitter=0, retry_after="Mon, 02 Mar 2026 13:00:00 GMT")
    assert at == timedelta(hours=1)
    far = schedule.next_delay(1, now=NOW, jitter=0, retry_after="Sun, 06 Nov 2094 08:49:37 GMT")
    assert far == timedelta(days=1)


def test_retry_after_lengthens_the_wait_up_to_a_day_and_never_shortens_it() -> None:
    assert schedule.next_delay(1, now=NOW, jitter=0, retry_after="60") == timedelta(seconds=60)
    assert schedule.next_delay(1, now=NOW, jitter=0, retry_after="999999999") == timedelta(days=1)
    assert schedule.next_delay(2, now=NOW, jitter=0, retry_after="1") == timedelta(minutes=5)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::",
     "64:ff9b::7f00:1", "64:ff9b::a00:1", "ff02::1", "64:ff9b:1::5db8:d822", "::127.0.0.1", "::93.184.216.34",
     "::ffff:0:93.184.216.34", "fec0::1", "3fff::1", "5f00::1", "100::1", "2001:db8::1", "2001::1", "2002:5db8:d822::1",
     "3ffe::1", "192.88.99.1", "192.0.0.9", "198.18.0.1", "4000::1", "fe80::1", "nobody's"],
)  # fmt: skip
def test_webhooks_do_not_go_to_private_addresses_in_any_spelling(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(address, allowed=())


def test_webhooks_go_to_the_public_internet_and_to_what_the_operator_allows() -> None:
    check_address("93.184.216.34", allowed=())
    check_address("2606:2800:220:1:248:1893:25c8:1946", allowed=())
    check_address("64:ff9b::5db8:d822", allowed=())
    check_address("::ffff:93.184.216.34", allowed=())
    check_address("127.0.0.1", allowed=LOOPBACK)
    check_address("::ffff:127.0.0.1", allowed=LOOPBACK)
    check_address("64:ff9b:1::1", allowed=[ipaddress.ip_network("64:ff9b:1::/48")])
    check_address("10.1.2.3", allowed=[ipaddress.ip_network("10.0.0.0/8")])
    with pytest.raises(AddressRefused):
        check_address("10.1.2.3", allowed=LOOPBACK)


@pytest.mark.parametrize(
    "url",
    ["http://x.example/", "ftp://x.example", "https://", "https://u:p@x.example", "https://x.example/#f",
     "https://x.example:99999/", "https://x.example/\r\nX: y", "https://x.example/ a", "https://[::1", "//x.example"],
)  # fmt: skip
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(EndpointUrlRefused):
        check_url(url, allow_http=False, allowed=())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "10.0.0.1", "169.254.169.254", "localhost",
     "LOCALHOST.", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "[64:ff9b:1::1]", "0"],
)  # fmt: skip
def test_an_address_that_webhooks_never_reach_is_refused_when_it_is_registered(host: str) -> None:
    with pytest.raises(EndpointUrlRefused, match="public addresses"):
        check_url(f"https://{host}/hook", allow_http=False, allowed=())


def test_names_public_addresses_and_allowed_ones_are_registered() -> None:
    for host in ("hooks.example.com", "93.184.216.34", "[2606:2800:220:1::1]", "localhost.example", "1.2.3.4.example"):
        check_url(f"https://{host}/hook", allow_http=False, allowed=())
    for host in ("127.0.0.1:8443", "localhost", "[::1]"):
        check_url(f"https://{host}/hook", allow_http=False, allowed=LOOPBACK)


def test_patterns_match_a_name_a_family_or_everything() -> None:
    assert matches(["*"], "points.earned")
    assert matches(["points.*"], "points.burned")
    assert not matches(["points.*"], "member.enrolled")
    assert not matches(["points.earned"], "points.burned")
