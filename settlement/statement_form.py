"""The form of a statement's JSON file: how it is written, hashed, and read again. Values in, values out.

    {"attempt":1,"cycle":"daily",…,"content_hash":"…","lines":[
    {"amount_minor":38,"concerns":"2026-03-02",…},
    {"amount_minor":-3,…}
    ]}

First come the terms, all that a statement says but its lines: the hash over them is the content hash, and for each
obligation they name the hash over its lines. There is one way to write each value, so what is read is what was hashed:
a file with another byte anywhere is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import IO, Any
from uuid import UUID

from kit import ids
from kit.errors import CoalitionError

FORM = "coalition.settlement/2"
LARGEST_BYTES = 1024**3  # of a file, unpacked
LONGEST_HEAD_BYTES = 64 * 1024**2  # a month of thousands of obligations each day
LONGEST_LINE_BYTES = 4096
_END = b"]}\n"


class NotInForm(ValueError):
    """A file is not a statement in this form; the message is a sentence for whoever has it."""


@dataclass(frozen=True)
class Line:
    """A posting's share of an obligation, its `n`-th; days as settlement.line has them, ids as 16 bytes."""

    n: int
    transaction_id: bytes
    seq: int
    posted_on: date
    issued_on: date
    concerns: date
    reference: str
    points: int
    amount_minor: int
    location_id: bytes | None = None


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: dict[str, Any]) -> str:
    """JSON with sorted keys, no spaces, and nothing escaped that needn't be. Raises ValueError for NaN."""
    return _ENCODER.encode(value)


def content_hash(terms: dict[str, Any]) -> bytes:
    """SHA-256 over terms as canonical JSON in UTF-8: what a statement is known by."""
    return sha256(canonical(terms).encode()).digest()


def lines_digest(lines: Iterable[Line]) -> bytes:
    """SHA-256 over the lines of an obligation, the same as settlement.obligations computes of its rows."""
    digest = sha256()
    for one in lines:
        at = "" if one.location_id is None else f"@{UUID(bytes=one.location_id)}"
        parts = (UUID(bytes=one.transaction_id), one.seq, one.posted_on, one.issued_on, one.concerns, one.points,
                 f"{one.amount_minor}{at}", one.reference)  # fmt: skip
        digest.update(("|".join(map(str, parts)) + "\n").encode())
    return digest.digest()


def written(terms: dict[str, Any], lines: Iterable[tuple[int, Line]]) -> Iterator[str]:
    """The file, part by part; each line comes with the place of its obligation, in the order of these and of `n`."""
    yield _head(terms)
    between = ""
    for place, line in lines:
        yield between + _line(place, line)
        between = ",\n"
    yield f"\n{_END.decode()}" if between else _END.decode()


def _head(terms: dict[str, Any]) -> str:
    return f'{canonical(terms)[:-1]},"content_hash":"{content_hash(terms).hex()}","lines":[\n'


def _line(place: int, line: Line) -> str:
    at = {} if line.location_id is None else {"location": ids.show_raw(ids.LOCATION, line.location_id)}
    return canonical(
        {
            "obligation": place,
            "transaction_id": ids.show_raw(ids.TRANSACTION, line.transaction_id),
            "seq": line.seq,
            "posted_on": line.posted_on.isoformat(),
            "issued_on": line.issued_on.isoformat(),
            "concerns": line.concerns.isoformat(),
            "points": line.points,
            "amount_minor": line.amount_minor,
            "reference": line.reference,
            **at,
        }
    )


def read_terms(file: IO[bytes]) -> dict[str, Any]:
    """The terms, from the first line of a file; raises NotInForm."""
    given = file.readline(LONGEST_HEAD_BYTES)
    try:
        terms = json.loads(given.decode() + "]}")
        del terms["content_hash"], terms["lines"]
        is_in_form = _head(terms).encode() == given
    except (ValueError, TypeError, KeyError, RecursionError):
        is_in_form = False
    if not is_in_form:
        raise NotInForm(f"the first line of the file was changed, or is not that of a statement in the form {FORM}")
    found: dict[str, Any] = terms
    return found


def check_lines(file: IO[bytes], terms: dict[str, Any]) -> None:
    """Read the rest of a file, a line at a time; raises NotInForm unless it is the lines that `terms` hash."""
    try:
        due = [one["lines_digest"] for one in terms["obligations"]]
    except (TypeError, KeyError):
        raise NotInForm("the terms have no obligations") from None
    found: dict[int, str] = {}
    last = -1
    for place, lines in groupby(_lines(file), itemgetter(0)):
        if not last < place < len(due):
            raise NotInForm(f"lines of obligation {place} stand where none of them belong")
        last, found[place] = place, lines_digest(line for _, line in lines).hex()
    none = lines_digest([]).hex()
    for place, digest in enumerate(due):
        # Of what was settled before lines were kept there is no digest and no line.
        if found.get(place, none if digest is not None else None) != digest:
            raise NotInForm(f"the lines of obligation {place} are not those that its digest is over")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, Line]]:
    size, before, n, more = 0, -1, 0, None
    while (given := file.readline(LONGEST_LINE_BYTES)) != _END:
        size += len(given)
        if more is False or size > LARGEST_BYTES:
            raise NotInForm("the file goes on after its last line, or is too large")
        more = given.endswith(b",\n")
        place, line = _parsed(given[:-2] if more else given[:-1], before, n)
        before, n = place, line.n
        yield place, line
    if more or file.read(1):
        raise NotInForm("the file does not end where its lines do")


def _parsed(given: bytes, before: int, n: int) -> tuple[int, Line]:
    """A line and the place of its obligation; the line before it was the `n`-th of the obligation at `before`."""
    try:
        said = json.loads(given.decode())
        place: int = said["obligation"]
        line = Line(
            n=n + 1 if place == before else 1,
            transaction_id=ids.parse(ids.TRANSACTION, said["transaction_id"]).bytes,
            seq=said["seq"],
            posted_on=date.fromisoformat(said["posted_on"]),
            issued_on=date.fromisoformat(said["issued_on"]),
            concerns=date.fromisoformat(said["concerns"]),
            reference=said["reference"],
            points=said["points"],
            amount_minor=said["amount_minor"],
            location_id=ids.parse(ids.LOCATION, said["location"]).bytes if "location" in said else None,
        )
        is_in_form = (
            all(type(each) is int for each in (place, line.seq, line.points, line.amount_minor))
            and "\n" not in line.reference  # it would end the line where lines are hashed
            and _line(place, line).encode() == given
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, CoalitionError):
        is_in_form = False
    if not is_in_form:
        raise NotInForm(f"it has a line that is not in the form {FORM}: {given[:80]!r}")
    return place, line
