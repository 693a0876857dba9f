"""Keys, secrets and tokens: made, hashed, compared, sealed.

One root key, which the database holds wrapped (`kit.root_key`); every use has a key of its own derived from it with
HKDF (RFC 5869), so that none can stand in for another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TOKEN_BYTES = 32
BLOCK_BYTES = 16
MOST_KEPT = 4_096  # of each kind of what is derived from a root key


# What a coalition's tokens and secrets say of it: whether its points are somebody's, or a sandbox's.
Realm = Literal["live", "test"]


class SealBroken(Exception):
    """Sealed bytes were changed, or were sealed for another use or with another key."""


@dataclass(frozen=True)
class Keyring:
    """The keys of one coalition, derived from its root key of 32 bytes; `realm` says whether it is a sandbox."""

    root: bytes
    realm: Realm = "live"

    def __repr__(self) -> str:
        return "Keyring(…)"

    def fingerprint(self, *, purpose: str, value: str) -> bytes:
        """HMAC-SHA-256 of `value`, 32 bytes: what is stored instead of a secret, token or card number."""
        return hmac.digest(self._derive(purpose), value.encode(), sha256)

    def seal(self, plain: bytes, *, purpose: str, bound_to: bytes = b"") -> bytes:
        """`plain` encrypted and authenticated with AES-256-GCM, the nonce in front; `bound_to` is needed to open it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._derive(purpose)).encrypt(nonce, plain, bound_to)

    def unseal(self, sealed: bytes, *, purpose: str, bound_to: bytes = b"") -> bytes:
        """The plain bytes of `seal`; raises SealBroken."""
        try:
            return AESGCM(self._derive(purpose)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def seal_text(self, plain: bytes, *, purpose: str) -> str:
        """`seal` as URL-safe text without padding."""
        return base64.urlsafe_b64encode(self.seal(plain, purpose=purpose)).rstrip(b"=").decode()

    def unseal_text(self, sealed: str, *, purpose: str) -> bytes:
        """The plain bytes of `seal_text`; raises SealBroken."""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            raise SealBroken from None
        return self.unseal(raw, purpose=purpose)

    def sign(self, message: bytes, *, purpose: str) -> bytes:
        """The Ed25519 signature (RFC 8032) of `message`, 64 bytes, the same every time; `signature_holds` checks it."""
        return self._signer(purpose).sign(message)

    def public_key(self, *, purpose: str) -> bytes:
        """The public key, 32 bytes, of what `sign` signs: anybody may have it."""
        return self._signer(purpose).public_key().public_bytes_raw()

    def _signer(self, purpose: str) -> Ed25519PrivateKey:
        if (signer := _signers.get((self.root, purpose))) is None:
            signer = Ed25519PrivateKey.from_private_bytes(self._derive(purpose))
            _keep(_signers, (self.root, purpose), signer)
        return signer

    def permute(self, block: bytes, *, purpose: str) -> bytes:
        """16 bytes for 16 bytes, one to one: the AES-256 permutation under the key of `purpose` (FIPS 197).

        Without the key nobody can tell it from chance, nor two purposes' results of one block from those of two blocks.
        """
        return self._context(purpose, "encryptor").update(_whole(block))

    def unpermute(self, block: bytes, *, purpose: str) -> bytes:
        """What `permute` made `block` of; every block is one of something."""
        return self._context(purpose, "decryptor").update(_whole(block))

    def _context(self, purpose: str, direction: Literal["encryptor", "decryptor"]) -> CipherContext:
        known, name = _contexts.by_name, (self.root, purpose, direction)
        if (context := known.get(name)) is None:
            # One block under a key is what the mode can be used for: there is no second one for it to give away.
            cipher = Cipher(algorithms.AES(self._derive(purpose)), modes.ECB())  # noqa: S305
            context = getattr(cipher, direction)()
            _keep(known, name, context)
        return context

    def _derive(self, purpose: str) -> bytes:
        if (key := _derived.get((self.root, purpose))) is None:
            kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode())
            key = kdf.derive(self.root)
            _keep(_derived, (self.root, purpose), key)
        return key


def signature_holds(message: bytes, signature: bytes, *, public_key: bytes) -> bool:
    """Whether `signature` is one of `message` under the key that `public_key` belongs to."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# Derivation costs 20 µs and every request needs it; the purposes are few: fixed ones, and some for each partner.
_derived: dict[tuple[bytes, str], bytes] = {}
# Each message of a webhook is signed: with its key made before, that costs half.
_signers: dict[tuple[bytes, str], Ed25519PrivateKey] = {}


K = TypeVar("K")
V = TypeVar("V")


def _keep(known: dict[K, V], name: K, made: V) -> None:
    # Of partners anybody may name any: who names ever others costs us a derivation, but no memory.
    if len(known) >= MOST_KEPT:
        known.clear()
    known[name] = made


class _Contexts(threading.local):
    """A thread's own contexts of AES: making one costs 3 µs, using it again 0.2 µs, and two threads may share none."""

    def __init__(self) -> None:
        self.by_name: dict[tuple[bytes, str, str], CipherContext] = {}


_contexts = _Contexts()


def _whole(block: bytes) -> bytes:
    if len(block) != BLOCK_BYTES:
        raise ValueError(f"a block has {BLOCK_BYTES} bytes")
    return block


def new_token(prefix: str) -> str:
    """A secret of 256 random bits, `<prefix>_<43 characters>_<checksum>`; the checksum lets scanners be sure."""
    body = secrets.token_urlsafe(TOKEN_BYTES)
    return f"{prefix}_{body}_{_checksum(body)}"


def token_is_wellformed(prefix: str, token: str) -> bool:
    """Whether `token` could be one of ours: saves the database a look-up for noise."""
    body = token.removeprefix(prefix + "_")
    if len(token) > 200 or body == token or not token.isascii():
        return False
    body, separator, checksum = body.rpartition("_")
    return bool(separator) and same(_checksum(body), checksum)


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare in constant time; text may hold any character."""
    as_bytes = [part.encode() if isinstance(part, str) else part for part in (left, right)]
    return hmac.compare_digest(*as_bytes)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
