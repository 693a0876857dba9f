"""What the time of an attempt goes into."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Phases:
    """How long each phase of an attempt took, in whole ms; None where there was none of it or it did not end.

    `dns_ms` until the host's name led to addresses, 0 where we remembered them; `connect_ms` until there was a TCP
    connection, through a proxy a tunnel; `tls_ms` of the handshake; `first_byte_ms` from there to the answer's first
    byte. A kept connection has only the last.
    """

    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None
