"""What a member is found by: card, phone, e-mail, a partner's own id. Pure rules: read, brought to one form, masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from coalition import cards
from kit.errors import Invalid

CARD, PHONE, EMAIL, EXTERNAL = KINDS = ("card", "phone", "email", "external")
# Under which names requests give them.
KIND_OF_FIELD = {"card": CARD, "phone": PHONE, "email": EMAIL, "external_id": EXTERNAL}
LONGEST = 254
_HIDDEN = "•••"


class MalformedPhone(Invalid):
    code = "malformed_phone"
    title = "Malformed phone number"
    description = (
        "A phone number begins with + and its country code, and is valid in that country (ITU-T E.164). This one is "
        "not."
    )
    remedy = "Ask for the number again and send it with its country code, such as +44 20 7946 0000."


class MalformedEmail(Invalid):
    code = "malformed_email"
    title = "Malformed e-mail address"
    description = "The e-mail address does not have the form that RFC 5321 and RFC 5322 require."
    remedy = (
        "Ask for the address again and send it without spaces and without a name beside it, such as ann@example.com."
    )


class MalformedExternalId(Invalid):
    code = "malformed_external_id"
    title = "Malformed external id"
    description = (
        "Your own id for a member has 1 to 64 letters, digits and . _ : / # @ + -, and begins with a letter or a "
        "digit. This one does not."
    )
    remedy = (
        "Send `external_id` in the permitted characters. If your own ids have others, encode them, for example as "
        "hexadecimal digits."
    )


@dataclass(frozen=True)
class Identifier:
    """One of a member's identifiers in the one form it is compared in; `partner_id` is whose external id it is."""

    kind: str
    value: str = field(repr=False)
    masked: str
    partner_id: UUID | None = None


def parse(kind: str, given: str, *, partner_id: UUID) -> Identifier:
    """The identifier `given`; raises MalformedCard, -Phone, -Email or -ExternalId, which don't repeat it.

    `partner_id` is who gives it: an external id counts among that partner's only.
    """
    if kind == CARD:
        number = cards.check(given)
        return Identifier(CARD, number, cards.mask(number))
    if kind == PHONE:
        phone = _phone(given)
        return Identifier(PHONE, phone, f"•••• {phone[-4:]}")
    if kind == EMAIL:
        email = _email(given)
        return Identifier(EMAIL, email, mask_email(email))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/#@+-]{0,63}", given):
        raise MalformedExternalId("an external id is 1 to 64 letters, digits and . _ : / # @ + -")
    return Identifier(EXTERNAL, given, _HIDDEN + (given[-2:] if len(given) > 5 else ""), partner_id)


def named(fields: Mapping[str, object], *, partner_id: UUID) -> list[Identifier]:
    """The identifiers among the `fields` of a request; raises like `parse`."""
    return [
        parse(kind, str(fields[name]), partner_id=partner_id)
        for name, kind in KIND_OF_FIELD.items()
        if fields.get(name) is not None
    ]


def mask_email(email: str) -> str:
    """What may be shown of an e-mail address: how its parts begin, and where it ends."""
    local, _, domain = email.rpartition("@")
    name, _, end = domain.rpartition(".")
    return f"{local[:1]}{_HIDDEN}@{name[:1]}{_HIDDEN}.{end}"


def _phone(given: str) -> str:
    # The library would take letters and extensions too, which have no one form.
    if not re.fullmatch(r"\+[0-9 ().-]{6,30}", given):
        raise MalformedPhone("a phone number begins with + and its country code")
    try:
        number = phonenumbers.parse(given)
    except phonenumbers.NumberParseException:
        raise MalformedPhone("no phone number of any country looks like this") from None
    # Possible, not valid: which numbers are given out changes faster than any list of them.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise MalformedPhone("the phone number is too short or too long for its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(given: str) -> str:
    if len(given) > LONGEST:
        raise MalformedEmail(f"an e-mail address has up to {LONGEST} characters")
    try:
        checked = validate_email(given, allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError:
        raise MalformedEmail("this is not an e-mail address") from None
    return (checked.ascii_email or checked.normalized).lower()
