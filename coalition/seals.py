"""Signatures on seals: the coalition's word for its closed days, under a key that the database doesn't hold.

A chain of digests shows that a day was changed to who kept a later digest; whoever writes the database can make a new
chain. So the night signs each seal as it makes it (Ed25519, RFC 8032), with a key derived from the root key, and
nobody signs a seal afterwards but a person who adopts the books as they stand (docs/decisions/0019).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit
from kit.audit import Act
from kit.db import Session
from kit.errors import Invalid
from kit.secrets import Keyring, signature_holds

PURPOSE = "seals"
LARGEST_FILE_BYTES = 256 * 1024**2  # a statement carries all its lines


class UnreadableSeal(Invalid):
    code = "unreadable_seal"
    title = "Unreadable seal"
    description = (
        "A published seal is `DAY:CHAIN`, or a file that holds one: a statement, or the JSON of `coalition ledger "
        "seal`."
    )
    remedy = (
        "Give `coalition ledger verify --expect` a DAY:CHAIN or the path of a file as `coalition ledger seal --json` "
        "prints it."
    )


@dataclass(frozen=True)
class Published:
    """A seal that somebody outside was given: the day, and the chain that covers it with all days before."""

    day: date
    chain: bytes


@dataclass(frozen=True)
class Signature:
    """A signature on the seal of `day`: for that day, or (`adopts`) for all days before it as well."""

    day: date
    public_key: bytes
    adopts: bool
    signed_at: datetime
    signature: bytes


def signed_text(programme_id: UUID, day: date, chain: bytes, signed_at: datetime, *, adopts: bool) -> str:
    """What is signed, to the letter."""
    lines = (
        "coalition.seal/1",
        f"programme {programme_id}",
        f"day {day}" + (" and all before it" if adopts else ""),
        f"chain {chain.hex()}",
        f"signed {signed_at.astimezone(UTC).isoformat(timespec='microseconds')}",
    )
    return "\n".join(lines) + "\n"


def published(given: str) -> Published:
    """The seal that `given` says, `DAY:CHAIN` or the name of a file; raises UnreadableSeal."""
    day, separator, chain = given.partition(":")
    if not (separator and re.fullmatch(r"[0-9a-f]{64}", chain)):
        day, chain = _from_file(Path(given))
    try:
        return Published(date.fromisoformat(day), bytes.fromhex(chain))
    except ValueError:
        raise UnreadableSeal(f"{given[:100]!r} has no day and chain") from None


def _from_file(path: Path) -> tuple[str, str]:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise UnreadableSeal(f"{path} is larger than {LARGEST_FILE_BYTES // 1024**2} MB")
        said = json.loads(path.read_bytes())
        chain = said["seal"]["chain"] if "seal" in said else said["chain"]
        return str(said["day"]), str(chain)
    except OSError as error:
        raise UnreadableSeal(f"{str(path)[:100]!r} is neither DAY:CHAIN nor a file: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableSeal(f"{path} holds no seal with a day and a chain") from None


def sign(
    session: Session, *, day: date, chain: bytes, now: datetime, keyring: Keyring, adopts: bool = False
) -> Signature:
    """Sign the seal of `day`, in the transaction that makes it; or adopt the books up to it."""
    signed = signed_text(programme.get(session).programme_id, day, chain, now, adopts=adopts)
    signature = keyring.sign(signed.encode(), purpose=PURPOSE)
    made = Signature(day, keyring.public_key(purpose=PURPOSE), adopts, now, signature)
    session.execute(
        text("""
            INSERT INTO coalition.seal_signature (day, public_key, adopts, signed_at, signature)
            VALUES (:day, :public_key, :adopts, :signed_at, :signature)
            ON CONFLICT (day, public_key, adopts) DO NOTHING
        """),
        vars(made),
    )
    return made


def adopt(session: Session, act: Act, *, day: date, chain: bytes) -> Signature:
    """Sign the seal of `day` for all days before it as well, as somebody decides who has looked at them."""
    made = sign(session, day=day, chain=chain, now=act.now, keyring=act.keyring, adopts=True)
    audit.append(session, act, "books.adopted", day.isoformat(), chain=chain.hex())
    return made


def of_day(session: Session, day: date) -> list[Signature]:
    """The signatures on the seal of `day`, the first made first."""
    rows = session.execute(
        text("""
            SELECT day, public_key, adopts, signed_at, signature FROM coalition.seal_signature
            WHERE day = :day ORDER BY signed_at, adopts
        """),
        {"day": day},
    )
    return [Signature(*row) for row in rows]


def first_unsigned(session: Session, keyring: Keyring) -> str | None:
    """Which seal is not signed under the key of `keyring`, or has another content than was signed; None: no seal."""
    ours, programme_id = keyring.public_key(purpose=PURPOSE), programme.get(session).programme_id
    rows = session.execute(
        text("""
            SELECT d.day, d.chain, d.sealed_at, s.adopts, s.signed_at, s.signature FROM coalition.sealed_day d
            LEFT JOIN coalition.seal_signature s ON s.day = d.day AND s.public_key = :ours
            WHERE d.chain IS NOT NULL ORDER BY d.day DESC, s.adopts DESC
        """),
        {"ours": ours},
    )
    adopted, unsigned = False, None
    for row in rows:  # the last day first: what is adopted covers the days before
        if row.signature is not None:
            signed = signed_text(programme_id, row.day, bytes(row.chain), row.signed_at, adopts=row.adopts)
            if not signature_holds(signed.encode(), bytes(row.signature), public_key=ours):
                return f"{row.day}: sealed with another chain than was signed"
            if not row.adopts and row.signed_at != row.sealed_at:
                return f"{row.day}: said to be sealed at another time than it was signed"
            adopted = adopted or row.adopts
        elif not adopted:
            unsigned = row.day
    if unsigned is not None:
        return f"{unsigned}: its seal is not signed with this coalition's key; `coalition ledger sign` adopts the books"
    return None
