"""PINs: set, changed, checked. A PIN has so little in it that its hash is keyed and slow (RFC 7914)."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text

from coalition import attempts, members
from kit.db import Database, Session
from kit.errors import Forbidden, Invalid
from kit.secrets import Keyring, same

SHORTEST, LONGEST = 4, 12
_COST, _BLOCK, _MEMORY_BYTES = 2**14, 8, 64 * 1024 * 1024  # about 50 ms and 16 MB a try


class MalformedPin(Invalid):
    """A PIN is 4 to 12 digits."""

    code = "malformed_pin"
    title = "Malformed PIN"


class WeakPin(Invalid):
    """A PIN everybody tries first: one digit or group repeated, or digits in their order."""

    code = "weak_pin"
    title = "PIN too easy to guess"


class WrongPin(Forbidden):
    """The PIN is not the member's, or the member has none."""

    code = "wrong_pin"
    title = "Wrong PIN"


def check_strength(pin: str) -> str:
    """`pin` itself; raises MalformedPin, WeakPin."""
    if not re.fullmatch(rf"[0-9]{{{SHORTEST},{LONGEST}}}", pin):
        raise MalformedPin(f"a PIN is {SHORTEST} to {LONGEST} digits")
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    # A text stands in the middle of itself doubled exactly if it is a group repeated.
    if steps in ({1}, {9}) or pin in (pin + pin)[1:-1]:
        raise WeakPin("a PIN is not a group of digits repeated, nor digits in their order")
    return pin


def put(session: Session, *, member_id: UUID, pin: str, keyring: Keyring) -> None:
    """Give the member this PIN, whatever it had; raises MalformedPin, WeakPin, MemberNotFound."""
    check_strength(pin)
    members.lock(session, member_id)
    salt = secrets.token_bytes(16)
    session.execute(
        text("""
            INSERT INTO coalition.member_secret (member_id, pin_salt, pin_hash) VALUES (:member_id, :salt, :hash)
            ON CONFLICT (member_id) DO UPDATE
            SET pin_salt = excluded.pin_salt, pin_hash = excluded.pin_hash, failures = 0, locked_until = NULL
        """),
        {"member_id": member_id, "salt": salt, "hash": _hash(pin, member_id, salt, keyring)},
    )


def change(database: Database, *, member_id: UUID, old: str, new: str, keyring: Keyring, now: datetime) -> None:
    """Another PIN for a member that knows the one it has.

    Raises MalformedPin, WeakPin, WrongPin, SecretsLocked, MemberNotFound.
    """
    check_strength(new)
    check(database, member_id=member_id, pin=old, keyring=keyring, now=now)
    with database.transaction() as session:
        put(session, member_id=member_id, pin=new, keyring=keyring)


def check(database: Database, *, member_id: UUID, pin: str, keyring: Keyring, now: datetime) -> None:
    """See whether this is the member's PIN; every try is counted. Raises WrongPin, SecretsLocked."""
    kept = attempts.take(database, member_id, now=now)
    if kept is None or kept.pin_salt is None or kept.pin_hash is None:
        raise WrongPin("the PIN is wrong")
    if not same(kept.pin_hash, _hash(pin, member_id, kept.pin_salt, keyring)):
        raise WrongPin("the PIN is wrong")
    with database.transaction() as session:
        attempts.clear(session, member_id)


def _hash(pin: str, member_id: UUID, salt: bytes, keyring: Keyring) -> bytes:
    keyed = keyring.fingerprint(purpose="member PIN", value=f"{member_id}:{pin}")
    return hashlib.scrypt(keyed, salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY_BYTES, dklen=32)
