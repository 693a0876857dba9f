"""How an obligation's lines are hashed, as they are written and as they are kept: docs/seals.md has the recipe."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from kit.db import Session
from kit.row_streams import read_whole_days, rows_out

NO_LINES = sha256().digest()
OUT_OF_ORDER = b""  # the hash of nothing
# A line as it is hashed, its location behind the amount; its reference, which may hold anything, comes last.
HASHED = """obligation_id, n, concat_ws('|', txn_id, seq, posted_on, issued_on, concerns, points,
                                         concat_ws('@', amount_minor, location_id), reference)"""
# As it was before lines had locations.
HASHED_BEFORE = (
    "obligation_id, n, concat_ws('|', txn_id, seq, posted_on, issued_on, concerns, points, amount_minor, reference)"
)
_KEPT = f"SELECT {HASHED} FROM settlement.line WHERE obligation_id = ANY(%(ids)s) ORDER BY obligation_id, n"  # noqa: S608


def of_kept(session: Session, obligation_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The hash of each of these obligations that has lines; OUT_OF_ORDER where they are not numbered from 1 on."""
    made = _hashes(session, _KEPT, {"ids": list(obligation_ids)})
    return {obligation_id: OUT_OF_ORDER if wrong else digest for obligation_id, digest, wrong in made}


def of(session: Session, statement: str, parameters: dict[str, Any]) -> dict[UUID, bytes]:
    """The SHA-256 over the lines of each obligation that has any; the statement gives them in their order.

    Raises RuntimeError where it doesn't: each obligation's lines come together, numbered from 1 on.
    """
    found: dict[UUID, bytes] = {}
    with closing(_hashes(session, statement, parameters)) as made:
        for obligation_id, digest, wrong in made:
            if wrong:
                raise RuntimeError(f"of obligation {obligation_id} {wrong}")
            if obligation_id in found:
                raise RuntimeError(f"of obligation {obligation_id} lines came again, after those of another one")
            found[obligation_id] = digest
    return found


def _hashes(session: Session, statement: str, parameters: dict[str, Any]) -> Generator[tuple[UUID, bytes, str]]:
    """For each run of lines of one obligation its hash, and what is wrong with their numbers, or nothing."""
    read_whole_days(session)
    with rows_out(session, statement, parameters, as_bytes=("uuid", "text")) as rows:
        for obligation_id, lines in groupby(rows, itemgetter(0)):
            digest, before, wrong = sha256(), 0, ""
            for _, n, line in lines:
                if n != before + 1:
                    wrong = wrong or f"line {n} came after line {before}"
                before = n
                digest.update(line + b"\n")
            yield UUID(bytes=bytes(obligation_id)), digest.digest(), wrong
