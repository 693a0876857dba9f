"""One-time codes sent by mail: bound to the browser that asked, good once, for ten minutes and five tries.

Whether an address is anybody's shows neither in the answer nor in what is done before it: every address costs the same
rows, is counted alike, and mail is handed over behind the answer.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from identity.sign_in import people
from identity.sign_in.people import Kind, Subject
from kit import hosts, ids
from kit.db import Session, wait_for_lock
from kit.errors import LimitReached
from kit.secrets import Keyring, same
from kit.translation import marked

DIGITS = 8  # five tries at six digits, at all addresses in turn, would hit somebody's before long
LIFETIME = timedelta(minutes=10)
MOST_TRIES = 5
KEPT = timedelta(days=1)
# How many codes may be asked for in how long, whether the address is anybody's or not. The narrowest bounds come first:
# who asks for many meets their own, and the last, by kind, is only reached from many networks at once.
MOST_FOR_A_BROWSER = ((10, timedelta(minutes=15)),)
MOST_FOR_AN_ADDRESS_FROM_A_NETWORK = ((5, timedelta(minutes=15)), (20, timedelta(days=1)))
MOST_FROM_A_NETWORK = ((30, timedelta(minutes=1)), (1_000, timedelta(hours=1)))
MOST_FOR_AN_ADDRESS = ((60, timedelta(days=1)),)
MOST_OF_A_KIND: dict[Kind, tuple[int, timedelta]] = {
    "member": (600, timedelta(minutes=1)),
    "staff": (300, timedelta(minutes=1)),
}
# What one household or company has: the whole of an IPv6 network, and few addresses of IPv4.
NETWORK_BITS = {"v4": 24, "v6": 48}
_ADDRESS = "sign-in address"


class TooManyCodes(LimitReached):
    code, title = "too_many_codes", "Too many codes"
    description = (
        "You asked for too many codes in a short time. You can ask for another one in `retry_after_s` seconds."
    )
    remedy = "Use the last code that you got, or ask for another one later. If you have a passkey, sign in with that."
    facts = ("retry_after_s",)


def ask(
    session: Session, *, kind: Kind, address: str, browser: str, peer: str, now: datetime, keyring: Keyring
) -> str | None:
    """A code for whoever the normalised `address` signs in, to be sent there; None when that is nobody.

    `peer` is the IP address of whoever asks. Raises TooManyCodes.
    """
    address_hash = keyring.fingerprint(purpose=_ADDRESS, value=f"{kind} {address}")
    asked = {
        "kind": kind,
        "browser_hash": browser_hash(keyring, browser),
        "address_hash": address_hash,
        "network_hash": keyring.fingerprint(purpose="sign-in network", value=f"{kind} {network_of(peer)}"),
    }
    wait_for_lock(session, f"sign-in code {address_hash.hex()}")
    _check_rates(session, asked, now)
    subject = people.find(session, kind, address, keyring)
    code_id, code = ids.new(), "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    session.execute(
        text("""
            INSERT INTO partners.sign_in_code (code_id, kind, browser_hash, address_hash, network_hash, address,
                                               code_hash, was_sent, asked_at, expires_at)
            VALUES (:id, :kind, :browser_hash, :address_hash, :network_hash, :address, :code_hash, :was_sent, :now,
                    :expires_at)
        """),
        {
            **asked,
            "id": code_id,
            "address": keyring.seal(address.encode(), purpose=_ADDRESS),
            "code_hash": _hash(keyring, code_id, code),
            "was_sent": subject is not None,
            "now": now,
            "expires_at": now + LIFETIME,
        },
    )
    return code if subject else None


def redeem(session: Session, *, kind: Kind, code: str, browser: str, now: datetime, keyring: Keyring) -> Subject | None:
    """Whom the code this browser asked for last signs in; None when `code` is wrong, used or expired.

    The transaction has to be committed either way: a wrong try is counted in it. Two at once wait for each other at
    the row.
    """
    row = session.execute(
        text("""
            UPDATE partners.sign_in_code SET tries = tries + 1 WHERE code_id = (
                SELECT code_id FROM partners.sign_in_code WHERE browser_hash = :browser_hash AND kind = :kind
                ORDER BY asked_at DESC, code_id DESC LIMIT 1)
            AND tries < :most AND used_at IS NULL AND expires_at > :now
            RETURNING code_id, code_hash, address, was_sent
        """),
        {"browser_hash": browser_hash(keyring, browser), "kind": kind, "most": MOST_TRIES, "now": now},
    ).first()
    given = "".join(code.split())
    if row is None or not same(_hash(keyring, row.code_id, given), bytes(row.code_hash)) or not row.was_sent:
        return None
    session.execute(
        text("UPDATE partners.sign_in_code SET used_at = :now WHERE code_id = :id"), {"id": row.code_id, "now": now}
    )
    address = keyring.unseal(bytes(row.address), purpose=_ADDRESS).decode()
    return people.confirm(session, kind, address, now=now, keyring=keyring)


def forget(session: Session, *, now: datetime, limit: int) -> int:
    """Delete codes that count for nothing any more; returns how many."""
    return session.execute(
        text("""
            DELETE FROM partners.sign_in_code WHERE code_id IN (
                SELECT code_id FROM partners.sign_in_code WHERE asked_at < :before LIMIT :limit)
        """),
        {"before": now - KEPT, "limit": limit},
    ).rowcount


def browser_hash(keyring: Keyring, browser: str) -> bytes:
    """What a browser's name is stored as."""
    return keyring.fingerprint(purpose="sign-in browser", value=browser)


def network_of(peer: str) -> str:
    """The network that is counted as one sender with the IP address `peer`."""
    return hosts.network(peer, **NETWORK_BITS)


_OF_BROWSER = "kind = :kind AND browser_hash = :browser_hash"
_OF_ADDRESS = "address_hash = :address_hash"
_OF_NETWORK = "network_hash = :network_hash"


def _check_rates(session: Session, asked: dict[str, Any], now: datetime) -> None:
    bounds = (
        (_OF_BROWSER, MOST_FOR_A_BROWSER, marked("you asked for many codes in this browser; wait a while")),
        (
            f"{_OF_ADDRESS} AND {_OF_NETWORK}",
            MOST_FOR_AN_ADDRESS_FROM_A_NETWORK,
            marked("we sent many codes to this address; wait a while"),
        ),
        (_OF_NETWORK, MOST_FROM_A_NETWORK, marked("people in your network asked for many codes; wait a while")),
        (_OF_ADDRESS, MOST_FOR_AN_ADDRESS, marked("we sent many codes to this address; wait a while")),
        ("kind = :kind", (MOST_OF_A_KIND[asked["kind"]],), marked("many people are signing in; wait a while")),
    )
    for which, limits, detail in bounds:
        for most, within in limits:
            found = session.scalar(
                text(f"SELECT count(*) FROM partners.sign_in_code WHERE {which} AND asked_at > :since"),  # noqa: S608
                {**asked, "since": now - within},
            )
            if (found or 0) >= most:
                raise TooManyCodes(detail, retry_after_s=int(within.total_seconds()))


def _hash(keyring: Keyring, code_id: object, code: str) -> bytes:
    return keyring.fingerprint(purpose="sign-in code", value=f"{code_id} {code}")
