"""What may be somebody's, told by how it looks: card and phone numbers, addresses of mail, tokens; masked in texts."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit, urlunsplit

MASK = "[redacted]"
LEFT_OUT = "…"
LONGEST_PATH = 200
MOST_DECODINGS = 3  # who encodes an address twice reads it twice
# Nine digits or more, whatever stands between their groups; and whatever has an address's sign.
_TELLING = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){8,}|@")
_OUR_ID = r"[a-z]{2,6}_[0-7][0-9a-z]{25}|req_[0-9a-f]{32}"
# Our own ids may stand: without the thing itself they say nothing of anybody. Days and times are numbers, too.
_INNOCENT = re.compile(
    rf"\b(?:{_OUR_ID}|[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\b"
    r"|(?<![0-9])(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?(?![0-9])",
    re.ASCII,
)
_STEP = re.compile(rf"{_OUR_ID}|(?!(?:[^0-9]*[0-9]){{4}})[A-Za-z0-9._-]{{0,32}}")
_NAME = re.compile(r"(?!(?:[^0-9]*[0-9]){4})[A-Za-z_][A-Za-z0-9_-]{0,39}")
_URL = re.compile(r"https?://[^\s/?#\\]+[^\s\\]*", re.IGNORECASE)


def text(value: str) -> str:
    """`value`, or MASK in its place where it looks like somebody's; of a URL what names no secret is left."""
    if _URL.fullmatch(value):
        return _url(value)
    return MASK if is_telling(value) else value


def path(value: str) -> str:
    """A path of an address: words and our own ids are left of it."""
    steps = _normal(value[:LONGEST_PATH]).split("/")
    shown = [step if _STEP.fullmatch(step) else LEFT_OUT for step in steps]
    if is_telling("/".join(shown)):  # a number in short steps
        shown = [step if re.search("[A-Za-z]", step) or not step else LEFT_OUT for step in shown]
    return "/".join(shown)


def name(value: str) -> str:
    """The name of a field: what somebody may have put there in place of one is masked."""
    return value if _NAME.fullmatch(value) else MASK


def is_telling(value: str) -> bool:
    """Whether `value` holds what looks like a number or address of somebody's, however it is written."""
    return _TELLING.search(_INNOCENT.sub("x", _normal(value))) is not None


def _normal(value: str) -> str:
    """`value` without percent-encoding (RFC 3986 §2.1), compatibility forms (UAX #15) and digits of other scripts."""
    for _ in range(MOST_DECODINGS):
        if "%" not in value:
            break
        value = unquote(value)
    if value.isascii():
        return value
    found = unicodedata.normalize("NFKC", value)
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char
        for char in found
        if unicodedata.category(char) != "Cf"
    )


def _url(value: str) -> str:
    # Receivers' addresses carry passwords and tokens in both places.
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return MASK
    if not host or is_telling(host):
        return MASK
    shown = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, shown, path(parts.path), MASK if parts.query else "", ""))
