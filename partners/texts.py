"""What people write of themselves: names, addresses, numbers; checked once, and kept in one form."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from coalition.identifiers import MalformedEmail, MalformedPhone
from kit.errors import Invalid
from partners.territories import countries

LONGEST_NAME = 100
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")


class MalformedText(Invalid):
    """A name, reason, address or clause is empty, too long, or has characters that can't be printed."""

    code = "malformed_text"
    title = "Malformed text"


class UnknownCountry(Invalid):
    """A country is named by its two letters of ISO 3166-1, such as GB."""

    code = "unknown_country"
    title = "Unknown country"


def text(value: str, *, what: str, longest: int = LONGEST_NAME) -> str:
    """`value` without spaces around it; raises MalformedText unless 1 to `longest` printable characters are left."""
    found = value.strip()
    if not 1 <= len(found) <= longest or not found.isprintable():
        raise MalformedText(f"{what}: give 1 to {longest} printable characters", what=what)
    return found


def email(value: str) -> str:
    """The address in small letters; raises MalformedEmail."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise MalformedEmail("this is no e-mail address") from None


def phone(value: str) -> str:
    """The number in the form of E.164, such as +442079460000; raises MalformedPhone."""
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_possible_number(number):
        found = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
        if _E164.fullmatch(found):
            return found
    raise MalformedPhone("give an international number, such as +44 20 7946 0000")


def country(value: str) -> str:
    """The country's code; raises UnknownCountry."""
    if value not in countries():
        raise UnknownCountry("name the country by its two letters of ISO 3166-1, such as GB")
    return value
