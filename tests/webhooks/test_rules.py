"""Signing, the retry schedule and addresses: pure rules."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from kit.secrets import Keyring
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
    headers = signing.headers([secret], message_id="evt_1", timestamp=now, body=body)
    Webhook(secret).verify(body, headers, json_parse=False)
    assert headers["webhook-signature"].startswith("v1,")


def test_while_secrets_change_both_hold_and_the_partners_key_signs_beside_them() -> None:
    body = '{"a":"…"}'.encode()
    old, new = signing.new_secret(), signing.new_secret()
    keyring, now = Keyring(b"r" * 32), int(datetime.now(UTC).timestamp())
    purpose = signing.purpose(UUID(int=1))
    signer = partial(keyring.sign, purpose=purpose)
    headers = signing.headers([new, old], signer=signer, message_id="evt_1", timestamp=now, body=body)
    for secret in (old, new):
        Webhook(secret).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(body, headers, json_parse=False)
    first, second, third = headers["webhook-signature"].split(" ")
    assert (first[:3], second[:3], third[:4]) == ("v1,", "v1,", "v1a,")
    public = Ed25519PublicKey.from_public_bytes(keyring.public_key(purpose=purpose))
    public.verify(base64.b64decode(third[4:]), f"evt_1.{now}.".encode() + body)


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
        "Wed, 21 Oct 2099 07:28:61 GMT",
        "Wed, 99 Oct 2099 99:99:99 GMT",
        "Wed, 21 Oct 9999",
        "Mon, 02 Mar 2026 13:00:00 GMT" + " " * 50,
    ],
)
def test_a_nonsense_retry_after_changes_nothing(header: str) -> None:
    assert schedule.next_delay(1, now=NOW, jitter=0, retry_after=header) == timedelta(seconds=5)


@pytest.mark.parametrize(
    "header",
    ["Mon, 02 Mar 2026 13:00:00 GMT", "Monday, 02-Mar-26 13:00:00 GMT", "Mon Mar  2 13:00:00 2026",
     "Mon, 02 Mar 2026 13:00:00 -0000", "Mon, 02 Mar 2026 14:00:00 +0100", "Mon, 02 Mar 2026 12:59:60 GMT"],
)  # fmt: skip
def test_retry_after_may_be_a_date_in_any_of_its_forms(header: str) -> None:
    assert schedule.next_delay(1, now=NOW, jitter=0, retry_after=header) == timedelta(hours=1)


def test_a_far_date_is_waited_for_a_day() -> None:
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
     "3ffe::1", "192.88.99.1", "192.0.0.9", "198.18.0.1", "4000::1", "fe80::1", "nobody's",
     "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::1",
     "::ffff:a9fe:a9fe", "::ffff:100.100.100.200", "::7f00:1", "::%lo", "fd00:ec2::254", "100.100.100.200",
     "192.0.0.192", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:20::1", "3fff:fff::1", "100:0:0:1::1", "240.0.0.1",
     "0.1.2.3", "127.0.0.1%lo", "2130706433", "0x7f.1", "127.0.0.1.", " 127.0.0.1", "１２７.0.0.1", ""],
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
     "https://x.example:99999/", "https://x.example/\r\nX: y", "https://x.example/ a", "https://[::1", "//x.example",
     "https://[v1.x]/", "https://-/", "https://x-.example/", "https://a..b/", "https://.a/", "https://%31%32%37.0.0.1/",
     "https://1.2.3.4.5/", "https://256.1.1.1/", "https://x*y.example/", f"https://{'a' * 64}.example/",
     f"https://{'a.' * 127}example/",
     # What some parser or other takes for an address of ours.
     "https://good.example@127.0.0.1/", "https://good.example:pw@127.0.0.1/", "https://@127.0.0.1/",
     "https://good.example\\@127.0.0.1/", "https://127.0.0.1\\.good.example/", "https://127.0.0.1#.good.example/",
     "https://１２７.0.0.1/", "https://127。0。0。1/", "https://①②⑦.0.0.1/", "https://127%2e0.0.1/", "https://127.0.0.1%00/",
     "https://[127.0.0.1]/", "https://::1/", "https://[2606:2800:220:1::1%25eth0]/", "https://4294967296/",
     "https://x.example:0/", "https://x.example:00/", "https://x.example:-1/", "https://x.example:+80/",
     "https://x.example:８０/", "https://x.example:80:80/", "https://x.example\t/", "https:\\\\127.0.0.1/",
     "https:/127.0.0.1/", "https:127.0.0.1", "https:///127.0.0.1/", "HTTPS://127.0.0.1/", " https://127.0.0.1/"],
)  # fmt: skip
def test_a_url_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(EndpointUrlRefused):
        check_url(url, allow_http=False, allowed=())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "10.0.0.1", "169.254.169.254", "localhost",
     "LOCALHOST.", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "[64:ff9b:1::1]", "0",
     "0x7f000001", "017700000001", "0177.1", "127.0.1", "0x7f.0.0.1", "00000000177.0.0.1", "127.0.0.0x1", "4294967295",
     "127.0.0.1.", "127.0.0.1..", "127.1.", "0x7f000001.", "localhost.", "x.localhost.", "2852039166",
     "0xa9fea9fe", "169.254.169.254.", "100.100.100.200", "192.0.0.192", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]",
     "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:0:7f00:1]", "[::7f00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]",
     "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::7f00:1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
     "[::]", "[::%25lo]", "[fd00:ec2::254]", "127.0.0.1:8443"],
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
