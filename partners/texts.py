"""What people write of themselves: names, addresses, numbers; checked once, and kept in one form."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from coalition.identifiers import MalformedEmail, MalformedPhone
from kit.errors import Invalid
from kit.texts import LONGEST_NAME, MalformedText, text
from partners.territories import countries

__all__ = ["LONGEST_NAME", "MalformedText", "UnknownCountry", "country", "email", "phone", "text"]
_E164 = re.compile(r"\+[1-9][0-9]{4,14}")


class UnknownCountry(Invalid):
    code = "unknown_country"
    title = "Unknown country"
    description = "A country is a two-letter ISO 3166-1 code such as GB."
    remedy = "Send two capital letters in `country`."


def email(value: str) -> str:
    """The address in small letters; raises MalformedEmail."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise MalformedEmail("this is not an e-mail address") from None


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
    raise MalformedPhone("enter an international number, such as +44 20 7946 0000")


def country(value: str) -> str:
    """The country's code; raises UnknownCountry."""
    if value not in countries():
        raise UnknownCountry("name the country by its two-letter ISO 3166-1 code, such as GB")
    return value
