"""The lines of a partner's file as values: what each says was posted. What the mapping leaves out is only counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from kit import money
from settlement.reconciliation import mappings, partner_files
from settlement.reconciliation.mappings import ISO, KINDS, MAJOR, Mapping
from settlement.reconciliation.partner_files import refuse

LONGEST_REFERENCE = 200
LONGEST_MEMBER = 254
LONGEST_STORE = 100
LARGEST_POINTS = LARGEST_AMOUNT = 2**53
_DIGITS = re.compile(r"([+-]?)([0-9]{1,16})(?:\.([0-9]{1,20}))?")
_DAYS_KEPT = 10_000


class Line(NamedTuple):
    """One posting, as the partner has it. Points are positive: the kind gives the direction."""

    number: int
    kind: str
    reference: str | None
    day: date
    points: int
    amount_minor: int | None
    currency: str | None
    member: str | None
    store: str | None


class Reader:
    """Reads files by one mapping; `left_out` counts the lines of kinds that it leaves out."""

    def __init__(self, mapping: Mapping, zone: ZoneInfo) -> None:
        self.left_out = 0
        self._mapping, self._zone = mapping, zone
        self._own_zone = ZoneInfo(mapping.time_zone) if mapping.time_zone else zone
        self._day = lru_cache(_DAYS_KEPT)(self._day_of)

    def read(self, file: BinaryIO, *, most_lines: int) -> Iterator[Line]:
        """Its lines in order. Raises MalformedPartnerFile, PartnerFileTooLarge."""
        for number, said in partner_files.records(file, self._mapping, most_lines=most_lines):
            said = {**self._mapping.constants, **said}
            kind = self._kind(number, said.get(mappings.KIND))
            if kind is None:
                self.left_out += 1
                continue
            yield self._line(number, kind, said)

    def _line(self, number: int, kind: str, said: dict[str, str]) -> Line:
        reference = _bounded(number, mappings.REFERENCE, said, LONGEST_REFERENCE)
        member = _bounded(number, mappings.MEMBER, said, LONGEST_MEMBER)
        if reference is None and member is None:
            refuse(number, "there is neither a reference nor a member to find it by")
        if (day := said.get(mappings.DAY)) is None:
            refuse(number, "there is no day")
        if (points := said.get(mappings.POINTS)) is None:
            refuse(number, "there are no points")
        if (found := self._day(day)) is None:
            refuse(number, f"{day!r} is no day or time as the mapping says they are written")
        amount, currency = self._amount(number, said)
        return Line(
            number, kind, reference, found, self._points(number, points), amount, currency, member,
            _bounded(number, mappings.STORE, said, LONGEST_STORE),
        )  # fmt: skip

    def _kind(self, number: int, word: str | None) -> str | None:
        if word is None:
            refuse(number, "there is no kind")
        if word in self._mapping.kinds:
            return self._mapping.kinds[word]
        if word not in KINDS:
            refuse(number, f"the mapping does not say what the kind {word!r} is")
        return word

    def _day_of(self, written: str) -> date | None:
        form = self._mapping.date_format
        try:
            at = datetime.fromisoformat(written) if form == ISO else datetime.strptime(written, form)  # noqa: DTZ007
            if at.tzinfo is None:
                if (form == ISO and len(written) <= len("2026-03-02")) or not _has_time(form):
                    return at.date()
                at = at.replace(tzinfo=self._own_zone)
            return at.astimezone(self._zone).date()
        except (ValueError, OverflowError):
            return None

    def _points(self, number: int, written: str) -> int:
        sign, whole, part = self._digits(number, mappings.POINTS, written)
        if part.strip("0"):
            refuse(number, f"points: {written!r} is not a whole number")
        points = int(whole)
        if sign == "-" and not self._mapping.signed_points:
            refuse(number, f"points: {written!r} is negative, and the mapping does not say that points are signed")
        if points > LARGEST_POINTS:
            refuse(number, f"points: {written!r} is more than {LARGEST_POINTS}")
        return points

    def _amount(self, number: int, said: dict[str, str]) -> tuple[int | None, str | None]:
        written = said.get(mappings.AMOUNT)
        if written is None:
            return None, None
        currency = said.get(mappings.CURRENCY)
        if currency is None or currency not in money.currencies():
            refuse(number, f"currency: {currency!r} is none of ISO 4217")
        _, whole, part = self._digits(number, mappings.AMOUNT, written)
        digits = money.exponent(currency) if self._mapping.amounts_in == MAJOR else 0
        if part[digits:].strip("0"):
            refuse(number, f"amount: {written!r} has more than {digits} digits behind the point")
        minor = int(whole + part[:digits].ljust(digits, "0"))
        if minor > LARGEST_AMOUNT:
            refuse(number, f"amount: {written!r} is more than {LARGEST_AMOUNT} minor units")
        return minor, currency

    def _digits(self, number: int, name: str, written: str) -> tuple[str, str, str]:
        """The sign, and the digits before and behind the point."""
        plain = written
        if self._mapping.thousands_separator:
            plain = plain.replace(self._mapping.thousands_separator, "")
        if self._mapping.decimal_separator != ".":
            if "." in plain:
                refuse(number, f"{name}: {written!r} is not a number as the mapping says they are written")
            plain = plain.replace(self._mapping.decimal_separator, ".")
        found = _DIGITS.fullmatch(plain)
        if found is None:
            refuse(number, f"{name}: {written!r} is not a number as the mapping says they are written")
        return found[1], found[2], found[3] or ""


def _has_time(form: str) -> bool:
    return form == ISO or any(part in form for part in ("%H", "%I"))


def _bounded(number: int, name: str, said: dict[str, str], longest: int) -> str | None:
    value = said.get(name)
    if value is not None and len(value) > longest:
        refuse(number, f"{name} is longer than {longest} characters")
    return value
