"""How the files of a log write hashes and numbers: one way for each, so that a changed character is another value."""

from __future__ import annotations

import base64
import binascii
import re

from kit.errors import Invalid

HASH_BYTES = 32


class MalformedLogFile(Invalid):
    code = "malformed_log_file"
    title = "Malformed log file"
    description = (
        "A checkpoint, proof, cosignature, key or policy is not in the form that c2sp.org and docs/seals.md describe. "
        "`detail` says what is wrong."
    )
    remedy = "Take the file again from where you have it. Do not edit or convert it on the way."


def base64_of(data: bytes) -> str:
    """Base 64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


def bytes_of(text: str, *, what: str) -> bytes:
    """What `base64_of` made `text` of; raises MalformedLogFile, also where bits that mean nothing are set."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64_of(data) != text:
        raise MalformedLogFile(f"{what} is not base 64: {text[:80]!r}")
    return data


def hash_of(text: str, *, what: str) -> bytes:
    """A hash in base 64; raises MalformedLogFile."""
    data = bytes_of(text, what=what)
    if len(data) != HASH_BYTES:
        raise MalformedLogFile(f"{what} has {len(data)} bytes instead of {HASH_BYTES}")
    return data


def number_of(text: str, *, what: str) -> int:
    """A number from 0 to 2^63 - 1 in decimal, without leading zeros; raises MalformedLogFile."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 2**63:
        raise MalformedLogFile(f"{what} is not a number: {text[:80]!r}")
    return int(text)


def text_of(data: bytes, *, what: str, longest: int) -> str:
    """UTF-8 of at most `longest` bytes without control characters but the line feed; raises MalformedLogFile."""
    if len(data) > longest:
        raise MalformedLogFile(f"{what} is longer than {longest} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedLogFile(f"{what} is not UTF-8") from None
    if re.search(r"[\x00-\x09\x0b-\x1f]", text):
        raise MalformedLogFile(f"{what} holds a control character")
    return text
