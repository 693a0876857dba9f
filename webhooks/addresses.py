"""Where a webhook may go: only to addresses of the public internet, unless the operator allows a network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from kit import hosts
from kit.errors import Invalid
from kit.settings import Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class EndpointUrlRefused(Invalid):
    code = "endpoint_url_refused"
    title = "Endpoint URL refused"
    description = (
        "An endpoint's URL is absolute and uses https. It has no user, password or fragment, and does not lead to a "
        "private address."
    )
    remedy = (
        "Send an https URL of a public host, and put secrets into the path rather than user and password. On your own "
        "machine, use a tunnel."
    )


class AddressRefused(OSError):
    """The host is at an address webhooks don't go to; which one is nobody's business."""


def check_url(url: str, *, allow_http: bool, allowed: Iterable[Network]) -> str:
    """`url` itself; raises EndpointUrlRefused, also where it names an address that webhooks don't go to.

    Where a name leads is checked at each connection, since that can change.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EndpointUrlRefused("we cannot read the URL") from None
    if parts.scheme not in (("https", "http") if allow_http else ("https",)):
        raise EndpointUrlRefused("the URL must begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise EndpointUrlRefused("the URL needs a host, and no user, password or fragment")
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        raise EndpointUrlRefused("the URL can hold only visible ASCII characters")
    address = address_in(parts.hostname)
    if address is not None and not goes_to(address, allowed=allowed):
        raise EndpointUrlRefused("webhooks go only to public addresses, and this is not one")
    if "%" in parts.hostname or (address is None and hosts.of_url(parts) is None):
        raise EndpointUrlRefused("the URL's host is neither a name nor an address")
    return url


def address_in(host: str) -> str | None:
    """The address that `host` is without asking anybody, in whatever spelling; None for a name."""
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 §6.3
        return "127.0.0.1"
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(name))  # 127.1, 0x7f.1 and 2130706433 are addresses, too
    except OSError:
        return None


def check_address(address: str, *, allowed: Iterable[Network]) -> None:
    """Raise AddressRefused unless webhooks go to `address`."""
    if not goes_to(address, allowed=allowed):
        raise AddressRefused("webhooks do not go there")


def goes_to(address: str, *, allowed: Iterable[Network]) -> bool:
    """Whether `address` is one of the public internet, or in an allowed network.

    By the registries of IANA for special-purpose addresses, and of IPv6 only what is given out for unicast. What stands
    for an IPv4 address (mapped, or translated by NAT64's well-known prefix) is judged by that.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = _embedded(ip) or ip
    if any(ip in network for network in allowed):
        return True
    return (ip.version == 4 or ip in _UNICAST) and not any(ip in network for network in _SPECIAL)


_UNICAST = ipaddress.IPv6Network("2000::/3")
# Not `is_global`: what that says differs between the versions of Python.
_SPECIAL: tuple[Network, ...] = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "2001::/23",  # for protocols: Teredo, benchmarks, ORCHID
    "2001:db8::/32", "3fff::/20", "3ffe::/16", "2002::/16",  # documentation, 6bone, 6to4
)))  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _embedded(ip: Address) -> ipaddress.IPv4Address | None:
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
