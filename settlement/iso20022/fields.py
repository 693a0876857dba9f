"""Values of a bank's message: what an element says at a path of names, in whatever version of the message it stands."""

from __future__ import annotations

import re
from datetime import date
from functools import cache

from lxml import etree
from lxml.etree import _Element as Element

from kit import money
from settlement.iso20022.bank_files import MalformedBankFile

LONGEST_TEXT = 1_000
MOST_REPEATED = 100
LARGEST_MINOR = 10**18 - 1  # what the database's integers hold

_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")


class Fields:
    """What an element says at a path of names in its own namespace, e.g. `Refs/EndToEndId`.

    Raises MalformedBankFile for what can't be right.
    """

    __slots__ = ("_element", "_namespace")

    def __init__(self, element: Element) -> None:
        self._element = element
        self._namespace = etree.QName(element).namespace

    @property
    def name(self) -> str:
        """The element's, without its namespace."""
        return etree.QName(self._element).localname

    def all(self, path: str) -> list[Fields]:
        """Every element at `path`."""
        return [Fields(found) for found in self._element.findall(_qualified(path, self._namespace))]

    def text(self, path: str) -> str | None:
        """The text at the first element at `path`; None where there is none."""
        found = self._element.findtext(_qualified(path, self._namespace))
        return None if found is None else _kept(found, path)

    def texts(self, path: str) -> list[str]:
        """The texts of all elements at `path` that have one."""
        found = self._element.findall(_qualified(path, self._namespace))
        if len(found) > MOST_REPEATED:
            raise MalformedBankFile(f"{path} stands more than {MOST_REPEATED} times in one place.")
        return [text for one in found if (text := _kept(one.text or "", path))]

    def first_text(self, *paths: str) -> str | None:
        """The text at the first of `paths` that has one."""
        return next((found for path in paths if (found := self.text(path))), None)

    def amount(self, path: str) -> tuple[int, str] | None:
        """Minor units, never negative, and their currency, one of today's; None where there is none."""
        found = self._element.find(_qualified(path, self._namespace))
        if found is None:
            return None
        currency = found.get("Ccy", "")
        if currency not in money.currencies():
            raise MalformedBankFile(f"{path} is in {currency[:10]!r}, which is no currency.")
        try:
            minor = money.from_decimal(_kept(found.text or "", path), currency)
        except ValueError as error:
            raise MalformedBankFile(f"{path}: {error}.") from error
        if not 0 <= minor <= LARGEST_MINOR:
            raise MalformedBankFile(f"{path} is below zero or too large.")
        return minor, currency

    def is_credit(self) -> bool | None:
        """Whether money came in (CRDT) or went out (DBIT); None where nothing says."""
        said = self.text("CdtDbtInd")
        if said not in ("CRDT", "DBIT", None):
            raise MalformedBankFile(f"CdtDbtInd is {said[:10]!r}, not CRDT or DBIT.")
        return None if said is None else said == "CRDT"

    def day(self, path: str) -> date | None:
        """The day at `path`, given as one (Dt) or in a point in time (DtTm), of which it is the bank's own day."""
        said = self.first_text(f"{path}/Dt", f"{path}/DtTm")
        if said is None:
            return None
        try:
            if found := _DATE.fullmatch(said):
                return date.fromisoformat(found.group(1))
        except ValueError:
            pass
        raise MalformedBankFile(f"{path}: {said[:40]!r} is no day.")

    def whole_number(self, path: str) -> int | None:
        """A count or a sequence number."""
        said = self.text(path)
        if said is None:
            return None
        if not re.fullmatch(r"[0-9]{1,18}", said):
            raise MalformedBankFile(f"{path}: {said[:40]!r} is no number.")
        return int(said)


@cache
def _qualified(path: str, namespace: str | None) -> str:
    return "/".join(f"{{{namespace}}}{name}" for name in path.split("/"))


def _kept(written: str, path: str) -> str:
    text = " ".join(written.split())
    if len(text) > LONGEST_TEXT:
        raise MalformedBankFile(f"{path} is longer than {LONGEST_TEXT} characters.")
    return text
