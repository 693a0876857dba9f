"""A partner's file, record by record: decoded, bounded, and refused as a whole with the line that is wrong."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, NoReturn

from kit.errors import Invalid
from settlement.reconciliation.mappings import AMOUNT, CSV, POINTS, Mapping

LARGEST_BYTES = 1024**3
LONGEST_LINE = 64 * 1024  # characters
LONGEST_FIELD = 1_000
MOST_COLUMNS = 200
MOST_LINES = 2_000_000
MOST_LINES_PER_RECORD = 100  # of a CSV: its cells may hold line breaks
MOST_DIGITS = 30
CHUNK_BYTES = 1024**2
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8", ("utf-8",)),
    (codecs.BOM_UTF16_LE, "UTF-16", ("utf-16", "utf-16-le")),
    (codecs.BOM_UTF16_BE, "UTF-16", ("utf-16", "utf-16-be")),
)
Record = tuple[int, dict[str, str]]


class MalformedPartnerFile(Invalid):
    code = "malformed_partner_file"
    title = "Malformed partner file"
    description = (
        "The partner's file is not what its mapping says, at the line that `detail` names. We kept nothing of it."
    )
    remedy = "Ask the partner for a corrected file, or correct the mapping with `coalition settlement mapping set`."


class PartnerFileTooLarge(Invalid):
    code = "partner_file_too_large"
    title = "Partner file too large"
    description = "The partner's file has more lines or bytes than we read at once. We kept nothing of it."
    remedy = "Split the file by days and reconcile each part for its days, or raise --most-lines."


def sha256(file: BinaryIO) -> bytes:
    """Of all that is in a file, which is at its start then. Raises PartnerFileTooLarge."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if size > LARGEST_BYTES:
            raise PartnerFileTooLarge(f"the file has more than {LARGEST_BYTES} bytes")
    file.seek(0)
    return digest.digest()


def records(file: BinaryIO, mapping: Mapping, *, most_lines: int = MOST_LINES) -> Iterator[Record]:
    """What the mapping names of each line, as text, with the line's number from 1; without fields that are empty.

    Raises MalformedPartnerFile, PartnerFileTooLarge.
    """
    _check_mark(file, mapping.encoding)
    encoding = "utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding
    opened = io.TextIOWrapper(file, encoding, errors="strict", newline="")
    lines = _Lines(opened, mapping.encoding)
    count = 0
    try:
        for number, values in _csv(lines, mapping) if mapping.format == CSV else _json(lines, mapping):
            count += 1
            if count > most_lines:
                raise PartnerFileTooLarge(f"the file has more than {most_lines} lines")
            yield number, {name: _plain(number, name, value, mapping) for name, value in values.items() if value}
    finally:
        opened.detach()


def refuse(line: int, why: str) -> NoReturn:
    """Raise MalformedPartnerFile for a line."""
    raise MalformedPartnerFile(f"line {line}: {why}", line=line)


class _Lines:
    """The lines of a file, none too long; `number` is that of the last one."""

    def __init__(self, opened: io.TextIOWrapper, encoding: str) -> None:
        self._opened, self._encoding = opened, encoding
        self.number = self.record_began = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._next():
            self.number += 1
            if len(line) > LONGEST_LINE:
                refuse(self.number, f"this is longer than {LONGEST_LINE} characters")
            if "\0" in line:
                refuse(self.number, "there is a NUL; the encoding may be another than the mapping says")
            if self.number - self.record_began > MOST_LINES_PER_RECORD:
                refuse(self.record_began + 1, f"this goes on over more than {MOST_LINES_PER_RECORD} lines")
            yield line if self.number > 1 else line.removeprefix("\ufeff")

    def _next(self) -> str:
        try:
            return self._opened.readline(LONGEST_LINE + 1)
        except UnicodeError:
            # It is decoded in pieces, so the fault may be some lines on.
            refuse(self.number + 1, f"this or a line soon after is not in {self._encoding}, as the mapping says")


def _check_mark(file: BinaryIO, encoding: str) -> None:
    head = file.read(4)
    file.seek(0)
    if not head:
        raise MalformedPartnerFile("the file is empty")
    for mark, called, fitting in _MARKS:
        if head.startswith(mark) and encoding not in fitting:
            raise MalformedPartnerFile(f"the file begins with the mark of {called}, and the mapping says {encoding}")


def _csv(lines: _Lines, mapping: Mapping) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv.reader(iter(lines), delimiter=mapping.delimiter, strict=True)
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        header = next(rows, None)
        if not header:
            raise MalformedPartnerFile("the first line is empty: it has the headers")
        places = _places([name.strip() for name in header], mapping)
        lines.record_began = lines.number
        for row in rows:
            lines.record_began = lines.number
            if len(row) != len(header):
                if not row:
                    continue
                refuse(lines.number, f"there are {len(row)} cells under {len(header)} headers")
            yield lines.number, {name: row[place] for name, place in places}
    except csv.Error as error:
        refuse(lines.number, f"this is no CSV: {error}")
    finally:
        csv.field_size_limit(before)


def _places(header: list[str], mapping: Mapping) -> list[tuple[str, int]]:
    """Where the fields of the mapping stand in the rows under a `header`."""
    if len(header) > MOST_COLUMNS:
        refuse(1, f"there are more than {MOST_COLUMNS} columns")
    for name in header:
        if name and header.count(name) > 1:
            refuse(1, f"the header {name[:LONGEST_FIELD]!r} stands there twice")
    missing = [name for name in mapping.fields.values() if name not in header]
    if missing:
        there = ", ".join(header)[:LONGEST_FIELD]
        refuse(1, f"the header {missing[0]!r} is missing; there are: {there}")
    return [(name, header.index(column)) for name, column in mapping.fields.items()]


def _json(lines: _Lines, mapping: Mapping) -> Iterator[tuple[int, dict[str, str]]]:
    paths = [(name, path.split(".")) for name, path in mapping.fields.items()]
    blank = True
    for line in lines:
        lines.record_began = lines.number
        if not line.strip():
            continue
        blank = False
        try:
            said = json.loads(line, parse_float=_number, parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            refuse(lines.number, f"this is no JSON: {str(error)[:LONGEST_FIELD]}")
        if not isinstance(said, dict):
            refuse(lines.number, "this is no JSON object")
        yield lines.number, {name: _at(lines.number, said, path) for name, path in paths}
    if blank:
        raise MalformedPartnerFile("the file is empty")


def _number(word: str) -> Decimal:
    try:
        return Decimal(word)
    except InvalidOperation:
        raise ValueError("a number has an exponent without bounds") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands in an object twice")
    return made


def _at(number: int, said: Any, path: list[str]) -> str:
    """The text or number at a path; nothing where it or what is around it is missing or null."""
    for step in path:
        if said is None:
            return ""
        if not isinstance(said, dict):
            refuse(number, f"{'.'.join(path)}: there is no object around it")
        said = said.get(step)
    if said is None:
        return ""
    if isinstance(said, bool) or not isinstance(said, str | int | Decimal):
        refuse(number, f"{'.'.join(path)}: this is neither text nor a number")
    if isinstance(said, Decimal):
        if abs(said.adjusted()) > MOST_DIGITS:
            refuse(number, f"{'.'.join(path)}: this number has more than {MOST_DIGITS} digits")
        return f"{said:f}"
    return str(said)


def _plain(number: int, name: str, value: str, mapping: Mapping) -> str:
    found = value.strip()
    if len(found) > LONGEST_FIELD:
        refuse(number, f"{name} is longer than {LONGEST_FIELD} characters")
    # Spaces between thousands are often such as do not break lines.
    printed = found.replace(mapping.thousands_separator, "") if name in (AMOUNT, POINTS) else found
    if not printed.isprintable():
        refuse(number, f"{name} has characters that cannot be printed")
    return found
