"""Hosts in addresses: names that DNS can know, and IP addresses; nothing that parsers read in different ways."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult

LONGEST = 253  # of a name in DNS
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?[0-9]+\.?")


def of_url(parts: SplitResult) -> str | None:
    """The host of an address, in lower case and without brackets; None where it has none that can be found."""
    host = parts.hostname or ""
    if "[" in parts.netloc or _ENDS_IN_NUMBER.fullmatch(host):
        return host if _is_address(host) else None
    return host if len(host) <= LONGEST and _NAME.fullmatch(host) else None


def network(address: str, *, v4: int, v6: int) -> str:
    """The network of so many bits that an IP address lies in; empty for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, v4 if found.version == 4 else v6), strict=False))


def _is_address(host: str) -> bool:
    try:
        return "%" not in host and ip_address(host) is not None
    except ValueError:
        return False
