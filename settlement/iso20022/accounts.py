"""Bank accounts as the edge takes them: an IBAN is checked, other numbers are their bank's own business.

No error repeats a number: whose account it is stays out of logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kit.errors import Invalid

# The IBAN registry of ISO 13616: how long an IBAN of each country is.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
# The European Payments Council's list of countries in the SEPA schemes, by their IBANs.
_SEPA = """
    AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE
    SI SK SM VA
"""
_OTHER = re.compile(r"[A-Za-z0-9][A-Za-z0-9/ .-]{0,33}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")


class MalformedBankAccount(Invalid):
    code = "malformed_bank_account"
    title = "Malformed bank account"
    description = "The number of a bank account or the code of a bank can't be right."
    remedy = (
        "Check it letter by letter against what the bank gave you. An IBAN begins with its country and two check "
        "digits; an account without one has its number alone; a BIC has 8 or 11 characters."
    )


@dataclass(frozen=True)
class BankAccount:
    """`number` is an IBAN in capitals without spaces or, where `is_iban` says no, in the bank's own form.

    `bic` is the bank's code (ISO 9362). Made by `iban_account` and `other_account`, which check.
    """

    number: str
    is_iban: bool
    bic: str | None = None

    @property
    def is_sepa(self) -> bool:
        """Whether payments in euro between it and its like are SEPA's."""
        return self.is_iban and self.number[:2] in _SEPA.split()


def iban_account(iban: str, *, bic: str | None = None) -> BankAccount:
    """An account by its IBAN, with or without spaces. Raises MalformedBankAccount."""
    return BankAccount(_iban(iban), True, None if bic is None else bank_code(bic))


def other_account(number: str, *, bic: str | None = None) -> BankAccount:
    """An account where there are no IBANs: up to 34 letters, digits, `/`, `.`, `-`. Raises MalformedBankAccount."""
    kept = number.strip()
    if not _OTHER.fullmatch(kept):
        raise MalformedBankAccount("That is not the number of a bank account.", what="number")
    return BankAccount(kept, False, None if bic is None else bank_code(bic))


def bank_code(written: str) -> str:
    """A BIC in capitals without spaces (ISO 9362). Raises MalformedBankAccount."""
    bic = written.replace(" ", "").upper()
    if not _BIC.fullmatch(bic):
        raise MalformedBankAccount("That is not a BIC, which has 8 or 11 characters.", what="bic")
    return bic


def _iban(written: str) -> str:
    """Country, length, and check digits (ISO 7064 mod 97-10)."""
    iban = written.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", iban):
        raise MalformedBankAccount("That is not an IBAN, which begins with two letters and two digits.", what="iban")
    expected = _LENGTHS.get(iban[:2])
    if expected is None:
        raise MalformedBankAccount(f"There are no IBANs in {iban[:2]}.", what="iban")
    if len(iban) != expected:
        said = f"That has {len(iban)} characters; an IBAN of {iban[:2]} has {expected}."
        raise MalformedBankAccount(said, what="iban")
    number = int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4]))
    if number % 97 != 1 or not 2 <= int(iban[2:4]) <= 98:  # 00, 01 and 99 would do for 97, 98 and 02
        raise MalformedBankAccount("The check digits of the IBAN are wrong; look for a slip in it.", what="iban")
    return iban
