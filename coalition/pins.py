"""PINs: set, changed, checked. A PIN has so little in it that its hash is keyed and slow (RFC 7914)."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text

from coalition import members, throttle
from kit import audit, ids
from kit.audit import Act
from kit.db import Database, Session
from kit.errors import Forbidden, Invalid
from kit.secrets import Keyring, same

SHORTEST, LONGEST = 4, 12
_COST, _BLOCK, _MEMORY_BYTES = 2**14, 8, 64 * 1024 * 1024  # about 50 ms and 16 MB a try


class MalformedPin(Invalid):
    code = "malformed_pin"
    title = "Malformed PIN"
    description = "A PIN has 4 to 12 digits."
    remedy = (
        "Choose a PIN of 4 to 12 digits without spaces or letters. Where a form asks for it twice, enter the same "
        "digits in both fields."
    )


class WeakPin(Invalid):
    code = "weak_pin"
    title = "PIN too easy to guess"
    description = "The PIN is easy to guess: it repeats a digit or a group of digits, or counts up or down."
    remedy = "Choose other digits, such as part of a number that only you know. Do not use 1111, 1212 or 4321."


class WrongPin(Forbidden):
    code = "wrong_pin"
    title = "Wrong PIN"
    description = "The PIN is not the member's, or the member has no PIN."
    remedy = (
        "Ask the member to enter the PIN again, or to show the wallet's code instead. A member who forgot the PIN sets "
        "a new one on our page /credentials."
    )


def check_strength(pin: str) -> str:
    """`pin` itself; raises MalformedPin, WeakPin."""
    if not re.fullmatch(rf"[0-9]{{{SHORTEST},{LONGEST}}}", pin):
        raise MalformedPin(f"a PIN has {SHORTEST} to {LONGEST} digits")
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    # A text stands in the middle of itself doubled exactly if it is a group repeated.
    if steps in ({1}, {9}) or pin in (pin + pin)[1:-1]:
        raise WeakPin("a PIN must not repeat a digit or a group of digits, or count up or down")
    return pin


def put(session: Session, act: Act, *, member_id: UUID, pin: str, began_anew: bool = False) -> None:
    """Give the member this PIN, whatever it had; with `began_anew` the caller ended all else it proved itself with.

    Raises MalformedPin, WeakPin, MemberNotFound.
    """
    check_strength(pin)
    members.lock(session, member_id)
    salt = secrets.token_bytes(16)
    session.execute(
        text("""
            INSERT INTO coalition.member_secret (member_id, pin_salt, pin_hash) VALUES (:member_id, :salt, :hash)
            ON CONFLICT (member_id) DO UPDATE
            SET pin_salt = excluded.pin_salt, pin_hash = excluded.pin_hash, failures = 0, locked_until = NULL
        """),
        {"member_id": member_id, "salt": salt, "hash": _hash(pin, member_id, salt, act.keyring)},
    )
    audit.append(session, act, "member.pin_set", ids.show_our_own(member_id), began_anew=began_anew)


def change(database: Database, act: Act, *, member_id: UUID, old: str, new: str) -> None:
    """Another PIN for a member that knows the one it has.

    Raises MalformedPin, WeakPin, WrongPin, SecretsLocked, MemberNotFound.
    """
    check_strength(new)
    check(database, member_id=member_id, pin=old, keyring=act.keyring, now=act.now)
    with database.transaction() as session:
        put(session, act, member_id=member_id, pin=new)


def check(database: Database, *, member_id: UUID, pin: str, keyring: Keyring, now: datetime) -> None:
    """See whether this is the member's PIN; every try is counted. Raises WrongPin, SecretsLocked."""
    kept = throttle.take(database, member_id, now=now)
    if kept is None or kept.pin_salt is None or kept.pin_hash is None:
        raise WrongPin("the PIN is wrong")
    if not same(kept.pin_hash, _hash(pin, member_id, kept.pin_salt, keyring)):
        raise WrongPin("the PIN is wrong")
    with database.transaction() as session:
        throttle.clear(session, member_id)


def _hash(pin: str, member_id: UUID, salt: bytes, keyring: Keyring) -> bytes:
    keyed = keyring.fingerprint(purpose="member PIN", value=f"{member_id}:{pin}")
    return hashlib.scrypt(keyed, salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY_BYTES, dklen=32)
