"""What people read, in their language: catalogues in gettext's own form (.po), read as they stand, once a process.

English is what the code says. Another language is whatever has a catalogue; what it lacks is told in English, and a
test sees to it that it lacks nothing. Whose language it is stands in the context of a request (`speak`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import dates, negotiate_locale, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

SOURCE = "en"
_LOCALES = {SOURCE: "en_GB"}  # where a language leaves open how it writes numbers and days
_catalogues: dict[str, Path] = {}
_language: ContextVar[str] = ContextVar("language", default=SOURCE)


def use(folder: Path) -> None:
    """Speak the languages that have a catalogue in `folder`, each in a file of its name."""
    _catalogues.update({path.stem: path for path in sorted(folder.glob("*.po"))})


def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    return (SOURCE, *_catalogues)


@cache
def _catalogue(language: str) -> NullTranslations:
    if language == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    with _catalogues[language].open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def speak(preferred: Iterable[str]) -> str:
    """Speak the first of the languages `preferred` (RFC 9110 §12.5.4, the best first) that there is; returns it."""
    chosen = negotiate_locale([tag.replace("-", "_") for tag in preferred], languages()) or SOURCE
    _language.set(chosen)
    return chosen


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Speak the language `wanted`, or English where there is no such catalogue, until the block ends."""
    before = _language.set(wanted if wanted in languages() else SOURCE)
    try:
        yield
    finally:
        _language.reset(before)


def language() -> str:
    """The language that is spoken now."""
    return _language.get()


def _locale() -> str:
    return _LOCALES.get(language(), language())


def gettext(message: str, **values: object) -> str:
    """`message` in the language spoken, with `values` in the places that name them (`%(name)s`)."""
    told = _catalogue(language()).gettext(message)
    return told % values if values else told


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """The form of a message that goes with `n` of something, as the language spoken has it."""
    return unfilled_ngettext(one, many, n) % {"n": number(n), **values}


def unfilled_ngettext(one: str, many: str, n: int) -> str:
    """The same with its places left open: templates fill them themselves."""
    return _catalogue(language()).ngettext(one, many, n)


def marked(message: str) -> str:
    """`message` as it is, to be translated where it is shown: what an error says is worded before anybody reads it."""
    return message


def has(message: str) -> bool:
    """Whether the language spoken says `message` in words of its own; English always does."""
    return language() == SOURCE or _catalogue(language()).gettext(message) != message


def number(value: int) -> str:
    """A whole number with its thousands apart."""
    return numbers.format_decimal(value, locale=_locale())


def decimal(value: Decimal, digits: int) -> str:
    """A decimal number with its thousands apart and exactly `digits` behind the point."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return numbers.format_decimal(value, format=pattern, locale=_locale())


def short_day(value: date | datetime) -> str:
    """A day as columns have it."""
    return dates.format_date(value, format="medium", locale=_locale())


def day(value: date | datetime) -> str:
    """A day, its month by name."""
    return dates.format_date(value, format="long", locale=_locale())
