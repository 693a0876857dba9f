"""The root key: what all hashes, seals and signatures derive from; the database holds it wrapped under a secret key.

So another secret key can take the place of the first, and what was made before it stays good
(docs/decisions/0024). Processes read it once, when they start.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from sqlalchemy import text

from kit import secret_key
from kit.db import Database, Session, connected
from kit.errors import Conflict, NotFound
from kit.secret_key import SecretKey
from kit.secrets import Keyring, SealBroken
from kit.settings import Settings

BYTES = 32


class BooksNotOpen(NotFound):
    code = "books_not_open"
    title = "Books not open"
    description = "The database holds no root key. Its books were never opened, or not by this version or a later one."
    remedy = (
        "Run `coalition up` once against this database, or set COALITION_DATABASE_URL to the database of the coalition "
        "you mean."
    )


class WrongSecretKey(Conflict):
    code = "wrong_secret_key"
    title = "Wrong secret key"
    description = "The secret key opens nothing in this database."
    remedy = (
        "Set COALITION_SECRET_KEY, or the `secret.key` of the data folder, to the key that opens these books now: "
        "after a rotation the new one. Check that COALITION_DATABASE_URL and COALITION_SANDBOX_DATABASE_URL are not "
        "mixed up."
    )


class RootKeyInUse(Conflict):
    code = "root_key_in_use"
    title = "Root key in use"
    description = (
        "Another transaction reads the root key, so we cannot erase the retired key from the table's file yet."
    )
    remedy = (
        "Let the dump or long transaction end, then run `coalition key retire` again. The retired key opens nothing in "
        "the meantime."
    )


@dataclass(frozen=True)
class Wrapping:
    """The root key as one secret key opens it; `wrapped` is None once that key is retired."""

    key_id: str
    programme_id: UUID
    wrapped: bytes | None
    added_at: datetime
    retired_at: datetime | None


def made(key: SecretKey) -> Keyring:
    """The keys of new books, for the realm of `key`."""
    return Keyring(secrets.token_bytes(BYTES), key.realm)


def keyring(database: Database, chosen: Settings) -> Keyring:
    """The keys of the books in `database`, opened with the secret key of `chosen`; raises as `read` does."""
    with database.reading() as session:
        return read(session, secret_key.of(chosen))


def read(session: Session, key: SecretKey) -> Keyring:
    """The keys of the books, opened with `key`; raises BooksNotOpen, WrongSecretKey."""
    found = wrappings(session)
    if not found:
        raise BooksNotOpen("the books of this database are not open yet; run `coalition up` once")
    mine = [each for each in found if each.key_id == key.key_id]
    _refuse_unless_it_opens(key.key_id, mine)
    try:
        return Keyring(key.unwrap(mine[0].wrapped or b"", programme_id=mine[0].programme_id), key.realm)
    except SealBroken:
        raise WrongSecretKey(
            f"the secret key {key.key_id} doesn't open the root key in this database: the row in kit.root_key was "
            "changed, or the books are live's and not a sandbox's, or the other way round"
        ) from None


def require(owner: psycopg.Connection, key: SecretKey) -> None:
    """Raise WrongSecretKey where books stand in the database that `key` doesn't open; no root key is read."""
    rows = owner.execute("SELECT key_id, programme_id, wrapped, added_at, retired_at FROM kit.root_key").fetchall()
    found = [Wrapping(*row) for row in rows]
    if found:
        _refuse_unless_it_opens(key.key_id, [each for each in found if each.key_id == key.key_id])


def _refuse_unless_it_opens(key_id: str, mine: Sequence[Wrapping]) -> None:
    if not mine:
        raise WrongSecretKey(
            f"the secret key {key_id} is not one of this database's; give the right one with COALITION_SECRET_KEY or "
            "the secret.key of its data folder"
        )
    if mine[0].retired_at is not None:
        raise WrongSecretKey(
            f"the secret key {key_id} was retired on {mine[0].retired_at:%Y-%m-%d}; give the one that took its place"
        )


def wrappings(session: Session) -> list[Wrapping]:
    """All of them, retired ones too, in the order they were added."""
    rows = session.execute(
        text("SELECT key_id, programme_id, wrapped, added_at, retired_at FROM kit.root_key ORDER BY added_at, key_id")
    )
    return [Wrapping(*row) for row in rows]


def add(session: Session, keys: Keyring, *, key: SecretKey, programme_id: UUID, now: datetime) -> None:
    """Let `key` open the books whose keys are `keys`; nothing happens where it does."""
    session.execute(
        text("""
            INSERT INTO kit.root_key (key_id, programme_id, wrapped, added_at)
            VALUES (:key_id, :programme_id, :wrapped, :now) ON CONFLICT (key_id) DO NOTHING
        """),
        {
            "key_id": key.key_id,
            "programme_id": programme_id,
            "wrapped": key.wrap(keys.root, programme_id=programme_id),
            "now": now,
        },
    )


def retire(session: Session, key_id: str, *, now: datetime) -> None:
    """Let the secret key `key_id` open nothing from now on; as the owner.

    The old bytes stay in the table's file until the commit is followed by `rewrite`.
    """
    session.execute(
        text("UPDATE kit.root_key SET wrapped = NULL, retired_at = :now WHERE key_id = :key_id"),
        {"key_id": key_id, "now": now},
    )


_REWRITES, _BETWEEN_S = 50, 0.1


def rewrite(url: str) -> None:
    """Write the table's file anew, without what was retired; as the owner. Raises RootKeyInUse, DatabaseUnavailable.

    VACUUM and not TRUNCATE: a dump that waits for it reads all rows as they were when it began.
    """
    with connected(url) as owner:
        owner.execute("SET lock_timeout = '5s'")
        said: list[str] = []
        owner.add_notice_handler(lambda notice: said.append(notice.message_detail or ""))
        try:
            # As often as it takes: PostgreSQL keeps a row while somebody may see it still, and takes whoever connects
            # at that moment for one of them.
            for _ in range(_REWRITES):
                said.clear()
                owner.execute("VACUUM (FULL, VERBOSE) kit.root_key")
                if not _kept_dead_rows(said):
                    return
                time.sleep(_BETWEEN_S)
            raise _in_use()
        except psycopg.errors.LockNotAvailable:
            raise _in_use() from None


def _kept_dead_rows(said: list[str]) -> bool:
    """Whether VACUUM left dead rows where they are; how many is the first number of its details, in any language."""
    found = [number.group() for detail in said if (number := re.search(r"\d+", detail))]
    return not found or any(number != "0" for number in found)


def _in_use() -> RootKeyInUse:
    return RootKeyInUse(
        "the key opens nothing any more, but the table's file still contains it, because a dump or another long "
        "transaction reads the table; run the command again when that is done"
    )
