"""Signing in with a private key, attacked: algorithms that are not the key's, clocks that differ, replays, odd JSON."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256, sha384, sha512
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwt
from joserfc.jwk import import_key
from werkzeug.test import TestResponse

from identity import clients
from identity.clients import Client
from identity.oauth import assertions, purge
from kit import clock, ids
from tests.conftest import World, act
from tests.identity.oauth_kit import basic

ISSUER = "http://127.0.0.1:8000"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
pytestmark = pytest.mark.usefixtures("unlimited")
Sign = Callable[[bytes], bytes]


def public(key: Any, kid: str) -> dict[str, Any]:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {**import_key(pem, "EC" if key is EC_KEY else "RSA").as_dict(private=False), "kid": kid}


@pytest.fixture
def client(world: World) -> Client:
    partner = world.partner("greengrocer")
    with world.transaction() as session:
        return clients.create_with_keys(
            session,
            act(now=clock.now()),
            partner_id=partner.partner_id,
            scopes=["earn:write"],
            jwks={"keys": [public(EC_KEY, "ec"), public(RSA_KEY, "rsa")]},
        )


def claims_of(client: Client, **more: Any) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    name = client.client_id
    return {"iss": name, "sub": name, "aud": ISSUER, "jti": ids.new().hex, "iat": now, "exp": now + 60, **more}


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jws(header: Any, claims: Any, sign: Sign) -> str:
    """A compact JWS with whatever header, claims and signature."""
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encode(sign(signed.encode()))}"


def by_ec(message: bytes) -> bytes:
    r, s = decode_dss_signature(EC_KEY.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sign_in(http, assertion: str, **more: Any) -> TestResponse:
    form = {"grant_type": "client_credentials", "client_assertion_type": assertions.TYPE, "client_assertion": assertion}
    return http.post("/oauth/token", data={**form, **more})


def refused(answer: TestResponse) -> bool:
    return (answer.status_code, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("kid", ["ec", "rsa"])
def test_an_unsigned_assertion_is_refused_though_it_names_a_key(http, client: Client, alg, kid) -> None:
    header = {"alg": alg, "kid": kid}
    for sign in (lambda message: b"", by_ec):
        assert refused(sign_in(http, jws(header, claims_of(client), sign)))
    assert sign_in(http, jws({"alg": "ES256", "kid": "ec"}, claims_of(client), by_ec)).status_code == 200


def _shapes(key: Any, kid: str) -> list[bytes]:
    """A public key in the forms it may be taken for a shared secret in."""
    form, encodings = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding
    pem, der = (key.public_key().public_bytes(encoding, form) for encoding in (encodings.PEM, encodings.DER))
    jwk = public(key, kid)
    texts = (json.dumps(jwk), json.dumps(jwk, separators=(",", ":")), jwk.get("n") or jwk["x"])
    return [pem, pem.strip(), der, *(one.encode() for one in texts), b""]


@pytest.mark.parametrize(("alg", "digest"), [("HS256", sha256), ("HS384", sha384), ("HS512", sha512)])
@pytest.mark.parametrize(("key", "kid"), [(EC_KEY, "ec"), (RSA_KEY, "rsa")], ids=["ec", "rsa"])
def test_a_public_key_is_no_shared_secret(http, client: Client, alg, digest, key, kid) -> None:
    for secret in _shapes(key, kid):
        assertion = jws({"alg": alg, "kid": kid}, claims_of(client), partial(hmac.digest, secret, digest=digest))
        assert refused(sign_in(http, assertion))


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS384", "PS512"])
def test_an_algorithm_that_is_not_offered_is_refused_though_the_signature_is_right(http, client: Client, alg) -> None:
    private = import_key(
        RSA_KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "RSA",
    )

    def signed(by: str) -> str:
        return jwt.encode({"alg": by, "kid": "rsa"}, claims_of(client), private, algorithms=[by])

    assert refused(sign_in(http, signed(alg)))
    assert [sign_in(http, signed(offered)).status_code for offered in ("RS256", "PS256")] == [200, 200]


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "kid": "rsa"},
        {"alg": "RS256", "kid": "ec"},
        {"alg": "ES256"},
        {"alg": "ES256", "kid": ["ec"]},
        {"alg": "ES256", "kid": "ec", "crit": ["exp"]},
        {"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": False},
        {"alg": ["ES256"], "kid": "ec"},
        {"alg": {}, "kid": "ec"},
        {"alg": None, "kid": "ec"},
        {"kid": "ec"},
        ["alg"],
        ["alg", "b64"],
        "alg b64",
        5,
        None,
    ],
    ids=json.dumps,
)
def test_a_header_that_says_something_else_is_refused(http, client: Client, header) -> None:
    assert refused(sign_in(http, jws(header, claims_of(client), by_ec)))


def test_a_key_that_comes_with_the_assertion_proves_nothing(http, client: Client) -> None:
    thief = ec.generate_private_key(ec.SECP256R1())
    numbers = thief.public_key().public_numbers()
    jwk = {
        "kty": "EC", "crv": "P-256", "kid": "ec",
        "x": encode(numbers.x.to_bytes(32, "big")), "y": encode(numbers.y.to_bytes(32, "big")),
    }  # fmt: skip

    def by_thief(message: bytes) -> bytes:
        r, s = decode_dss_signature(thief.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    for more in ({"jwk": jwk}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/x"}, {}):
        assert refused(sign_in(http, jws({"alg": "ES256", "kid": "ec", **more}, claims_of(client), by_thief)))


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(63), bytes(65)])
def test_a_signature_of_nothing_is_refused(http, client: Client, signature) -> None:
    assert refused(sign_in(http, jws({"alg": "ES256", "kid": "ec"}, claims_of(client), lambda message: signature)))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "\ud800"}, {"iss": "\x00"}, {"iss": []}, {"iss": {"a": 1}}, {"iss": 5}, {"iss": "ü"},
        {"iss": "x" * 2_000}, {"jti": "\ud800"}, {"jti": "a\x00b"}, {"jti": "x" * 201}, {"sub": "\ud800"},
        {"aud": "\ud800"}, {"aud": [[], {}, None]}, {"exp": 10**400}, {"exp": -(10**400)}, {"exp": True},
        {"exp": 1e999}, {"iat": 10**400}, {"iat": float("nan")}, {"nbf": []},
    ],
    ids=lambda claims: next(iter(claims)),
)  # fmt: skip
def test_odd_claims_are_refused_and_no_fault_of_ours(http, client: Client, claims) -> None:
    """The name in it is read before anybody is known: whoever asks gets that far."""
    assert refused(sign_in(http, jws({"alg": "ES256", "kid": "ec"}, claims_of(client, **claims), by_ec)))


@pytest.mark.parametrize("part", [0, 1], ids=["header", "claims"])
@pytest.mark.parametrize("more", ['"alg":"ES256"', '"sub":"x"', '"x":NaN', r'"x":"\u0000"', r'"\ud800":1', '"x":1e999'])
def test_what_only_a_lenient_reader_reads_is_refused_though_it_is_signed(http, client: Client, part, more) -> None:
    said = [json.dumps({"sub": "y", "alg": "ES256", "kid": "ec"}), json.dumps({"alg": "ES256", **claims_of(client)})]
    said[part] = f"{said[part][:-1]},{more}}}"
    signed = ".".join(encode(one.encode()) for one in said)
    assert refused(sign_in(http, f"{signed}.{encode(by_ec(signed.encode()))}"))


@pytest.mark.parametrize("payload", [[], "x", 5, None, [["iss"]]])
def test_claims_that_are_none_are_refused(http, client: Client, payload) -> None:
    assert client.jwks
    assert refused(sign_in(http, jws({"alg": "ES256", "kid": "ec"}, payload, by_ec)))


@pytest.mark.parametrize(
    ("claim", "seconds", "is_taken"),
    [
        ("exp", -25, True), ("exp", -35, False), ("exp", 595, True), ("exp", 605, False),
        ("iat", 25, True), ("iat", 35, False), ("nbf", 25, True), ("nbf", 35, False), ("iat", -86_400, True),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_half_a_minute(http, client: Client, claim, seconds, is_taken) -> None:
    at = int(clock.now().timestamp()) + seconds
    answer = sign_in(http, jws({"alg": "ES256", "kid": "ec"}, claims_of(client, **{claim: at}), by_ec))
    assert answer.status_code == (200 if is_taken else 401)


def test_an_assertion_is_remembered_as_long_as_it_could_come_again(http, client: Client, world: World) -> None:
    kept = jws({"alg": "ES256", "kid": "ec"}, claims_of(client, exp=int(clock.now().timestamp()) + 595), by_ec)
    assert sign_in(http, kept).status_code == 200
    with world.transaction() as session:
        purge.forget(session, now=clock.now() + assertions.LONGEST_LIFE + assertions.SKEW)
    assert refused(sign_in(http, kept))


def test_one_way_to_authenticate_at_a_time(http, client: Client, credentials) -> None:
    client_id, secret, _ = credentials("fuelway")
    assertion = jws({"alg": "ES256", "kid": "ec"}, claims_of(client), by_ec)
    form = {"grant_type": "client_credentials", "client_assertion_type": assertions.TYPE, "client_assertion": assertion}
    for headers, more in (
        (basic(client_id, secret), {}),
        (basic(client.client_id, "x"), {}),
        ({}, {"client_secret": secret}),
        ({}, {"client_id": client_id}),
    ):
        assert refused(http.post("/oauth/token", data={**form, **more}, headers=headers))
    assert http.post("/oauth/token", data=form).status_code == 200, "and none of that used it up"
