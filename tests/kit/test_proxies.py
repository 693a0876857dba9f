"""Behind proxies of ours the client's address counts; from anybody else X-Forwarded-For is ignored."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from kit.http.proxies import BehindProxies, client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),  # nobody we trust says so
        ("::ffff:192.0.2.1", "", "192.0.2.1"),  # one socket for both versions
        ("::ffff:192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left one is the sender's invention
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9,nonsense", "10.0.0.1"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9:5555", "203.0.113.9"),  # with its port, as RFC 7239 §6 and some proxies have it
        ("10.0.0.1", "[2001:db8::9]:443", "2001:db8::9"),
        ("10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
        ("10.0.0.1", "203.0.113.9:5555, 10.0.0.2:443, [fd00::2]:80", "203.0.113.9"),
        ("10.0.0.1", "[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("10.0.0.1", "[203.0.113.9]:443", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:99999999", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::9", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::9:443", "2001:db8::9:443"),  # without brackets no port
        ("10.0.0.1", "fe80::9%eth0", "10.0.0.1"),
        ("10.0.0.1:5555", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", ", ".join(["10.0.0.3"] * 500), "10.0.0.3"),
        ("", "203.0.113.9", ""),
    ],
)
def test_whose_request_it_is(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, TRUSTED) == client


def test_the_application_sees_the_client_and_never_the_header() -> None:
    seen = []

    def app(environ, start_response):
        seen.append((environ["REMOTE_ADDR"], "HTTP_X_FORWARDED_FOR" in environ))
        return []

    for trusted in (TRUSTED, ()):
        environ = {"REMOTE_ADDR": "10.1.2.3", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
        BehindProxies(app, trusted)(environ, lambda *_: None)
    assert seen == [("203.0.113.9", False), ("10.1.2.3", False)]
