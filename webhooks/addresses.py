"""Where a webhook may go: only to addresses of the public internet, unless the operator allows a network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from kit.errors import Invalid
from kit.settings import Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class EndpointUrlRefused(Invalid):
    """An endpoint's URL has to be absolute https without user, password or fragment."""

    code = "endpoint_url_refused"
    title = "Endpoint URL refused"


class AddressRefused(OSError):
    """The host resolves to an address webhooks don't go to."""


def check_url(url: str, *, allow_http: bool) -> str:
    """`url` itself; raises EndpointUrlRefused. Where it leads is checked at each connection, since names can change."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EndpointUrlRefused("the URL can't be read") from None
    if parts.scheme not in (("https", "http") if allow_http else ("https",)):
        raise EndpointUrlRefused("the URL has to begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise EndpointUrlRefused("the URL needs a host, and no user, password or fragment")
    if not url.isascii() or not url.isprintable() or " " in url or port == 0:
        raise EndpointUrlRefused("the URL may hold visible ASCII characters only")
    return url


def check_address(address: str, *, allowed: Iterable[Network]) -> None:
    """Raise AddressRefused unless `address` is global or in an allowed network.

    Addresses that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by that one as well.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    allowed = tuple(allowed)
    for candidate in [ip, *_embedded(ip)]:
        if any(candidate in network for network in allowed if network.version == candidate.version):
            return
    if not all(candidate.is_global and not candidate.is_multicast for candidate in [ip, *_embedded(ip)]):
        raise AddressRefused(f"webhooks don't go to {ip}")


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _embedded(ip: Address) -> list[Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [address for address in found if address is not None]
