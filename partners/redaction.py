"""What a request held, without what nobody may read again: values are masked by the names of their fields."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

LARGEST_BYTES = 8 * 1024
DEEPEST = 12
MASK = "[redacted]"
# Words of a field's name: `card_number` and `cardNumber` are both about a card.
_HIDDEN = frozenset({
    "account", "address", "assertion", "auth", "authorization", "bearer", "birth", "birthdate", "birthday", "card",
    "challenge", "code", "contact", "cookie", "credential", "customer", "cvc", "cvv", "dob", "email", "external",
    "first", "iban", "identifier", "jwt", "key", "last", "mail", "mobile", "msisdn", "name", "number", "otp", "pan",
    "passphrase", "passport", "password", "phone", "pin", "postal", "postcode", "proof", "pwd", "secret", "session",
    "signature", "ssn", "street", "surname", "tel", "telefon", "telephone", "token", "totp", "zip",
})  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ANYWHERE = re.compile(
    r"card|phone|mail|secret|passw|passc|token|mobile|iban|birth|address|credential|postcode|zipcode"
    r"|(first|last|sur|full|user|family|given|middle|holder|customer|member)_?name",
    re.IGNORECASE,
)
_SHOWN = frozenset(("idempotency_key", "key_id"))
# A partner's own names for things may look like anything, and are what it searches by.
_OWN_NAMES = frozenset(("reference",))
# What looks like a card or phone number or an address of mail, wherever it stands: fields are misspelt, too.
# People write numbers in groups: nine digits or more, with what stands between groups, but no date.
_TELLING = re.compile(
    r"(?<![\w-])(?!\d{4}-\d\d-\d\d)\+?\(?\d(?:[\s().\u2010-\u2015/-]{0,2}\d){8,}(?!\w)|\d{11,}|[^\s@]@[^\s@]"
)
_LARGEST_NUMBER = 10**10


_encode = json.JSONEncoder(default=str).encode


def redact(value: Any, *, name: str = "", depth: int = 0) -> Any:
    """`value` with everything masked that stands under a field of a telling name."""
    if name and is_hidden(name):
        return None if value is None else MASK
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {field: redact(inner, name=field, depth=depth + 1) for field, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner, depth=depth + 1) for inner in value]
    if isinstance(value, str):
        return value if name in _OWN_NAMES else _plain(value)
    if isinstance(value, int | float) and abs(value) > _LARGEST_NUMBER:
        return MASK
    return value


@lru_cache(maxsize=4096)
def is_hidden(name: str) -> bool:
    """Whether a field of this name may hold what nobody may read again."""
    if name in _SHOWN:
        return False
    if not name.isascii():
        return True  # no field of ours: what stands in it nobody knows
    words = {word.lower() for word in _WORD.findall(name)}
    return not _HIDDEN.isdisjoint(words) or _ANYWHERE.search(name) is not None


def as_json(value: Any) -> str:
    """`value` as JSON of at most LARGEST_BYTES, or a word about its size."""
    shown = _encode(value)
    return shown if len(shown) <= LARGEST_BYTES else json.dumps({"omitted": f"{len(shown)} bytes"})


def _plain(value: str) -> str:
    if "://" in value:
        return _without_query(value)
    return MASK if _TELLING.search(value) else value


def _without_query(url: str) -> str:
    # Receivers' addresses carry passwords and tokens in both places.
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return MASK
    return urlunsplit((parts.scheme, host, parts.path, MASK if parts.query else "", ""))
