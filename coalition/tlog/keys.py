"""Keys of a log and of its witnesses (c2sp.org/signed-note, c2sp.org/tlog-cosignature), all of them Ed25519.

A key has a name, and one type: a log signs the text of a note, a witness signs it with the time.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coalition.tlog.encoding import MalformedLogFile, base64_of, bytes_of
from kit.secrets import signature_holds

LOG: Final = 0x01  # the types of signatures that we make and know
WITNESS: Final = 0x04
KEY_BYTES, TIME_BYTES = 32, 8
LONGEST_NAME = 200
_PRIVATE = "PRIVATE+KEY+"
Type = Literal[0x01, 0x04]


def require_name(name: str) -> str:
    """`name` where it can be a key's; raises MalformedLogFile."""
    if not 0 < len(name) <= LONGEST_NAME or re.search(r"[\s+\x00-\x1f]", name):
        raise MalformedLogFile(
            f"{name[:80]!r} can't be a key's name: it has 1 to {LONGEST_NAME} characters, no space and no +; best is "
            "an address such as coalition.example/days"
        )
    return name


def _key_id(name: str, type_: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([type_]) + public).digest()[:4]


def _parts(text: str, *, what: str) -> tuple[str, Type, bytes]:
    """Name, type and key of `name+id+base64`, the id still to be compared; raises MalformedLogFile."""
    name, id_, encoded = (*text.split("+", 2), "", "")[:3]
    data = bytes_of(encoded, what=f"the {what} of {name[:80]!r}") if re.fullmatch(r"[0-9a-f]{8}", id_) else b""
    if len(data) != 1 + KEY_BYTES or data[0] not in (LOG, WITNESS):
        raise MalformedLogFile(f"this is no {what} of Ed25519 (type 1 for a log, 4 for a witness): {text[:80]!r}")
    return require_name(name), LOG if data[0] == LOG else WITNESS, data[1:]


@dataclass(frozen=True)
class VerifierKey:
    """A public key of 32 bytes as notes know it: by its name and the id that is made of all three."""

    name: str
    type: Type
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes, in each signature of the key."""
        return _key_id(self.name, self.type, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64_of(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key in `text`, a "vkey"; raises MalformedLogFile."""
        key = cls(*_parts(text, what="public key"))
        if str(key) != text:
            raise MalformedLogFile(f"the id in the public key of {key.name} is not that of the key")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature`, without the key's id, is one of the note's `text` by this key."""
        if self.type == LOG:
            return signature_holds(text.encode(), signature, public_key=self.public)
        time, signature = signature[:TIME_BYTES], signature[TIME_BYTES:]
        signed = _with_time(text, int.from_bytes(time, "big"))
        return time < b"\x80" and signature_holds(signed, signature, public_key=self.public)


@dataclass(frozen=True)
class SigningKey:
    """A key that signs, of a log or a witness; `seed` is the 32 bytes that it is (RFC 8032)."""

    name: str
    type: Type
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.name})"

    @classmethod
    def new(cls, name: str, *, of: Type) -> SigningKey:
        """A new key; raises MalformedLogFile."""
        return cls(require_name(name), of, secrets.token_bytes(KEY_BYTES))

    @property
    def verifier(self) -> VerifierKey:
        """Its public half."""
        return VerifierKey(self.name, self.type, self._key.public_key().public_bytes_raw())

    @property
    def encoded(self) -> str:
        """As a file holds it, and as golang.org/x/mod/sumdb/note reads it."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{base64_of(bytes([self.type]) + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """The key in `text`; raises MalformedLogFile, which shows nothing of it."""
        try:
            key = cls(*_parts(text.removeprefix(_PRIVATE), what="private key"))
        except MalformedLogFile:
            key = None
        if key is None or key.encoded != text:
            raise MalformedLogFile("this is no private key as `coalition seal new-key` makes it") from None
        return key

    def sign(self, text: str, *, timestamp: int) -> bytes:
        """The signature of a note's `text`, without the key's id; a witness says when, in seconds since 1970."""
        if self.type == LOG:
            return self._key.sign(text.encode())
        return timestamp.to_bytes(TIME_BYTES, "big") + self._key.sign(_with_time(text, timestamp))

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _with_time(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
