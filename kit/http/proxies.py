"""Whose request it is behind proxies of our own: budgets and the audit count the client's address, not the proxy's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network = IPv4Network | IPv6Network
MOST_HOPS = 10
_WITH_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*)\]|(?P<v4>[0-9.]+)(?=:))(?::[0-9]{1,5})?")
_HEADER = "HTTP_X_FORWARDED_FOR"


class BehindProxies:
    """A WSGI application that sees the client's address where a proxy of `trusted` passes a request on."""

    def __init__(self, app: WSGIApplication, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        forwarded = environ.pop(_HEADER, "")
        environ["REMOTE_ADDR"] = client_address(environ.get("REMOTE_ADDR", ""), forwarded, self._trusted)
        return self._app(environ, start_response)


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Who began a request that came from `peer` with `forwarded` as its X-Forwarded-For.

    Each proxy adds at the right whom it heard from, so what stands left of the first address that is no proxy of ours
    is the sender's own invention.
    """
    here = str(_parse(peer) or peer)  # IPv4 as itself, too, where one socket listens for both
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    for hop in reversed(hops[-MOST_HOPS:]):
        if not _is_in(here, trusted) or _parse(hop) is None:
            break
        here = str(_parse(hop))
    return here


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    found = _parse(address)
    return found is not None and any(found in network for network in networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, which may have its port behind it (RFC 7239 §6: what has a colon stands in brackets)."""
    with_port = _WITH_PORT.fullmatch(text)
    try:
        found = ip_address(text) if with_port is None else ip_address(with_port["v6"] or with_port["v4"])
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    # A zone means something on the proxy's own links only.
    return None if found.scope_id else found.ipv4_mapped or found
