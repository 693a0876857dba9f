"""Certificates and their keys as PEM, made for a test."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
A_DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key as most have it."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(
    key: Key, form: PrivateFormat = PrivateFormat.PKCS8, encryption: KeySerializationEncryption | None = None
) -> str:
    """`key` as PEM."""
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


def certificate(
    name: str, key: Key, *, begins: timedelta = -A_DAY, ends: timedelta = 30 * A_DAY, host: str | None = None
) -> str:
    """A certificate for `name` that nobody else vouches for, as PEM; its times are counted from now."""
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if host is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    sha256 = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(key, sha256).public_bytes(Encoding.PEM).decode()


def pair(name: str) -> dict[str, str]:
    """A client certificate and its key, as an endpoint has them."""
    key = new_key()
    return {"certificate": certificate(name, key), "private_key": key_pem(key)}


def asks_for_one(folder: Path, host: str, *accepted: str) -> ssl.SSLContext:
    """TLS for `host`, of which `folder / "server.pem"` vouches; only who presents one of `accepted` gets in."""
    key = new_key()
    (folder / "key.pem").write_text(key_pem(key))
    (folder / "server.pem").write_text(certificate(host, key, host=host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata="".join(accepted))
    return context
