"""Client certificates for TLS at a receiver (RFC 8446 §4.4.2): which may be used, and the TLS made of one."""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

LARGEST_CERTIFICATE = 16 * 1024  # the whole chain as PEM, in bytes
MOST_CERTIFICATES = 5
LARGEST_KEY = 4 * 1024  # as PEM, in bytes: RSA with 4096 bits has 3.3 KiB
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 4096
CURVES = ("secp256r1", "secp384r1", "secp521r1")
LONGEST_SUBJECT = 1_000
SOON = timedelta(days=1)  # one that becomes valid later would fail every delivery until then

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CertificateRefused(ValueError):
    """A certificate or key that can't be used: `field` says which of the two. The words hold nothing of either."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class ClientCertificate:
    """A chain as PEM, the endpoint's own certificate first, the key of that one, and what may be told of it."""

    type: ClassVar[str] = "mtls"
    certificate: str = field(repr=False)
    private_key: str = field(repr=False)
    subject: str
    sha256_fingerprint: str
    not_after: str

    @property
    def shown(self) -> dict[str, str]:
        """What may be told of it."""
        return {
            "type": self.type,
            "subject": self.subject,
            "sha256_fingerprint": self.sha256_fingerprint,
            "not_after": self.not_after,
        }


def checked(certificate: str, private_key: str, *, now: datetime) -> ClientCertificate:
    """`certificate` and `private_key` as TLS takes them, and nothing else that the texts hold.

    Raises CertificateRefused.
    """
    chain = _chain(certificate)
    subject = _check_time(chain[0], now=now)
    key = _key(private_key)
    _check_pair(chain[0], key)
    found = ClientCertificate(
        certificate="".join(one.public_bytes(Encoding.PEM).decode() for one in chain),
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        subject=subject,
        sha256_fingerprint=chain[0].fingerprint(hashes.SHA256()).hex(),
        not_after=chain[0].not_valid_after_utc.isoformat(),
    )
    try:
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), found.certificate, found.private_key)
    except ssl.SSLError:  # such as an issuer's key that is too short
        raise CertificateRefused("certificate", "TLS does not accept the certificate with this key") from None
    return found


def context(certificate: str, private_key: str) -> ssl.SSLContext:
    """TLS that trusts what everybody here trusts and presents this certificate. Takes tens of milliseconds."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    _load(made, certificate, private_key)
    return made


def _load(into: ssl.SSLContext, certificate: str, private_key: str) -> None:
    # OpenSSL reads files only. What lies there for a moment is a key under a password that nobody else ever has.
    password = secrets.token_urlsafe(32)
    key = _key(private_key)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    with tempfile.NamedTemporaryFile(prefix="coalition-") as file:  # readable by this user alone
        file.write(sealed + certificate.encode())
        file.flush()
        into.load_cert_chain(file.name, password=password)


def _chain(pem: str) -> Sequence[x509.Certificate]:
    if len(pem) > LARGEST_CERTIFICATE:
        raise CertificateRefused("certificate", f"the chain has more than {LARGEST_CERTIFICATE // 1024} KiB")
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise CertificateRefused("certificate", "we cannot read it as certificates in PEM") from None
    if len(chain) > MOST_CERTIFICATES:
        raise CertificateRefused("certificate", f"the chain has more than {MOST_CERTIFICATES} certificates")
    return chain


def _check_time(certificate: x509.Certificate, *, now: datetime) -> str:
    """The certificate's subject, as RFC 4514 writes it; raises CertificateRefused unless it is valid now or soon."""
    try:
        subject = certificate.subject.rfc4514_string()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ValueError:
        raise CertificateRefused("certificate", "we cannot read its subject or its dates") from None
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise CertificateRefused("certificate", f"its subject is not a text of up to {LONGEST_SUBJECT} characters")
    if ends <= now:
        raise CertificateRefused("certificate", "the first certificate has expired")
    if begins > now + SOON:
        raise CertificateRefused("certificate", "the first certificate becomes valid more than a day from now")
    return subject


def _key(pem: str) -> PrivateKey:
    if len(pem) > LARGEST_KEY:
        raise CertificateRefused("private_key", f"the key has more than {LARGEST_KEY // 1024} KiB")
    try:
        # To test the primes takes 0.4 s; that the key signs for its certificate is tested below, in 3 ms.
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise CertificateRefused("private_key", "the key is encrypted; send it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefused("private_key", "we cannot read it as a key in PEM") from None
    if isinstance(key, rsa.RSAPrivateKey) and LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return key
    raise CertificateRefused(
        "private_key",
        f"a key is RSA with {LEAST_RSA_BITS} to {MOST_RSA_BITS} bits, or EC on P-256, P-384 or P-521",
    )


def _check_pair(certificate: x509.Certificate, key: PrivateKey) -> None:
    said, sha256, pkcs1 = secrets.token_bytes(32), hashes.SHA256(), padding.PKCS1v15()
    try:
        public = certificate.public_key()
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
            return public.verify(key.sign(said, pkcs1, sha256), said, pkcs1, sha256)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
            return public.verify(key.sign(said, ec.ECDSA(sha256)), said, ec.ECDSA(sha256))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        pass
    raise CertificateRefused("private_key", "the key does not belong to the first certificate")
