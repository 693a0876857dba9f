"""How we authenticate at a receiver, as an endpoint asks for it: set, shown without what is secret, refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat
from flask import Flask

from tests.api.test_webhook_endpoints import PATH, URL, register, row
from tests.conftest import World
from tests.service import Caller
from tests.webhooks.certificates import A_DAY, certificate, key_pem, new_key
from webhooks import authentication

OAUTH = {
    "type": "oauth2", "token_url": "https://login.example.com/token", "client_id": "us", "client_secret": "xyzzy-1",
}  # fmt: skip
TABLES = """
    SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
    WHERE table_schema IN ('kit', 'coalition', 'partners', 'webhooks', 'settlement') AND table_type = 'BASE TABLE'
"""
KEY = new_key()
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505
RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


def found_in_database(world: World, *secrets: str) -> list[str]:
    """The tables that hold one of `secrets`, as text or as bytes."""
    wanted = [f"%{form}%" for secret in secrets for form in (secret, secret.encode().hex())]
    with psycopg.connect(str(world.settings.database_owner_url or world.settings.database_url)) as owner:
        tables = [table for (table,) in owner.execute(TABLES)]
        assert "partners.audit_entry" in tables
        found = [
            owner.execute(f"SELECT %s FROM {table} t WHERE t::text LIKE ANY(%s) LIMIT 1", (table, wanted)).fetchone()
            for table in tables
        ]
    return [row[0] for row in found if row]


def test_a_secret_is_sealed_and_never_shown_or_logged(
    world: World, grocer: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = {**OAUTH, "scope": "a b", "audience": "https://hooks.example.com", "client_authentication": "post"}
    made = register(grocer, authentication=asked)
    path = f"{PATH}/{made['endpoint_id']}"
    shown = {name: value for name, value in asked.items() if name != "client_secret"}
    assert made["authentication"] == shown
    assert grocer.get(path).json["authentication"] == shown
    assert grocer.get(PATH).json["data"][0]["authentication"] == shown
    changed = grocer.patch(path, {"authentication": {**OAUTH, "client_secret": "xyzzy-2", "resource": "urn:x:1"}})
    now = {**{name: value for name, value in OAUTH.items() if name != "client_secret"}, "resource": "urn:x:1"}
    assert changed.json["authentication"] == {**now, "client_authentication": "basic"}, "replaced as a whole"
    kept = row(world, made["endpoint_id"])
    opened = world.keyring.unseal(bytes(kept.sealed_authentication), purpose=authentication.PURPOSE)
    asked_now = authentication.of_bytes(opened)
    assert isinstance(asked_now, authentication.OAuth2)
    assert asked_now.client_secret == "xyzzy-2"
    logged = grocer.get(f"/v1/requests/{changed.headers['Request-Id']}")
    assert (logged.status_code, "client_secret" in logged.text) == (200, True)
    assert "xyzzy" not in "".join([logged.text, caplog.text, changed.text, repr(asked_now)])
    assert found_in_database(world, "xyzzy") == []
    assert grocer.patch(path, {"authentication": None}).json["authentication"] is None
    assert row(world, made["endpoint_id"]).sealed_authentication is None


def test_a_certificate_is_shown_by_what_names_it(
    world: World, grocer: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mine, issuer = certificate("coalition", KEY), certificate("issuer", RSA_KEY)
    secret = key_pem(KEY)
    made = register(
        grocer, authentication={"type": "mtls", "certificate": f"Bag\n{mine}\n{issuer}", "private_key": secret}
    )
    read = x509.load_pem_x509_certificate(mine.encode())
    assert made["authentication"] == {
        "type": "mtls",
        "subject": "CN=coalition",
        "sha256_fingerprint": read.fingerprint(hashes.SHA256()).hex(),
        "not_after": read.not_valid_after_utc.isoformat(),
    }
    kept = row(world, made["endpoint_id"])
    opened = authentication.of_bytes(
        world.keyring.unseal(bytes(kept.sealed_authentication), purpose=authentication.PURPOSE)
    )
    assert isinstance(opened, authentication.ClientCertificate)
    assert opened.certificate == mine + issuer
    lines = secret.splitlines()[1:-1]
    assert not [line for line in lines if line in caplog.text + repr(opened)]
    assert found_in_database(world, *lines) == []
    path = f"{PATH}/{made['endpoint_id']}"
    assert grocer.http.delete(path, headers={"Authorization": f"Bearer {grocer.token}"}).status_code == 204
    removed = row(world, made["endpoint_id"])
    assert (removed.authentication, removed.sealed_authentication) == (None, None)


@pytest.mark.parametrize(
    "asked",
    [
        {"certificate": certificate("rsa", RSA_KEY), "private_key": key_pem(RSA_KEY)},
        {
            "certificate": certificate("rsa", RSA_KEY),
            "private_key": key_pem(RSA_KEY, PrivateFormat.TraditionalOpenSSL),
        },
        {"certificate": certificate("ec", KEY), "private_key": key_pem(KEY, PrivateFormat.TraditionalOpenSSL)},
        {"certificate": certificate("soon", KEY, begins=A_DAY / 2), "private_key": key_pem(KEY)},
    ],
    ids=["RSA", "PKCS#1", "SEC 1", "soon"],
)
def test_keys_as_tools_write_them_are_taken(grocer: Caller, asked: dict[str, str]) -> None:
    assert register(grocer, authentication={"type": "mtls", **asked})["authentication"]["type"] == "mtls"


def mtls(**other: Any) -> dict[str, Any]:
    return {"type": "mtls", "certificate": certificate("us", KEY), "private_key": key_pem(KEY), **other}


def of_key(key: Any) -> dict[str, Any]:
    return mtls(certificate=certificate("us", key), private_key=key_pem(key))


def damaged() -> str:
    """An RSA key whose parts do not fit each other, so that what it signs is wrong."""
    right = RSA_KEY.private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        p=right.p, q=right.q, d=right.d - 2, dmp1=right.dmp1 - 2, dmq1=right.dmq1, iqmp=right.iqmp,
        public_numbers=right.public_numbers,
    )  # fmt: skip
    return key_pem(wrong.private_key(unsafe_skip_rsa_key_validation=True))


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        (mtls(certificate="garbage xyzzy"), "certificate", "as certificates in PEM"),
        (mtls(certificate="\ud800"), None, ""),
        (mtls(certificate=key_pem(KEY)), "certificate", "as certificates in PEM"),
        (mtls(certificate=certificate("us", KEY, begins=-2 * A_DAY, ends=-A_DAY)), "certificate", "has expired"),
        (mtls(certificate=certificate("us", KEY, begins=2 * A_DAY)), "certificate", "more than a day from now"),
        (mtls(certificate=certificate("us", KEY) * 6), "certificate", "more than 5 certificates"),
        (mtls(certificate=certificate("us\u202e", KEY)), "certificate", "its subject is not a text"),
        (mtls(certificate=certificate("us", KEY) + certificate("ca", WEAK_KEY)), "certificate", "TLS does not accept"),
        (mtls(private_key="garbage xyzzy"), "private_key", "as a key in PEM"),
        (mtls(private_key="\ud800"), None, ""),
        (mtls(private_key=certificate("us", KEY)), "private_key", "as a key in PEM"),
        (mtls(private_key=key_pem(new_key())), "private_key", "does not belong to"),
        (mtls(private_key=key_pem(RSA_KEY)), "private_key", "does not belong to"),
        (mtls(certificate=certificate("us", RSA_KEY), private_key=damaged()), "private_key", "does not belong to"),
        (
            mtls(private_key=key_pem(KEY, encryption=BestAvailableEncryption(b"xyzzy"))),
            "private_key",
            "the key is encrypted",
        ),
        (of_key(WEAK_KEY), "private_key", "a key is RSA with 2048 to 4096 bits"),
        (of_key(ec.generate_private_key(ec.SECP256K1())), "private_key", "a key is RSA with 2048 to 4096 bits"),
        (of_key(ed25519.Ed25519PrivateKey.generate()), "private_key", "a key is RSA with 2048 to 4096 bits"),
        (mtls(private_key=""), None, ""),
        (mtls(certificate="x" * 16_385), None, ""),
        (mtls(private_key="x" * 4_097), None, ""),
        ({"type": "mtls", "certificate": certificate("us", KEY)}, "private_key", "mtls needs private_key"),
        (mtls(client_id="us"), "client_id", "client_id does not belong to mtls"),
        ({**OAUTH, "private_key": "xyzzy"}, "private_key", "private_key does not belong to oauth2"),
        ({"type": "oauth2", "token_url": OAUTH["token_url"], "client_id": "us"}, "client_secret", "oauth2 needs"),
        ({**OAUTH, "token_url": "http://login.example.com/"}, "token_url", "token_url: the URL must begin with https"),
        ({**OAUTH, "token_url": "https://169.254.169.254/"}, "token_url", "token_url: webhooks go only to public"),
        ({**OAUTH, "token_url": "https://u:xyzzy@login.example.com/"}, "token_url", "no user, password"),
        ({**OAUTH, "token_url": "ftp://login.example.com/"}, "token_url", "token_url: the URL must begin with https"),
        ({**OAUTH, "client_id": "a\nb"}, "client_id", "characters that OAuth does not allow"),
        ({**OAUTH, "client_secret": "xyzzyä"}, "client_secret", "characters that OAuth does not allow"),
        ({**OAUTH, "scope": "a  b"}, "scope", "characters that OAuth does not allow"),
        ({**OAUTH, "scope": 'a"b'}, "scope", "characters that OAuth does not allow"),
        ({**OAUTH, "resource": "/path"}, "resource", "an absolute URI"),
        ({**OAUTH, "resource": "https://a.example/#b"}, "resource", "an absolute URI"),
        ({**OAUTH, "resource": "https://[a/"}, "resource", "an absolute URI"),
        ({**OAUTH, "client_secret": "x" * 2001}, None, ""),
        ({**OAUTH, "client_authentication": "jwt"}, None, ""),
        ({**OAUTH, "scope": None}, None, ""),
        ({**OAUTH, "type": "basic"}, None, ""),
        ({**OAUTH, "more": "xyzzy"}, None, ""),
        ({"token_url": OAUTH["token_url"]}, None, ""),
        ([], None, ""),
        ("xyzzy", None, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_fault_and_without_its_secrets(
    world: World, grocer: Caller, asked: Any, field: str | None, words: str
) -> None:
    answer = grocer.post(PATH, {"url": URL, "authentication": asked})
    code = "authentication_refused" if field else "invalid_request"
    assert (answer.status_code, answer.json["code"], answer.json.get("field")) == (422, code, field), answer.text
    assert words in answer.json["detail"]
    assert "xyzzy" not in answer.text
    logged = grocer.get(f"/v1/requests/{answer.headers['Request-Id']}")
    assert (logged.status_code, "xyzzy" in logged.text) == (200, False)
    assert world.count("webhooks.endpoint") == 0


def test_what_does_not_go_together_is_refused_however_it_comes_to_be(grocer: Caller, app: Flask) -> None:
    own = {"headers": {"authorization": "Bearer own"}}
    plain = {"url": "http://hooks.example.com/x"}
    tokens = f"{PATH}/{register(grocer, authentication=OAUTH)['endpoint_id']}"
    with_header = f"{PATH}/{register(grocer, **own)['endpoint_id']}"
    with_mtls = f"{PATH}/{register(grocer, authentication=mtls())['endpoint_id']}"
    svc = app.extensions["coalition"]
    app.extensions["coalition"] = replace(svc, settings=replace(svc.settings, webhook_allow_http=True))
    without_tls = f"{PATH}/{register(grocer, **plain)['endpoint_id']}"
    answers = [
        grocer.post(PATH, {"url": URL, "authentication": OAUTH, **own}),
        grocer.patch(tokens, own),
        grocer.patch(with_header, {"authentication": OAUTH}),
        grocer.post(PATH, {**plain, "authentication": mtls()}),
        grocer.patch(with_mtls, plain),
        grocer.patch(without_tls, {"authentication": mtls()}),
    ]
    assert [(one.status_code, one.json["code"], one.json["field"]) for one in answers] == [
        *[(422, "authentication_refused", "headers")] * 3, *[(422, "authentication_refused", "url")] * 3,
    ]  # fmt: skip
    assert grocer.patch(with_mtls, {**plain, "authentication": OAUTH}).status_code == 200
    assert grocer.patch(tokens, {**own, "authentication": None}).status_code == 200
    assert grocer.patch(with_header, {"headers": {}, "authentication": OAUTH}).status_code == 200
