"""A file of till receipts, read strictly. A line that is wrong is named, and its receipt held back whole."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from coalition import cards
from kit.errors import CoalitionError, Invalid

HEADER = [
    "brand",
    "receipt_no",
    "till_time",
    "card_no",
    "sku",
    "quantity",
    "unit_price_minor",
    "currency",
    "original_receipt_no",
]
MOST_LINES = 1_000_000
LONGEST_LINE = 1_000
_RETURN = re.compile(r"[A-Z]*C[0-9]+")
_NO_TIME = datetime(1, 1, 1)  # noqa: DTZ001 -- stands for "could not be read"
_WHOLE = re.compile(r"-?[0-9]{1,9}")


class UnreadableFile(Invalid):
    code = "unreadable_file"
    title = "Unreadable file"
    description = "The receipts file cannot be read: it is missing, cut off or too long, or it has no header."
    remedy = "Check the path and the first line of the file, split a file that is too long, and run the command again."


@dataclass(frozen=True)
class Problem:
    """What was not posted: a line of the file (from 1, the header is line 1), and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class ReturnPart:
    """The part of a return that belongs to one purchase, or to none that is known. `amount_minor` > 0."""

    purchase: str | None
    amount_minor: int

    def __str__(self) -> str:
        return f"the part of purchase {self.purchase}" if self.purchase else "the part without a purchase"


@dataclass(frozen=True)
class Receipt:
    """One receipt: a purchase of `amount_minor` > 0, or a return of `parts`."""

    brand: str
    number: str
    at: datetime
    card: str
    currency: str
    amount_minor: int
    line: int
    parts: tuple[ReturnPart, ...] = ()

    @property
    def is_return(self) -> bool:
        """Whether points are taken back rather than issued."""
        return bool(self.parts)


@dataclass
class _Draft:
    """A receipt whose lines are still coming in; they need not stand together."""

    brand: str
    number: str
    at: datetime
    card: str
    currency: str
    line: int
    amounts: dict[str | None, int] = field(default_factory=dict)
    is_sound: bool = True


@dataclass(frozen=True)
class ReceiptFile:
    """Everything of a file: its sound receipts in the order of their times, and what is wrong with the rest."""

    lines: int
    receipts: list[Receipt]
    problems: list[Problem]


def read(path: Path) -> ReceiptFile:
    """Read a `.csv` or `.csv.gz` file; raises UnreadableFile."""
    try:
        with _open(path) as lines:
            return parse(lines)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise UnreadableFile(f"{path}: {error}") from error


@contextmanager
def _open(path: Path) -> Iterator[Iterable[bytes]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as lines:
            yield lines
    else:
        with path.open("rb") as lines:
            yield lines


def parse(lines: Iterable[bytes]) -> ReceiptFile:
    """Read the file's lines; raises UnreadableFile for a wrong header or more than a million lines."""
    drafts: dict[tuple[str, str], _Draft] = {}
    problems: list[Problem] = []
    count = 0
    for number, raw in enumerate(lines, start=1):
        if number == 1:
            if _fields(raw) != HEADER:
                raise UnreadableFile(f"the first line has to be {','.join(HEADER)}")
            continue
        if not raw.strip():
            continue
        count += 1
        if count > MOST_LINES:
            raise UnreadableFile(f"more than {MOST_LINES} lines; split the file")
        _take_line(number, raw, drafts, problems)
    return ReceiptFile(count, _finish(drafts.values()), problems)


def _take_line(number: int, raw: bytes, drafts: dict[tuple[str, str], _Draft], problems: list[Problem]) -> None:
    values = _fields(raw)
    key = (values[0], values[1]) if len(values) > 1 else ("", "")
    try:
        draft = _parse_line(number, values, drafts.get(key))
        drafts.setdefault(key, draft)
    except (ValueError, CoalitionError) as error:
        reason = error.detail if isinstance(error, CoalitionError) else str(error)
        if key[1]:
            reason += f"; receipt {key[1]} is held back"
            spoilt = drafts.setdefault(key, _Draft(key[0], key[1], _NO_TIME, "", "", number))
            spoilt.is_sound = False
        problems.append(Problem(number, reason))


def _fields(raw: bytes) -> list[str]:
    if len(raw) > LONGEST_LINE:
        return []
    try:
        return next(csv.reader([raw.decode("utf-8").rstrip("\r\n")], strict=True), [])
    except (csv.Error, UnicodeDecodeError):
        return []


def _parse_line(number: int, values: list[str], draft: _Draft | None) -> _Draft:
    if len(values) != len(HEADER):
        raise ValueError(f"expected {len(HEADER)} columns of UTF-8 text, got {len(values) or 'something else'}")
    brand, receipt_no, till_time, card, sku, quantity, price, currency, original = values
    _require(re.fullmatch(r"[a-z][a-z0-9-]{1,31}", brand), f"brand {brand[:40]!r} is not a partner's code")
    _require(re.fullmatch(r"[A-Za-z0-9._-]{1,40}", receipt_no), f"receipt_no {receipt_no[:40]!r} is malformed")
    _require(sku.isprintable() and sku, "sku is empty")
    _require(
        _WHOLE.fullmatch(quantity) and int(quantity),
        f"quantity {quantity[:20]!r} is not a whole number but 0",
    )
    _require(
        _WHOLE.fullmatch(price) and int(price) >= 0,
        f"unit_price_minor {price[:20]!r} is not a whole number ≥ 0",
    )
    _require(re.fullmatch(r"[A-Z]{3}", currency), f"currency {currency[:10]!r} is not an ISO 4217 code")
    is_return = _RETURN.fullmatch(receipt_no) is not None
    _require(is_return == (int(quantity) < 0), "only a return has a negative quantity")
    _require(is_return or not original, "only a return belongs to an original receipt")
    _require(len(original) <= 40, "original_receipt_no is too long")
    if draft is None:
        draft = _Draft(brand, receipt_no, _instant(till_time), cards.check(card), currency, number)
    _instant(till_time)
    if draft.is_sound:
        _require(draft.card == card, "card_no differs from the receipt's earlier lines")
        _require(draft.currency == currency, "currency differs from the receipt's earlier lines")
    amount = abs(int(quantity)) * int(price)
    draft.amounts[original or None] = draft.amounts.get(original or None, 0) + amount
    return draft


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = _NO_TIME
    _require(at.tzinfo is not None, f"till_time {text[:40]!r} is not an ISO 8601 time with its offset")
    return at


def _require(condition: object, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _finish(drafts: Iterable[_Draft]) -> list[Receipt]:
    sound = sorted((d for d in drafts if d.is_sound and any(d.amounts.values())), key=lambda d: (d.at, d.line))
    receipts = []
    for draft in sound:
        parts = []
        if _RETURN.fullmatch(draft.number):
            parts = [ReturnPart(purchase, amount) for purchase, amount in draft.amounts.items() if amount]
        receipts.append(
            Receipt(
                brand=draft.brand,
                number=draft.number,
                at=draft.at,
                card=draft.card,
                currency=draft.currency,
                amount_minor=sum(draft.amounts.values()),
                line=draft.line,
                parts=tuple(parts),
            )
        )
    return receipts
