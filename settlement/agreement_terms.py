"""The terms of an agreement: each one's name, kind, bounds and default, and what people are told of it.

They are listed here and nowhere else. The columns of `settlement.agreement`, the fields of `Agreement`, the options of
the command and the fields of the API bear these names; the first and the last two are made from this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Protocol, TypedDict, cast

from coalition.programme import UnknownCurrency
from kit import money, texts
from kit.errors import Invalid
from settlement.iso20022 import accounts
from settlement.iso20022.accounts import MalformedBankAccount

DIGITS = 8  # behind the point, of a price and of a percentage
MOST_PRICE = 1_000_000
MOST_MINOR = 10**15
ON_BURN, ON_EARN = "on_burn", "on_earn"


class MalformedPrice(Invalid):
    code = "malformed_price"
    title = "Malformed price"
    description = (
        "A price is a decimal number of minor units per point, sent as text: from 0 to 1,000,000, with up to 8 decimal "
        "places."
    )
    remedy = 'Send the price as a string of digits with a point, such as "0.95", not as a JSON number.'


class MalformedTerm(Invalid):
    code = "malformed_term"
    title = "Malformed term"
    description = "One of the agreement's terms, `term`, is out of its bounds or is not written in its form."
    remedy = (
        'Correct the field that `term` names. A percentage is text, such as "20", from 0 to 100; an amount is a whole '
        "number of minor units; an IBAN and a BIC are written as the bank writes them."
    )
    facts = ("term",)


class AgreementTerms(TypedDict, total=False):
    """What somebody says of an agreement's terms; what is not named is taken over from the agreement before."""

    redemption_price_minor: Fraction | Decimal
    currency: str
    funding: str
    issue_price_minor: Fraction | Decimal
    fee_per_point_minor: Fraction | Decimal
    fee_percent: Fraction | Decimal
    fee_minimum_minor: int
    breakage_share_percent: Fraction | Decimal
    vat_percent: Fraction | Decimal
    cycle: str
    exposure_limit_minor: int | None
    deposit_minor: int
    legal_name: str | None
    legal_address: str | None
    tax_id: str | None
    iban: str | None
    bic: str | None


class Kind(Protocol):
    """What a term's values are: `parse` takes what somebody gives for the term `what`."""

    def parse(self, given: Any, *, what: str) -> Any: ...


@dataclass(frozen=True)
class Price:
    """Minor units per point, an exact Fraction, given as text; raises MalformedPrice."""

    def parse(self, given: str, *, what: str) -> Fraction:
        found = _decimal(given, most=MOST_PRICE)
        if found is None:
            raise MalformedPrice(f"{what}: {given!r} is not a price in minor units per point, such as 0.95")
        return Fraction(found)


@dataclass(frozen=True)
class Percent:
    """From 0 to 100, an exact Fraction, given as text; raises MalformedTerm."""

    def parse(self, given: str, *, what: str) -> Fraction:
        found = _decimal(given, most=100)
        if found is None:
            raise MalformedTerm(f"{what}: {given!r} is not a percentage from 0 to 100, such as 17.5", term=what)
        return Fraction(found)


@dataclass(frozen=True)
class Amount:
    """Whole minor units, from 0 to MOST_MINOR; raises MalformedTerm."""

    def parse(self, given: int, *, what: str) -> int:
        if not 0 <= given <= MOST_MINOR:
            raise MalformedTerm(f"{what}: give a whole number of minor units from 0 to {MOST_MINOR}", term=what)
        return given


@dataclass(frozen=True)
class Choice:
    """One of `values`; raises MalformedTerm."""

    values: tuple[str, ...]

    def parse(self, given: str, *, what: str) -> str:
        if given not in self.values:
            raise MalformedTerm(f"{what}: give one of {', '.join(self.values)}", term=what)
        return given


@dataclass(frozen=True)
class Currency:
    """A current currency of ISO 4217; raises UnknownCurrency."""

    def parse(self, given: str, *, what: str) -> str:
        if given not in money.currencies():
            raise UnknownCurrency(f"{what}: name a current currency of ISO 4217 by its three letters, such as GBP")
        return given


@dataclass(frozen=True)
class Line:
    """1 to `longest` printable characters; raises MalformedText."""

    longest: int

    def parse(self, given: str, *, what: str) -> str:
        return texts.text(given, what=what, longest=self.longest)


@dataclass(frozen=True)
class Iban:
    """An account's number by ISO 13616, kept without spaces. Raises MalformedTerm, which never repeats it."""

    longest: int = 42  # as people write it: 34 characters in groups of four

    def parse(self, given: str, *, what: str) -> str:
        try:
            return accounts.iban_account(given).number
        except MalformedBankAccount as error:
            raise MalformedTerm(f"{what}: {error.detail}", term=what) from None


@dataclass(frozen=True)
class Bic:
    """A bank by ISO 9362, eight or eleven characters. Raises MalformedTerm, which never repeats it."""

    longest: int = 11

    def parse(self, given: str, *, what: str) -> str:
        try:
            return accounts.bank_code(given)
        except MalformedBankAccount as error:
            raise MalformedTerm(f"{what}: {error.detail}", term=what) from None


@dataclass(frozen=True)
class Term:
    """One term. A `default` of None means that an agreement may be without it.

    What `is_private` stands in no log and in no entry of the audit; these say only that it changed.
    """

    name: str
    option: str
    kind: Kind
    about: str
    example: Any
    default: Any = None
    is_private: bool = False

    @property
    def is_money(self) -> bool:
        """Whether its value means something else in another currency."""
        return isinstance(self.kind, Price | Amount)


REDEMPTION_PRICE = Term(
    "redemption_price_minor", "redemption-price", Price(),
    "Minor units for each point burned elsewhere, as a decimal with up to 8 places.", "0.95", Fraction(0),
)  # fmt: skip
CURRENCY = Term(
    "currency", "currency", Currency(), "The ISO 4217 code of the currency that all of it is agreed in.", "GBP", ""
)
TERMS = (
    REDEMPTION_PRICE,
    CURRENCY,
    Term(
        "funding", "funding", Choice((ON_BURN, ON_EARN)),
        "on_burn: the issuer owes the redeemer when a point is burned. on_earn: the issuer owes the coalition's fund "
        "when a point is issued, and the fund owes the redeemer when it is burned.", ON_BURN, ON_BURN,
    ),
    Term(
        "issue_price_minor", "issue-price", Price(),
        "Minor units that the issuer owes the fund for each point issued, as a decimal: above 0 with on_earn, 0 with "
        "on_burn.", "0", Fraction(0),
    ),
    Term(
        "fee_per_point_minor", "fee-per-point", Price(),
        "The coalition's fee for each point issued, in minor units, as a decimal.", "0.02", Fraction(0),
    ),
    Term(
        "fee_percent", "fee-percent", Percent(),
        "The coalition's fee in per cent of what the issuer is charged for points.", "1.5", Fraction(0),
    ),
    Term(
        "fee_minimum_minor", "fee-minimum", Amount(),
        "The least that the coalition's fees come to in a settlement cycle, in minor units.", 5000, 0,
    ),
    Term(
        "breakage_share_percent", "breakage-share", Percent(),
        "With on_earn: what the issuer gets back for each point that expires, in per cent of the issue price.",
        "0", Fraction(0),
    ),
    Term("vat_percent", "vat", Percent(), "VAT on the coalition's fees, in per cent.", "20", Fraction(0)),
    Term(
        "cycle", "cycle", Choice(("daily", "weekly", "monthly")), "How often the partner settles.", "daily", "daily",
    ),
    Term(
        "exposure_limit_minor", "exposure-limit", Amount(),
        "How much may be issued and not funded, in minor units. Without it there is no limit.", 500000,
    ),
    Term("deposit_minor", "deposit", Amount(), "What the partner deposited, in minor units.", 100000, 0),
    Term("legal_name", "legal-name", Line(140), "The legal entity that settles.", "Greengrocer Ltd", is_private=True),
    Term("legal_address", "legal-address", Line(300), "Its address.", "1 High Street, London", is_private=True),
    Term("tax_id", "tax-id", Line(35), "Its tax or VAT number.", "GB123456789", is_private=True),
    Term("iban", "iban", Iban(), "The IBAN of its account.", "GB33BUKB20201555555555", is_private=True),
    Term("bic", "bic", Bic(), "The BIC of its bank.", "BUKBGB22", is_private=True),
)  # fmt: skip


def parse(given: Mapping[str, Any]) -> AgreementTerms:
    """What of `given` names a term, each value in its form; None takes away what an agreement may be without.

    Raises MalformedPrice, MalformedTerm, MalformedText, UnknownCurrency.
    """
    found = {
        term.name: None if given[term.name] is None else term.kind.parse(given[term.name], what=term.name)
        for term in TERMS
        if term.name in given
    }
    return cast(AgreementTerms, found)


def price(text_: str) -> Decimal:
    """A redemption price given as text; raises MalformedPrice."""
    return _stored(REDEMPTION_PRICE.kind.parse(text_, what=REDEMPTION_PRICE.name))


def show(value: Any) -> Any:
    """A term's value as it is shown: an exact number as its decimal, the rest as it is."""
    return show_price(value) if isinstance(value, Fraction) else value


def show_price(value: Fraction) -> str:
    """A price or percentage as its decimal; these have at most 8 decimals, so this is exact."""
    digits = f"{value.numerator * 10**DIGITS // value.denominator:09d}"
    return f"{digits[:-DIGITS]}.{digits[-DIGITS:]}".rstrip("0").rstrip(".")


def stored(value: Any) -> Any:
    """A term's value as its column takes it."""
    return _stored(value) if isinstance(value, Fraction) else value


def _stored(value: Fraction) -> Decimal:
    return Decimal(show_price(value))


def exact(value: Any) -> Any:
    """A term's value as `Agreement` has it, from a column or a caller that holds it as a decimal."""
    return Fraction(value) if isinstance(value, Decimal) else value


def _decimal(given: str, *, most: int) -> Decimal | None:
    try:
        value = Decimal(given)
    except InvalidOperation:
        return None
    if not value.is_finite() or not 0 <= value <= most or value != round(value, DIGITS):
        return None
    return value
